# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes, on files. The system frees them when a process ends, however it ends.

On this machine they hold without exception. On a network folder they hold as far as the file
system carries `flock` (NFS from version 3 on with its lock service, SMB between Linux machines);
where it has no locks at all, runs go on without, and whatever a lock would have prevented must be
found in another way. The files of work that is shared stay where they are: removing one would let
two runs hold it. The file of `hold` may be removed by who holds it, and by nobody else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inference.errors import InputError
from inference.files import file_error

_PATIENCE = 10.0  # seconds that a run may take over preparing a folder
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@contextlib.contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Be the only one to write `what`, in words, while the block lasts; `path` is the lock's file.

    Raises InputError when another process is at it, or the file cannot be written.
    """
    file = _held(path, what)
    try:
        yield
    finally:
        os.close(file)


def _held(path: Path, what: str) -> int:
    while True:
        file = _opened(path)
        try:
            taken = _take(file, exclusive=True)
        except _NoLocksError:
            return file
        if taken and _still_there(path, file):
            return file
        os.close(file)
        if not taken:
            raise InputError(
                f"{path.parent}: another run is writing {what} here; wait until "
                "it has ended, or choose another folder"
            )


def _still_there(path: Path, file: int) -> bool:
    """Or has its last holder just removed it?"""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file))
    except OSError:
        return False


@dataclass
class SharedWork:
    """A folder in which several runs may work at once, as long as they do the same.

    alone: is it known that nobody else is at it? Then nobody can begin until `share` is called.
    """

    path: Path
    key: bytes
    alone: bool
    file: int

    def share(self) -> None:
        """Let others of the same key in. Raises InputError when another key came in between."""
        if self.alone:
            _take(self.file, exclusive=False, wait=True)
            self.alone = False
            if _read(self.file) != self.key:
                raise _busy(self.path)


@contextlib.contextmanager
def work_together(path: Path, key: bytes) -> Iterator[SharedWork]:
    """Work in a folder that holds the lock's file `path`, beside runs with the same key only.

    Raises InputError when a run with another key is at it, or the file cannot be written.
    """
    file = _opened(path)
    try:
        try:
            alone = _take(file, exclusive=True)
            if alone:
                _write(file, key)
            else:
                _join(file, path, key)
        except _NoLocksError:
            alone = False
        yield SharedWork(path, key, alone, file)
    finally:
        os.close(file)


class _NoLocksError(Exception):
    """The file system has no locks."""


def _join(file: int, path: Path, key: bytes) -> None:
    until = time.monotonic() + _PATIENCE
    while not _take(file, exclusive=False):  # somebody is preparing the folder
        if time.monotonic() > until:
            raise _busy(path)
        time.sleep(0.05)
    if _read(file) != key:
        raise _busy(path)


def _busy(path: Path) -> InputError:
    return InputError(
        f"{path.parent}: another run is writing other frames here; wait until it has "
        "ended, end it, or choose another folder"
    )


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(
                f"{path}: is a link, which is not written through; remove it"
            ) from None
        raise file_error(error, path) from error


def _read(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, 4096)


def _write(file: int, key: bytes) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, key)


if sys.platform == "win32":  # pragma: no cover - the package is built for it, not run on it yet
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _EXCLUSIVE, _AT_ONCE = 2, 1
    _FAR = 1 << 30  # where no data lies: a locked range could not be read by others

    def _take(file: int, exclusive: bool, wait: bool = False) -> bool:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = wintypes.HANDLE(msvcrt.get_osfhandle(file))
        overlapped = (ctypes.c_ulonglong * 4)(0, 0, _FAR, 0)
        kernel.UnlockFileEx(handle, 0, 1, 0, overlapped)
        flags = (_EXCLUSIVE if exclusive else 0) | (0 if wait else _AT_ONCE)
        return bool(kernel.LockFileEx(handle, flags, 0, 1, 0, overlapped))

else:
    import fcntl

    def _take(file: int, exclusive: bool, wait: bool = False) -> bool:
        """Take the lock or change it; False when another process has it."""
        how = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(file, how if wait else how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise _NoLocksError from None
            raise
        return True
