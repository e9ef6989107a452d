# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading NumPy's files: what they declare is checked before memory is taken for it.

A few hundred bytes can declare gigabytes, in an array's header or in a zip's directory. Here the
reader says what it wants, and nothing else is read. Pickles never are.
"""

from __future__ import annotations

import contextlib
import math
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from inference.errors import one_line
from inference.inputs import MOST_FRAMES, opened

# Of a performance; a track has less.
_BYTES_A_FRAME = 8192
_LARGEST = MOST_FRAMES * _BYTES_A_FRAME
_LARGEST_DIRECTORY = 1 << 16  # bytes of a zip's list of members; ours have some thousand
_LONGEST_TEXT = 4096  # characters
_PIECE = 1 << 20  # bytes that are read at once
_MOST_NUMBERS = MOST_FRAMES
_END, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _LONGEST_COMMENT = 22, 65535

# What zip, zlib and the checks here raise for a file that is none of ours, or a damaged one.
UNREADABLE = (
    ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, OverflowError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class WrongArray(ValueError):
    """An array is of another shape or type than is wanted; the message says which."""


class Arrays:
    """The arrays of an open .npz by name. All raise one of UNREADABLE for what is not wanted."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = {name.removesuffix(".npy") for name in archive.namelist()}

    def length(self, name: str) -> int:
        """The frames that an array declares: its first dimension, MOST_FRAMES at most."""
        shape, _, _ = self._declared(name)
        if not shape or not 0 <= shape[0] <= MOST_FRAMES:
            raise WrongArray(
                f"{name} has the shape {_told(shape)}, frames go from 1 to {MOST_FRAMES}"
            )
        return shape[0]

    def read(self, name: str, kind: DTypeLike, shape: tuple[int, ...]) -> NDArray:
        """An array that must be of just this type and shape."""
        found, dtype, fortran = self._declared(name)
        if found != shape or dtype != np.dtype(kind):
            raise WrongArray(
                f"{name} has the shape {_told(found)} and type {dtype.name[:20]}, not "
                f"{shape} and {np.dtype(kind)}"
            )
        return self._content(name, dtype, shape, fortran)

    def numbers(self, name: str) -> tuple[int, ...]:
        """A few whole numbers of whatever width."""
        shape, dtype, _ = self._declared(name)
        if dtype.kind not in "iu" or len(shape) != 1 or not 0 <= shape[0] <= _MOST_NUMBERS:
            raise WrongArray(f"{name} is no row of whole numbers")
        return tuple(int(value) for value in self._content(name, dtype, shape, False))

    def whole(self, name: str) -> int:
        """One whole number."""
        shape, dtype, _ = self._declared(name)
        if dtype.kind not in "iu" or shape != ():
            raise WrongArray(f"{name} is no whole number")
        return int(self._content(name, dtype, shape, False))

    def text(self, name: str) -> str:
        """One text, with nothing in it but what is printed."""
        shape, _, _ = self._declared(name)
        if shape != ():
            raise WrongArray(f"{name} is no text")
        return self._texts(name, ())[0]

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        """A row of texts, `most` of them at most."""
        shape, _, _ = self._declared(name)
        if len(shape) != 1 or not 0 <= shape[0] <= most:
            raise WrongArray(f"{name} is no row of texts, or too long a one")
        return self._texts(name, shape)

    def _texts(self, name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
        _, dtype, _ = self._declared(name)
        if dtype.kind != "U" or dtype.itemsize > 4 * _LONGEST_TEXT:
            raise WrongArray(f"{name} is no text, or too long a one")
        found = self._content(name, dtype, shape, False).reshape(-1)
        signs = np.frombuffer(found.tobytes(), np.dtype(f"{dtype.str[0]}u4"))
        if signs.size and signs.max() > sys.maxunicode:  # NumPy would build what is no string
            raise WrongArray(f"{name} holds what are no characters")
        return tuple(one_line(str(text)) for text in found)

    def _declared(self, name: str) -> tuple[tuple[int, ...], np.dtype, bool]:
        with self._member(name) as member:
            return _header(member)

    def _content(
        self, name: str, dtype: np.dtype, shape: tuple[int, ...], fortran: bool
    ) -> NDArray:
        with self._member(name) as member:
            _header(member)
            array = _data(member, dtype, shape, fortran)
            if member.read(1):  # also has zipfile compare the checksum
                raise ValueError("more bytes than declared")
            return array

    @contextlib.contextmanager
    def _member(self, name: str) -> Iterator[BinaryIO]:
        found = self._archive.getinfo(f"{name}.npy")
        # Others need memory of their own to unpack, as much as the file asks for.
        if found.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("compressed in another way")
        with self._archive.open(found) as member:
            yield member  # type: ignore[misc]


@contextlib.contextmanager
def open_arrays(path: Path, what: str, advice: str) -> Iterator[Arrays]:
    """The arrays of an .npz. Raises as `inputs.opened` does, and one of UNREADABLE."""
    with opened(path, what, advice, _LARGEST) as file:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            yield Arrays(archive)


def read_array(
    path: Path, what: str, advice: str, kind: DTypeLike, shape: tuple[int, ...]
) -> NDArray:
    """The array of an .npy, of just this type and shape. Raises as `open_arrays` does."""
    wanted = np.dtype(kind)
    with opened(path, what, advice, _BYTES_A_FRAME + wanted.itemsize * math.prod(shape)) as file:
        found, dtype, fortran = _header(file)
        if found != shape or dtype != wanted:
            raise WrongArray(f"it has the shape {_told(found)}, not {shape}")
        return _data(file, dtype, shape, fortran)


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


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype, bool]:
    """Shape, type, and whether columns come first."""
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


def _data(file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...], fortran: bool) -> NDArray:
    count = math.prod(shape)
    if count * dtype.itemsize > _LARGEST:
        raise ValueError("too large")
    array = np.zeros(count, dtype)
    if array.nbytes:
        # Piece by piece: the memory behind it is taken as the content comes, if it comes.
        room = array.view(np.uint8)
        for start in range(0, len(room), _PIECE):
            piece = file.read(min(_PIECE, len(room) - start))
            room[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
            if len(piece) < min(_PIECE, len(room) - start):
                raise EOFError
    return array.reshape(shape, order="F" if fortran else "C")


def _told(shape: tuple[int, ...]) -> str:
    return str(shape) if len(str(shape)) < 60 else "of another kind"
