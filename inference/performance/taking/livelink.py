# SPDX-License-Identifier: GPL-3.0-or-later
"""Import of a take that Epic's Live Link Face app recorded on a phone, so that it can act.

The app writes a CSV: a timecode, ARKit's 52 coefficients and the head's rotation a row. There is
no picture, so the head stands in the middle of a nominal one and only turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.inputs import MOST_FRAMES
from inference.performance.face.controls import CONTROL_NAMES, CONTROLS
from inference.performance.face.rotations import from_angles
from inference.performance.taking.livelink_map import COEFFICIENTS, HEAD, MAPPING
from inference.performance.taking.performance import Performance
from inference.performance.taking.table import cell_number, read_rows, still_performance

_FIRST_COLUMN = "timecode"
_COUNT_COLUMN = "blendshapecount"
# Timecodes count frames at one of these rates; dropped ones (with ; before the frame) at 30 or 60.
_CLOCKS = (24, 25, 30, 48, 50, 60, 120, 240)
_USUAL_CLOCK = 60  # the app's own, for takes too short to tell
_DAY = 24 * 3600
_MOST_FRAME = 1000  # of a second
_SIZE = (1000, 1000)
_SCALE = 190.0  # pixels between the eyes: a head and some air in the nominal picture
# A phone drops a row now and then; a longer way between two rows is another take.
_LONGEST_PAUSE = 60.0  # seconds
# And of a few rows not a take of hours: so many frames without one, and so many for each.
_MOST_DROPPED, _SPARSEST = 20_000, 20
_MOST_TURN = 100.0  # radians


def is_livelink(header: Sequence[str]) -> bool:
    """Whether a CSV's first row is that of a Live Link Face take."""
    return bool(header) and header[0].strip().lower() == _FIRST_COLUMN


def load_livelink(path: Path, rate: Fraction | None = None) -> Performance:
    """Read a Live Link Face CSV as a performance of the canonical face.

    rate: the take's frame rate; default: read off the timecodes, 60 where they do not tell. Rows
    that the phone dropped are gaps. Raises InputError, in one line, for wrong or missing columns,
    cells that are no numbers, timecodes that run backwards, and an empty take.
    """
    if rate is not None and not 0 < rate <= 1000:
        raise InputError(f"{path}: a take cannot have {rate} frames a second; name a rate above 0")
    rows = read_rows(path)
    columns = _columns(rows[0][1], path)
    body = rows[1:]
    if not body:
        raise InputError(f"{path}: the take is empty, no row follows its columns; record another")
    lines = [line for line, _ in body]
    for line, cells in body:
        if len(cells) < len(rows[0][1]):
            raise InputError(
                f"{path}: line {line} has {len(cells)} cells, the header has "
                f"{len(rows[0][1])}; the recording broke off there"
            )
    values = {
        name: np.array(
            [
                cell_number(cells[i].strip(), rows[0][1][i].strip(), line, path)
                for line, cells in body
            ]
        )
        for name, i in columns.items()
        if name != _FIRST_COLUMN
    }
    for name, _ in HEAD:
        far = np.abs(values.get(name.lower(), np.zeros(1))) > _MOST_TURN
        if far.any():
            raise InputError(
                f"{path}: {name} in line {lines[int(np.argmax(far))]} is no angle in "
                "radians; fix it"
            )
    codes = [cells[columns[_FIRST_COLUMN]].strip() for _, cells in body]
    places, file_rate = _places(codes, lines, rate, path)
    count = int(places[-1]) + 1
    if count > min(MOST_FRAMES, _MOST_DROPPED + _SPARSEST * len(body)):
        raise InputError(
            f"{path}: its {len(body)} rows are spread over {count} frames; split the "
            "takes where the timecode jumps"
        )
    valid = np.zeros(count, bool)
    valid[places] = True
    controls = np.full((count, len(CONTROL_NAMES)), np.nan)
    controls[places] = map_coefficients(values)
    angles = np.full((count, 3), np.nan)
    turned = [
        np.degrees(values[name.lower()]) * sign if name.lower() in values else np.zeros(len(body))
        for name, sign in HEAD
    ]
    angles[places] = np.stack(turned, axis=1)
    middle = np.array([_SIZE[0] / 2, _SIZE[1] / 2, 0.0])
    return still_performance(
        controls=controls,
        rotation=from_angles(angles),
        translation=np.where(valid[:, None], middle, np.nan),
        scale=np.where(valid, _SCALE, np.nan),
        valid=valid,
        rate=file_rate,
        size=_SIZE,
        source=path.name,
    )


