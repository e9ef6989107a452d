# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door for files from outside: regular files alone, no larger than can be meant, read once.

A pipe would be waited for without end, a device has no end, and a number in a header may ask for
more memory than there is: all of it is found out here, before anything is read or taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from inference.errors import InputError

# Frames of a take or of footage: two hours at 25 a second. Its landmarks take 1.1 GB.
MOST_FRAMES = 200_000
# Width and height of a picture that landmarks lie in, pixels.
LONGEST_SIDE = 100_000
# A whole number that a person gives: frames, faces, lengths. NumPy counts with 32 bits here.
LARGEST_WHOLE = 2**31 - 1

_LARGEST_JSON = 1 << 20  # bytes
_SLOWEST, _FASTEST = Fraction(1, 10), 1000  # frames a second
# Nothing that Fraction would build a number of a million digits from.
_RATIO = re.compile(r"[+-]?\d{0,12}(\.\d{0,12})?(e[+-]?\d{1,2})?(/\d{1,12})?", re.ASCII | re.I)


@contextlib.contextmanager
def opened(path: Path, what: str, advice: str, largest: int) -> Iterator[BinaryIO]:
    """Open a regular file of at most `largest` bytes for reading.

    what: the kind of file in words, such as "track". advice: what to do where there is none.
    Raises InputError for everything else that may lie at `path`, and when it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            _refuse_kind(path, what)
        # Should a pipe have taken its place since, opening it still does not wait.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                _refuse_kind(path, what)
            if found.st_size > largest:
                raise InputError(
                    f"{path}: has {found.st_size / 1e6:.0f} MB, more than a {what} "
                    "can have; choose another file"
                )
            yield file
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: there is no such {what}; {advice}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


_BINARY = getattr(os, "O_BINARY", 0)


def check_file(path: Path, what: str, advice: str = "check its name") -> None:
    """Raises InputError unless `path` is a regular file, for libraries that open it by its name."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            _refuse_kind(path, what)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: there is no such {what}; {advice}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_bytes(path: Path, what: str, advice: str, largest: int) -> bytes:
    """A whole file; raises as `opened` does."""
    with opened(path, what, advice, largest) as file:
        return file.read(largest + 1)


def read_json(path: Path, what: str, advice: str) -> Any:
    """A small file's JSON. Raises as `opened` does, and ValueError for what is no JSON."""
    return parse_json(read_bytes(path, what, advice, _LARGEST_JSON))


def parse_json(text: bytes | str) -> Any:
    """JSON as its standard has it. Raises ValueError, also when it is nested too deeply."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_text(data: bytes) -> str:
    """Text in UTF-8, in UTF-16 that says so, or else in Latin 1. Raises ValueError for no text."""
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise ValueError("no text")
    return text


def sha256_of(*paths: Path) -> str:
    """The hash of the files' bytes, one file after the other, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def parse_ratio(text: str) -> Fraction:
    """A number such as 25, 29.97 or 30000/1001. Raises ValueError."""
    if not _RATIO.fullmatch(text.strip()):
        raise ValueError("not a number")
    try:
        return Fraction(text.strip())
    except ZeroDivisionError:
        raise ValueError("a fraction of nothing") from None


def checked_rate(numerator: int, denominator: int = 1) -> Fraction:
    """A frame rate, frames a second. Raises ValueError for one that no footage has."""
    if denominator == 0 or max(abs(numerator), abs(denominator)) > 10**15:
        raise ValueError("not a frame rate")
    rate = Fraction(numerator, denominator)
    if not _SLOWEST <= rate <= _FASTEST:
        raise ValueError("not a frame rate")
    return rate


def checked_size(width: int, height: int) -> tuple[int, int]:
    """A picture's size in pixels. Raises ValueError for one that no picture has."""
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE):
        raise ValueError("not a picture's size")
    return width, height


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _refuse_kind(path: Path, what: str) -> NoReturn:
    if path.is_dir():
        raise InputError(f"{path}: cannot be read, this is a folder; name a {what} in it")
    raise InputError(f"{path}: is a pipe or a device, not a file; name a {what}")
