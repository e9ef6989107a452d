# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist may change of the teeth, and the frames in which it changes."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, fields, replace
from pathlib import Path

from inference.errors import InputError


@dataclass(frozen=True)
class TeethLook:
    """seen: 0 (a dark mouth) to 1. brightness: a factor on their light. warmth: -1 (bluish) to 1
    (yellow), 0 as the portrait's eye whites are. size: a factor on the mean adult's. gap: between
    the two front teeth, in millimetres, above and below. picture: which of the portrait's pictures
    lends what it shows of its mouth, 1 and up; 0: whichever fits.
    """

    seen: float = 1.0
    brightness: float = 1.0
    warmth: float = 0.0
    size: float = 1.0
    gap: float = 0.0
    picture: int = 0


MEAN = TeethLook()
RANGES = {
    "seen": (0.0, 1.0),
    "brightness": (0.3, 1.5),
    "warmth": (-1.0, 1.0),
    "size": (0.7, 1.3),
    "gap": (0.0, 4.0),
}
COLUMNS = ("frame", *(field.name for field in fields(TeethLook)))


@dataclass(frozen=True)
class TeethLooks:
    """A look that changes from frame to frame: each holds from its frame on, the first one also
    before it. frames: ascending.
    """

    frames: tuple[int, ...]
    looks: tuple[TeethLook, ...]

    def at(self, frame: int) -> TeethLook:
        """The look of a frame, zero-based."""
        return self.looks[max(bisect.bisect_right(self.frames, frame) - 1, 0)]


def constant(look: TeethLook = MEAN) -> TeethLooks:
    """The same look in every frame."""
    return TeethLooks((0,), (look,))


def check_teeth(look: TeethLook) -> None:
    """Raises InputError when one of the choices is out of its range."""
    if look.picture < 0:
        raise InputError(f"picture {look.picture} cannot lend its teeth; they are counted from 1")
    for name, (low, high) in RANGES.items():
        value = getattr(look, name)
        if not low <= value <= high:
            raise InputError(
                f"the {name} of the teeth is {value:g}; it goes from {low:g} to {high:g}"
            )


def read_looks(path: Path, beside: TeethLook) -> TeethLooks:
    """A table of looks: CSV, its first row names the columns, `frame` and some of TeethLook's.

    Each row holds until the next one's frame. beside: the values of columns that are not there.
    Raises InputError, in one line, for what is no such table, and for values out of range.
    """
    # Tables need NumPy, which no other choice of a command does.
    from inference.performance.taking.table import cell_number, read_rows

    rows = read_rows(path)
    header = [name.strip() for name in rows[0][1]]
    _check_header(header, path)
    frames: list[int] = []
    looks: list[TeethLook] = []
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            raise InputError(
                f"{path}: line {line} has {len(cells)} cells, the header has {len(header)}; fix "
                "that line"
            )
        values = {
            name: cell_number(cell.strip(), name, line, path)
            for name, cell in zip(header, cells, strict=True)
        }
        for name in {"frame", "picture"} & values.keys():
            if values[name] < 0 or values[name] % 1:
                raise InputError(
                    f"{path}: {values[name]:g} in line {line}, column '{name}', is not a whole "
                    "number from 0 on; fix it"
                )
        frame = int(values.pop("frame"))
        if frames and frame <= frames[-1]:
            raise InputError(
                f"{path}: frame {frame} in line {line} follows frame {frames[-1]}; sort the rows"
            )
        if "picture" in values:
            values["picture"] = int(values["picture"])
        look = replace(beside, **values)  # type: ignore[arg-type]
        try:
            check_teeth(look)
        except InputError as error:
            raise InputError(f"{path}: line {line}: {error}") from None
        frames.append(frame)
        looks.append(look)
    if not frames:
        raise InputError(f"{path}: the table is empty, no row follows its columns")
    return TeethLooks(tuple(frames), tuple(looks))


def _check_header(header: list[str], path: Path) -> None:
    if "frame" not in header or len(header) < 2:
        raise InputError(
            f"{path}: not a table of teeth: its first row must name 'frame' and some of "
            f"{', '.join(COLUMNS[1:])}"
        )
    for name in header:
        if name not in COLUMNS:
            raise InputError(
                f"{path}: the column '{name}' is unknown; they are {', '.join(COLUMNS)}"
            )
        if header.count(name) > 1:
            raise InputError(f"{path}: the column '{name}' is there twice; take one out")
