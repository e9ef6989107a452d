# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading NumPy's files: what they declare is checked before memory is taken for it. No bpy.

A few hundred bytes can declare gigabytes, in an array's header or in a zip's directory. Only
regular files are opened: a pipe would be waited for, with Blender's window standing still.
"""

from __future__ import annotations

import contextlib
import math
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MOST_FRAMES = 200_000  # two hours at 25 a second
_LARGEST = MOST_FRAMES * 8192  # bytes; a frame of a performance has less
_LARGEST_DIRECTORY = 1 << 16  # bytes of a zip's list of members; ours have some thousand
_LONGEST_TEXT = 4096  # characters
_MOST_TEXTS = 256
_PIECE = 1 << 20  # bytes that are read at once
_END, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _LONGEST_COMMENT = 22, 65535

# What NumPy, zip, zlib and the checks here raise for a file that is none of ours, or a damaged one.
UNREADABLE = (
    OSError, ValueError, TypeError, KeyError, IndexError, EOFError, ArithmeticError, RuntimeError,
    struct.error, zipfile.BadZipFile, zlib.error, MemoryError,
)  # fmt: skip


class WrongShapeError(ValueError):
    """An array has another shape than is wanted; the message says which."""


class Arrays:
    """The arrays of an open .npz by name. All raise one of UNREADABLE for what is not wanted."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = {name.removesuffix(".npy") for name in archive.namelist()}

    def length(self, name: str) -> int:
        """The frames that an array declares, MOST_FRAMES at most."""
        with self._member(name) as member:
            shape = header(member)[0]
        if not shape or shape[0] > MOST_FRAMES:
            raise ValueError("more frames than a take can have")
        return shape[0]

    def read(self, name: str, kinds: str, shape: tuple[int | None, ...]) -> NDArray:
        """An array of one of NumPy's kinds of types ("f", "iu", ...).

        shape: what it must be; None is any length up to MOST_FRAMES.
        """
        with self._member(name) as member:
            found, dtype, fortran = header(member)
            if dtype.kind not in kinds or dtype.itemsize > 4 * _LONGEST_TEXT:
                raise ValueError(f"{name} is of another type")
            fits = len(found) == len(shape) and all(
                length == wanted or (wanted is None and length <= MOST_FRAMES)
                for length, wanted in zip(found, shape, strict=True)
            )
            if not fits:
                raise WrongShapeError(f"{name} has the shape {str(found)[:60]}, not {shape}")
            array = _content(member, dtype, found, fortran)
            if dtype.kind == "U":
                signs = np.frombuffer(array.tobytes(), np.dtype(f"{dtype.str[0]}u4"))
                if signs.size and signs.max() > sys.maxunicode:
                    raise ValueError("no characters")  # NumPy would build what is no string
            if member.read(1):  # also has zipfile compare the checksum
                raise ValueError("more bytes than declared")
            return array

    def text(self, name: str) -> str:
        """One text."""
        return _printable(self.read(name, "U", ())[()])

    def texts(self, name: str) -> tuple[str, ...]:
        """A row of texts."""
        if self.length(name) > _MOST_TEXTS:
            raise ValueError("too many texts")
        return tuple(_printable(text) for text in self.read(name, "U", (None,)))

    def numbers(self, name: str) -> tuple[int, ...]:
        """A row of whole numbers."""
        return tuple(int(value) for value in self.read(name, "iu", (None,)))

    @contextlib.contextmanager
    def _member(self, name: str) -> Iterator[BinaryIO]:
        found = self._archive.getinfo(f"{name}.npy")
        # Others need memory of their own to unpack, as much as the file asks for.
        if found.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("compressed in another way")
        with self._archive.open(found) as member:
            yield member  # type: ignore[misc]


@contextlib.contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """The arrays of an .npz. Raises one of UNREADABLE."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("no regular file")
    with path.open("rb") as file:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            yield Arrays(archive)


def read_array(path: Path) -> NDArray:
    """The array of an .npy. Raises one of UNREADABLE."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("no regular file")
    with path.open("rb") as file:
        shape, dtype, fortran = header(file)
        return _content(file, dtype, shape, fortran)


def header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype, bool]:
    """An .npy's shape, type, and whether columns come first. Raises ValueError."""
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(file)
    except Exception:  # a foreign text is parsed as Python's: a dozen kinds of errors
        raise ValueError("no array") from None
    if dtype.hasobject or dtype.kind not in "biufU" or any(length < 0 for length in shape):
        raise ValueError("no array of numbers or texts")
    return shape, dtype, fortran


def _content(file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...], fortran: bool) -> NDArray:
    count = math.prod(shape)
    if count * dtype.itemsize > _LARGEST:
        raise ValueError("too large")
    array = np.zeros(count, dtype)
    if array.nbytes:
        # Piece by piece: the memory behind it is taken as the content comes, if it comes.
        room = array.view(np.uint8)
        for start in range(0, len(room), _PIECE):
            wanted = min(_PIECE, len(room) - start)
            piece = file.read(wanted)
            if len(piece) < wanted:
                raise EOFError
            room[start : start + wanted] = np.frombuffer(piece, np.uint8)
    return array.reshape(shape, order="F" if fortran else "C")


def _check_directory(file: BinaryIO) -> None:
    """A zip's directory is read at once, and each of its entries takes a kilobyte of memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_SIZE or tail[max(0, at - 20) :].startswith(_LOCATOR_64):
        raise ValueError("no zip, or one of the large kind")
    (length,) = struct.unpack_from("<L", tail, at + 12)
    if length > _LARGEST_DIRECTORY:
        raise ValueError("too many members")
    file.seek(0)


def _printable(text: object) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(text))
