# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or absent: written beside under a name of their own, then renamed. No bpy.

The worker has the same of its own; the two sides share the manner, no code.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError, RenderError

_OWN_PART = re.compile(r"likeness-[0-9a-f]{12}\.part(\.\w+)?")
_WORKERS_PART = re.compile(r"(.+)\.[0-9a-f]{12}\.part")


_hashes: dict[Path, tuple[tuple[int, ...], str]] = {}


def hash_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal; taken again only where the file is another.

    InputError where it cannot be read.
    """
    try:
        about = path.stat()
        stamp = about.st_mtime_ns, about.st_size, about.st_ino
        if path not in _hashes or _hashes[path][0] != stamp:
            with path.open("rb") as file:
                _hashes[path] = stamp, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); put it back") from None
    return _hashes[path][1]


def part_of(path: Path) -> Path:
    """A name beside `path` that nobody can know before, to write to.

    The ending stays: Blender adds one of its own to a movie without one. And no '#', which it
    would replace by the frame's number.
    """
    return path.with_name(f"likeness-{secrets.token_hex(6)}.part{path.suffix}")


def is_part(name: str, whole: re.Pattern[str]) -> bool:
    """Was it left by a writer that was killed? whole: fits the names of what the worker writes."""
    workers = _WORKERS_PART.fullmatch(name)
    return bool(_OWN_PART.fullmatch(name) or (workers and whole.fullmatch(workers[1])))


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; it becomes `path` when the block ends well.

    A link at `path` is replaced, not followed. InputError when the folder cannot be written,
    RenderError when the disk is full.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RenderError(f"{path}: the disk is full; free some space and try again") from None
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot be written ({reason}); choose another folder") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