def map_coefficients(values: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Coefficients by lower-case name, each (F,) -> controls (F, C) within their ranges."""
    frames = len(next(iter(values.values())))
    controls = np.zeros((frames, len(CONTROL_NAMES)))
    for share in MAPPING:
        if share.control:
            at = CONTROL_NAMES.index(share.control)
            controls[:, at] += share.share * values[share.coefficient.lower()]
    low = np.array([control.low for control in CONTROLS])
    high = np.array([control.high for control in CONTROLS])
    return np.asarray(np.clip(controls, low, high))


def _columns(header: list[str], path: Path) -> dict[str, int]:
    """Where each column lies, by its name in small letters."""
    columns = {name.strip().lower(): i for i, name in enumerate(header)}
    if _FIRST_COLUMN not in columns:
        raise InputError(
            f"{path}: not a Live Link Face take, there is no column 'Timecode'; "
            "record one with the app's ARKit mode"
        )
    for name in COEFFICIENTS:
        if name.lower() not in columns:
            raise InputError(
                f"{path}: the column '{name}' is missing; record with the app's "
                "ARKit mode and export all columns"
            )
    wanted = {_FIRST_COLUMN, *(name.lower() for name in COEFFICIENTS)}
    wanted |= {name.lower() for name, _ in HEAD}
    return {name: i for name, i in columns.items() if name in wanted}


def _places(
    codes: list[str], lines: list[int], rate: Fraction | None, path: Path
) -> tuple[NDArray[np.int64], Fraction]:
    """The frame that each row is, from 0 on and no two the same, and the take's frame rate."""
    in_order = np.arange(len(codes))
    parsed = [_parse(code, line, path) for code, line in zip(codes, lines, strict=True)]
    if len({frame for _, frame, _ in parsed}) == 1 or any(second < 0 for second, _, _ in parsed):
        # Frames that are not counted, or a mere number a row: the order is all there is.
        return in_order, rate or Fraction(_USUAL_CLOCK)
    clock = _clock(parsed)
    seconds = np.array([second + frame / clock for second, frame, _ in parsed])
    seconds[1:] += _DAY * np.cumsum(np.diff(seconds) < -_DAY / 2)  # recorded over midnight
    steps = np.diff(seconds)
    for step, line in zip(steps, lines[1:], strict=True):
        if step < -0.5 / clock or step > _LONGEST_PAUSE:
            raise InputError(
                f"{path}: the timecode in line {line} jumps by {step:.1f} seconds; "
                "split the takes there"
            )
    ticks = max(1, round(float(np.median(steps)) * clock))  # the clock's ticks a row
    found = Fraction(clock, ticks)
    if any(dropping for _, _, dropping in parsed):
        found *= Fraction(1000, 1001)
    places = np.round((seconds - seconds[0]) * clock / ticks).astype(np.int64)
    return _one_each(places), rate or found


def _one_each(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that a trembling clock put on one frame, each on its own, moved as little as can be."""
    apart = places.copy()
    for i in range(1, len(apart)):
        if apart[i] <= apart[i - 1]:
            room = (i == 1 and apart[0] > 0) or (i > 1 and apart[i - 1] - 1 > apart[i - 2])
            if room:
                apart[i - 1] -= 1
            apart[i] = max(apart[i], apart[i - 1] + 1)
    return apart


def _parse(code: str, line: int, path: Path) -> tuple[int, float, bool]:
    """Whole seconds, frames (with their fraction), and whether frames are dropped.

    A mere number is given as second -1.
    """
    dropping = ";" in code
    parts = code.replace(";", ":").split(":")
    try:
        if len(parts) == 1:
            return -1, float(parts[0]), False
        hours, minutes, second = (int(part) for part in parts[:3])
        frame = float(parts[3]) if len(parts) == 4 else float("nan")
    except ValueError:
        hours, minutes, second, frame = 0, 0, 0, float("nan")
    known = 0 <= hours < 100 and 0 <= minutes < 60 and 0 <= second <= 60
    if not (known and 0 <= frame < _MOST_FRAME):
        raise InputError(
            f"{path}: '{code}' in line {line} is not a timecode such as 07:44:57:02.944; fix it"
        )
    return (hours * 60 + minutes) * 60 + second, frame, dropping


def _clock(parsed: list[tuple[int, float, bool]]) -> int:
    """How many frames the timecodes count to a second."""
    highest = int(max(frame for _, frame, _ in parsed))
    if len({second for second, _, _ in parsed}) < 3:
        # No whole second was counted to its end.
        highest = max(highest, _USUAL_CLOCK - 1)
    return next((clock for clock in _CLOCKS if clock > highest), _CLOCKS[-1])
