# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance as a readable table (CSV): one row a frame, head pose and controls in columns.

A table holds no face: the driver's neutral and the dense rest stay in the `.performance.npz`. Read
with that performance beside it, an edited table changes what was edited and keeps the rest.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError, one_line
from inference.files import written_whole
from inference.inputs import MOST_FRAMES, checked_rate, checked_size, parse_ratio, read_bytes
from inference.performance.face.canonical import canonical_face
from inference.performance.face.controls import CONTROL_NAMES, CONTROLS
from inference.performance.face.rotations import from_angles, to_angles
from inference.performance.taking.performance import Performance, check_motion

SUFFIX = ".csv"
_TITLE = "likeness performance"
_VERSION = 1
_POSE = ("tx", "ty", "tz", "scale", "yaw", "pitch", "roll")
COLUMNS = ("frame", "valid", "filled", "confidence", *_POSE, *CONTROL_NAMES)
# tz says nothing under the usual camera, and a hand-made table need not have the others.
_MAY_LACK = ("filled", "confidence", "tz")
_FLAGS = {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True}
# A take as long as can be, with room in its cells.
_LARGEST_FILE = 1 << 28  # bytes
_MOST_CELLS = 10_000_000
_LARGEST_CELL = 1e9
# A control may be driven beyond its range on purpose; further than this it is a slip.
_FARTHEST = 3.0


def save_table(performance: Performance, path: Path) -> None:
    """Write the table; the file appears under its name only when it is whole.

    A first line tells the version, the rate, the picture's size, camera and cuts; cells of frames
    that are not valid are empty. tx, ty, tz and scale are in pixels, the angles in degrees: yaw is
    positive towards the picture's right, pitch up, roll clockwise.
    """
    p = performance
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            f"# {_TITLE} {_VERSION}",
            f"rate {p.rate.numerator}/{p.rate.denominator}",
            f"size {p.size[0]}x{p.size[1]}",
            f"camera {p.camera} {p.focal:.6g}",
            f"cuts {' '.join(map(str, p.cuts))}".strip(),
            f"source {p.source_sha256} {p.source}",
        ]
    )
    writer.writerow(COLUMNS)
    angles = to_angles(p.rotation)
    for frame in range(len(p)):
        if not p.valid[frame]:
            writer.writerow([frame, 0, *[""] * (len(COLUMNS) - 2)])
            continue
        pose = [*p.translation[frame], p.scale[frame], *angles[frame]]
        writer.writerow(
            [
                frame,
                1,
                int(p.filled[frame]),
                f"{p.confidence[frame]:.4f}",
                *(f"{value:.6f}" for value in pose),
                *(f"{value:.6f}" for value in p.controls[frame]),
            ]
        )
    with written_whole(path) as part:
        part.write_text(text.getvalue(), encoding="utf-8", newline="")


def load_table(path: Path, beside: Performance | None = None) -> Performance:
    """Read a table and check it.

    beside: the performance that the table was written from; its neutral and residual go on with
    the table's pose and controls. Without it the face is the canonical one, and nothing is left
    over. Commas or semicolons divide the cells. Raises InputError, in one line, for a wrong
    header, another version, cells that are no numbers, and tables that are empty or not in order.
    """
    rows = read_rows(path)
    head = _read_head(rows[0][1], path)
    header = [name.strip() for name in rows[1][1]] if len(rows) > 1 else []
    _check_header(header, path)
    body = rows[2:]
    if not body:
        raise InputError(f"{path}: the table is empty, no row follows its columns; export it again")
    table = {name: [""] * len(body) for name in COLUMNS}
    for i, (line, cells) in enumerate(body):
        if len(cells) != len(header):
            raise InputError(
                f"{path}: line {line} has {len(cells)} cells, the header has "
                f"{len(header)}; fix that line"
            )
        for name, cell in zip(header, cells, strict=True):
            table[name][i] = cell.strip()
    lines = [line for line, _ in body]
    _check_frames(table["frame"], lines, path)
    valid = _flags(table["valid"], "valid", lines, path)
    if not valid.any():
        raise InputError(f"{path}: the table is empty, no frame is valid; take another")
    if "filled" in header:
        filled = _flags([c or "0" for c in table["filled"]], "filled", lines, path) & valid
    else:
        filled = np.zeros(len(valid), bool)
    numbers = {
        name: _numbers(table[name], name, valid, lines, path)
        for name in (*_POSE, *CONTROL_NAMES)
        if name in header
    }
    _check_ranges(numbers, valid, lines, path)
    nothing = np.where(valid, 0.0, np.nan)
    place = [numbers.get(name, nothing) for name in ("tx", "ty", "tz")]
    angles = np.stack([numbers[name] for name in ("yaw", "pitch", "roll")], axis=1)
    if "confidence" in header:
        trust = _numbers(table["confidence"], "confidence", valid, lines, path)
        trust = np.where(valid, np.clip(trust, 0, 1), 0)
    else:
        trust = valid.astype(float)
    performance = still_performance(
        controls=np.stack([numbers[name] for name in CONTROL_NAMES], axis=1),
        rotation=from_angles(angles),
        translation=np.stack(place, axis=1),
        scale=numbers["scale"],
        valid=valid,
        rate=head.rate,
        size=head.size,
    )
    performance = replace(
        performance,
        filled=filled,
        confidence=trust.astype(np.float32),
        cuts=head.cuts(len(valid), path),
        camera=head.camera,
        focal=head.focal,
        source=head.source,
        source_sha256=head.source_sha256,
    )
    if beside is not None:
        performance = _with_face(performance, beside, path)
    wrong = check_motion(performance)
    if wrong:
        raise InputError(f"{path}: {wrong}; fix the table")
    return performance


