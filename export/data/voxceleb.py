# SPDX-License-Identifier: GPL-3.0-or-later
"""VoxCeleb1 and VoxCeleb2 as distributed: whose clips, from which set, and where in which video.

VoxCeleb2 comes as cropped clips, `dev/mp4/idXXXXX/<video>/<nnnnn>.mp4`. VoxCeleb1 comes as texts,
`txt/idXXXXX/<video>/<nnnnn>.txt`, each saying where a clip lies in a whole video, which lies
anywhere below the source folder as `<video>.mp4` (or .mkv, .webm). `vox1_meta.csv` and
`vox2_meta.csv` say who is in which set; without them the folders `dev` and `test` do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from inference.errors import InputError

_PERSON = re.compile(r"id\d{5}")
_SETS = ("dev", "test")
# The texts count frames at this rate, and VoxCeleb1's boxes are pixels of pictures this high.
_RATE = 25
_HEIGHT = 360


@dataclass(frozen=True)
class Segment:
    """Where a text says that a clip lies.

    first, last: frames at 25 a second. boxes: (N, 4) x, y, width, height of the face, one a frame;
    VoxCeleb2's in fractions of the picture, VoxCeleb1's in pixels of a picture 360 high.
    """

    first: int
    last: int
    boxes: tuple[tuple[float, ...], ...]

    def frames(self, rate: Fraction) -> tuple[int, int]:
        """First and last frame of a video of this rate."""
        return int(self.first * rate / _RATE), int(self.last * rate / _RATE)

    def middle_box(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """The usual box in pixels of a picture of `size` (width, height)."""
        x, y, width, height = np.median(np.array(self.boxes), axis=0).tolist()
        if max(x, y, width, height) <= 2:
            return x * size[0], y * size[1], width * size[0], height * size[1]
        zoom = size[1] / _HEIGHT
        return x * zoom, y * zoom, width * zoom, height * zoom


def person_and_set(parts: tuple[str, ...]) -> tuple[str, str] | None:
    """`idXXXXX` and "dev", "test" or "" from a path's parts, `.../idXXXXX/<video>/<file>`."""
    if len(parts) < 3 or not _PERSON.fullmatch(parts[-3]):
        return None
    return parts[-3], next((part for part in reversed(parts[:-3]) if part in _SETS), "")


def read_sets(source: Path) -> dict[str, str]:
    """`idXXXXX` -> "dev" or "test" by the metadata in or beside the folder; tabs or commas."""
    sets: dict[str, str] = {}
    for folder in (source, source.parent):
        for path in sorted(folder.glob("vox[12]_meta.csv")):
            for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
                fields = [field.strip() for field in re.split(r"[\t,]", line)]
                if _PERSON.fullmatch(fields[0]) and fields[-1] in _SETS:
                    sets[fields[0]] = fields[-1]
    return sets


def read_segment(path: Path) -> Segment:
    """Read a clip's text. Raises InputError when it is not one."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split()
        if len(fields) == 5 and fields[0].isdigit():
            try:
                rows.append(tuple(float(field) for field in fields))
            except ValueError:
                rows.clear()
                break
    if not rows:
        raise InputError(f"{path}: is no text of VoxCeleb (no lines FRAME X Y W H); copy it again")
    return Segment(int(rows[0][0]), int(rows[-1][0]), tuple(row[1:] for row in rows))
