# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer at a time: a lock that the system takes back when its process dies.

On Linux and macOS it is flock, on Windows a locked byte. Network file systems know it as well as
they can: NFS since Linux 2.6.12 and SMB tell other machines of it; where a file system has no
locks at all, the work goes on without.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from inference.errors import InputError
from inference.files import file_error


@contextlib.contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Be the only one who holds the lock file `path` while the block runs.

    The file is empty, and gone afterwards; a killed process leaves it, unlocked. what: that is
    written meanwhile, in words, for the message. Raises InputError at once when another holds it.
    """
    file = _locked(path, what)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps a file that is open
            path.unlink()
        os.close(file)


def _locked(path: Path, what: str) -> int:
    while True:
        try:
            # Not through a link: it may lead out of the folder that is written.
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            file = os.open(path, flags, 0o666)
        except OSError as error:
            raise file_error(error, path) from error
        if not _take(file):
            os.close(file)
            raise InputError(f"{what} is being written by another run; wait until it has ended, or "
                             "choose another one")  # fmt: skip
        if _still_there(path, file):
            return file
        os.close(file)  # its last holder has just removed it


def _still_there(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(file))
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
