# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or absent: written beside under a name of their own, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from inference.errors import InputError, LikenessError

PART_SUFFIX = ".part"
_TOKEN = re.compile(r"\.[0-9a-f]{12}\.part")


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; it becomes `path` when the block ends well.

    No two writers share that name. A link at `path` is replaced, not followed.
    Raises InputError when the folder cannot be written, LikenessError when the disk is full.
    """
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except BaseException as error:
        _remove(part)
        if isinstance(error, OSError):
            raise file_error(error, path) from error
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Put bytes under a name, whole or not at all; raises as `written_whole` does."""
    with written_whole(path) as part:
        part.write_bytes(data)


def check_writable(path: Path) -> None:
    """Find out before long work whether `path` can be written; raises as `written_whole` does."""
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; name a file in it")
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise file_error(error, path) from error
    finally:
        _remove(part)


def file_error(error: OSError, path: Path) -> LikenessError:
    """The clear line for an operating system's refusal to write `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LikenessError(
            f"{path}: the disk is full; free some space and run the same command again"
        )
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return InputError(f"{path}: this name cannot be used; choose a shorter one")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return InputError(f"{path.parent}: this folder cannot be written; choose another one")
    return LikenessError(f"{path}: cannot be written ({error.strerror or error})")


def is_part_of(name: str, whole: re.Pattern[str]) -> bool:
    """Was `name` left by a writer that was killed on the way to a file whose name fits `whole`?"""
    ending = _TOKEN.search(name)
    return bool(ending and ending.end() == len(name) and whole.fullmatch(name[: ending.start()]))


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(6)}{PART_SUFFIX}")


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):  # an unreachable folder: the error that led here says more
        part.unlink(missing_ok=True)
