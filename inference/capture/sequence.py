# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbered pictures as footage: a folder of them, or the first one by its name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.pictures import SUFFIXES, read_picture

# Numbers that are farther apart than this are not one sequence: dates, a camera's counters.
_LONGEST_HOLE = 1000
_WEBP_HEAD, _ANIMATED = 21, 2  # bytes of a WebP's head, and the bit of the last one

# The last number of a name: shot.0001.png, shot_0001_left.png.
_NUMBER = re.compile(r"(.*?)(\d{1,9})(\D*)", re.DOTALL)


@dataclass(frozen=True)
class Sequence:
    """files: the picture of each zero-based frame that has one; frame 0 has one."""

    files: dict[int, Path]

    @property
    def count(self) -> int:
        """Frames, with those whose picture is missing."""
        return max(self.files) + 1

    def words(self) -> str:
        """What it is, for the person who may have meant a single picture."""
        if self.count == 1:
            return "one picture: the take is a single pose"
        first, last = self.files[0].name, self.files[max(self.files)].name
        missing = self.count - len(self.files)
        held = f"; {missing} are missing, the picture before stands for them" if missing else ""
        return f"a sequence of {len(self.files)} pictures, {first} to {last}{held}"


def find_sequence(path: Path) -> Sequence | None:
    """The pictures that `path` stands for: a folder's only sequence, or from this file on.

    None where `path` is no picture by its name. Raises InputError for a folder that holds none, or
    several.
    """
    if path.is_dir():
        return _of_folder(path)
    if path.suffix.lower() not in SUFFIXES or _is_animated(path):
        return None
    if (parts := _parts(path)) is None or not path.is_file():
        return Sequence({0: path})
    group, first = parts
    numbered = {
        number: other
        for other in sorted(path.parent.iterdir())
        if (found := _parts(other)) and found[0] == group and (number := found[1]) >= first
    }
    numbered[first] = path
    return Sequence(_until_hole(numbered))


def sequence_pictures(
    sequence: Sequence, size: tuple[int, int] | None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Each picture (RGB) with its frame, in order. Raises InputError for one of another size."""
    for frame in sorted(sequence.files):
        picture = read_picture(sequence.files[frame])
        if size is not None and picture.size != size:
            raise InputError(
                f"{sequence.files[frame]}: is {picture.size[0]} x {picture.size[1]} pixels, the "
                f"sequence began with {size[0]} x {size[1]}; capture only frames of one size"
            )
        yield frame, picture.rgb8()


def _of_folder(folder: Path) -> Sequence:
    groups: dict[tuple[str, ...], dict[int, Path]] = defaultdict(dict)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and (parts := _parts(path)):
            groups[parts[0]][parts[1]] = path
    if not groups:
        raise InputError(
            f"{folder}: this is a folder without numbered pictures; name a movie in it"
        )
    if len(groups) > 1:
        raise InputError(
            f"{folder}: this folder holds {len(groups)} sequences of pictures; name the first "
            "picture of the one that is meant"
        )
    (numbered,) = groups.values()
    return Sequence(_until_hole(numbered))


def _parts(path: Path) -> tuple[tuple[str, ...], int] | None:
    """What the names of a sequence share, and the number; None for a name without one."""
    found = _NUMBER.fullmatch(path.stem)
    if found is None:
        return None
    before, number, after = found.groups()
    return (before, after, path.suffix.lower()), int(number)


def _is_animated(path: Path) -> bool:
    """Is it a WebP of several pictures? Its head says so, and FFmpeg's line is the better one."""
    if path.suffix.lower() != ".webp" or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_WEBP_HEAD)
    return head[12:16] == b"VP8X" and len(head) == _WEBP_HEAD and bool(head[20] & _ANIMATED)


def _until_hole(numbered: dict[int, Path]) -> dict[int, Path]:
    first = min(numbered)
    kept: dict[int, Path] = {}
    last = first
    for number in sorted(numbered):
        if number - last > _LONGEST_HOLE:
            break
        kept[number - first] = numbered[number]
        last = number
    return kept