def is_table(header: Sequence[str]) -> bool:
    """Whether a CSV's first row is that of a performance's table."""
    return bool(header) and header[0].strip().lower().startswith(f"# {_TITLE}")


def is_table_file(path: Path) -> bool:
    """Does the file's content show that it is a performance's table?"""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return is_table([file.readline(1000)])
    except (OSError, UnicodeDecodeError):
        return False


def still_performance(
    controls: NDArray[np.floating],
    rotation: NDArray[np.floating],
    translation: NDArray[np.floating],
    scale: NDArray[np.floating],
    valid: NDArray[np.bool_],
    rate: Fraction,
    size: tuple[int, int],
    source: str = "",
) -> Performance:
    """A performance of the canonical face itself: nothing but pose (F, ...) and controls (F, C)."""
    face = canonical_face()
    residual = np.zeros((len(valid), *face.mean.shape), np.float32)
    residual[~valid] = np.nan
    return Performance(
        controls=np.asarray(controls, np.float32),
        rotation=np.asarray(rotation, np.float64),
        translation=np.asarray(translation, np.float64),
        scale=np.asarray(scale, np.float64),
        neutral=face.mean.copy(),
        residual=residual,
        valid=valid,
        filled=np.zeros(len(valid), bool),
        confidence=valid.astype(np.float32),
        rate=rate,
        size=size,
        source=source,
    )


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """A CSV's rows that are not blank, each with its line number, cells divided by , or ; or tabs.

    Where semicolons or tabs divide, a comma is a decimal point, as spreadsheets of many countries
    write it. Raises InputError when the file is missing, no text, or holds nothing.
    """
    data = read_bytes(path, "table", "export one first", _LARGEST_FILE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text table in UTF-8; export it again as CSV") from None
    if not text.strip():
        raise InputError(f"{path}: the table is empty; export it again")
    # The longest line is one of frames or columns; a title tells nothing.
    sample = max(itertools.islice(io.StringIO(text), 3), key=len)
    divider = max(",;\t", key=lambda sign: sample.count(sign))
    if text.count(divider) > _MOST_CELLS:
        raise InputError(f"{path}: more than {_MOST_CELLS} cells; cut the table into parts")
    try:
        reader = csv.reader(io.StringIO(text), delimiter=divider)
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error:
        raise InputError(f"{path}: not a table; export it again as CSV") from None
    if len(rows) > MOST_FRAMES:
        raise InputError(f"{path}: has {len(rows)} rows; a take has {MOST_FRAMES} frames at most")
    if not rows:
        raise InputError(f"{path}: the table is empty; export it again")
    if divider != ",":
        # Not in the first row: that one tells names.
        rows[1:] = [(line, [cell.replace(",", ".") for cell in cells]) for line, cells in rows[1:]]
    return rows


class _FileHead:
    """What the first line says of the whole take."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """Raises ValueError or KeyError for what cannot be read."""
        rate = parse_ratio(words["rate"])
        self.rate = checked_rate(rate.numerator, rate.denominator)
        width, _, height = words["size"].partition("x")
        self.size = checked_size(int(width), int(height))
        self.camera, _, focal = words.get("camera", "weak 0").partition(" ")
        self.focal = float(focal or 0)
        self.cut_frames = [int(cut) for cut in words.get("cuts", "").split()]
        self.source_sha256, _, self.source = one_line(words.get("source", "")).partition(" ")
        if not math.isfinite(self.focal):
            raise ValueError
        if self.camera not in ("weak", "perspective"):
            raise ValueError
        if (self.camera == "perspective") != (self.focal > 0):
            raise ValueError

    def cuts(self, frames: int, path: Path) -> tuple[int, ...]:
        """The cuts, which must lie within the take."""
        if self.cut_frames != sorted(set(self.cut_frames) & set(range(1, frames))):
            raise InputError(f"{path}: the cuts in line 1 are not among the frames; fix them")
        return tuple(self.cut_frames)


def _read_head(first: list[str], path: Path) -> _FileHead:
    title = first[0].strip().lower()
    if not is_table(first):
        raise InputError(
            f"{path}: not a performance's table: line 1 must begin with "
            f"'# {_TITLE} {_VERSION}'; export one to see how it looks"
        )
    if title != f"# {_TITLE} {_VERSION}":
        raise InputError(
            f"{path}: a table of another version ({title.split()[-1]}), this one "
            f"reads {_VERSION}; export it again"
        )
    words = dict(cell.strip().partition(" ")[::2] for cell in first[1:])
    try:
        return _FileHead(words)
    except (ValueError, KeyError):
        raise InputError(
            f"{path}: line 1 must tell 'rate 25/1' and 'size 1920x1080', cuts and "
            "camera as exported; fix it"
        ) from None


def _check_header(header: list[str], path: Path) -> None:
    strange = [name for name in header if name not in COLUMNS]
    lacking = [name for name in COLUMNS if name not in header and name not in _MAY_LACK]
    if lacking:
        raise InputError(
            f"{path}: the column '{lacking[0]}' is missing; the columns are {', '.join(COLUMNS)}"
        )
    if strange:
        raise InputError(f"{path}: the column '{strange[0]}' is unknown; take it out")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"{path}: the column '{twice}' is there twice; take one out")


def _check_frames(cells: list[str], lines: list[int], path: Path) -> None:
    for frame, (cell, line) in enumerate(zip(cells, lines, strict=True)):
        if cell != str(frame):
            raise InputError(
                f"{path}: line {line} should be frame {frame}, it says '{cell}'; "
                "every frame has one row, in order, from 0"
            )


def _flags(cells: list[str], name: str, lines: list[int], path: Path) -> NDArray[np.bool_]:
    for cell, line in zip(cells, lines, strict=True):
        if cell.lower() not in _FLAGS:
            raise InputError(
                f"{path}: '{cell}' in line {line}, column '{name}', is neither 0 nor 1; fix it"
            )
    return np.array([_FLAGS[cell.lower()] for cell in cells])


def _numbers(
    cells: list[str], name: str, valid: NDArray[np.bool_], lines: list[int], path: Path
) -> NDArray[np.float64]:
    """A column; NaN in frames that are not valid, whatever stands there."""
    values = np.full(len(cells), np.nan)
    for i in np.flatnonzero(valid):
        values[i] = cell_number(cells[i], name, lines[i], path)
    return values


def cell_number(cell: str, column: str, line: int, path: Path) -> float:
    """A cell's finite number; raises InputError that names the place."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            f"{path}: '{cell}' in line {line}, column '{column}', is not a number; fix it"
        )
    if abs(value) > _LARGEST_CELL:
        raise InputError(
            f"{path}: {value:g} in line {line}, column '{column}', is larger than "
            "anything of a face can be; fix it"
        )
    return value


def _check_ranges(
    numbers: Mapping[str, NDArray[np.float64]],
    valid: NDArray[np.bool_],
    lines: list[int],
    path: Path,
) -> None:
    small = np.flatnonzero(valid & (np.nan_to_num(numbers["scale"], nan=1.0) <= 0))
    if len(small):
        raise InputError(f"{path}: the scale in line {lines[small[0]]} is not positive; fix it")
    for control in CONTROLS:
        far = np.flatnonzero(np.abs(np.nan_to_num(numbers[control.name])) > _FARTHEST)
        if len(far):
            raise InputError(
                f"{path}: {control.name} in line {lines[far[0]]} is "
                f"{numbers[control.name][far[0]]:g}; controls go from "
                f"{control.low:g} to {control.high:g}"
            )


def _with_face(table: Performance, beside: Performance, path: Path) -> Performance:
    if len(table) != len(beside):
        raise InputError(
            f"{path}: the table has {len(table)} frames, the performance it is read "
            f"with has {len(beside)}; take the one it was exported from"
        )
    residual = beside.residual.copy()
    residual[table.valid & ~beside.valid] = 0
    residual[~table.valid] = np.nan
    return replace(table, neutral=beside.neutral, residual=residual, rest=beside.rest)
