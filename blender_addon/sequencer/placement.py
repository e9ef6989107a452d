# SPDX-License-Identifier: GPL-3.0-or-later
"""Where head frames belong on their portrait: reads the `head.json` beside them. No bpy.

The worker writes the frames and this file:
    likeness       1, the version of this layout
    portrait       the picture's path; one that is not absolute counts from the frames' folder
    portrait_size  [width, height] in pixels
    box            [x, y, width, height] in pixels of the portrait, whole numbers, y down; may reach
                   beyond its edge; width and height are odd where the portrait's are, so that the
                   offset from the centre is a whole pixel
    rate           [numerator, denominator], frames a second
    first, count   indices first .. first + count - 1 of the track, zero-based
    pattern        a file's name, with %d or %0Nd for the index
    layer          "head", or "person" or "full" where frames are of the whole portrait's size
    alpha          "straight" or "premultiplied"
    matte          pattern of the mattes beside the frames; null or not there where none were asked
    match          the colour match of the whole shot in figures, where there is one; not read here
    xmp            what a movie of the frames says of itself: an XMP packet
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import InputError

FILE_NAME = "head.json"
VERSION = 1
_LARGEST = 1 << 24  # bytes: the gaps of a long take are listed one by one
_LONGEST_XMP = 10_000  # characters; one has a thousand
_MOST_FRAMES = 10**6  # as many as six digits name
_LONGEST_SIDE = 10**6  # pixels
LAYERS = ("head", "person", "full")
ALPHAS = ("straight", "premultiplied")


class PlacementError(InputError):
    """head.json, or the frames that it speaks of, cannot be used."""


@dataclass(frozen=True)
class Placement:
    """What `head.json` says; see the module for the fields."""

    folder: Path
    portrait: Path
    portrait_size: tuple[int, int]
    box: tuple[int, int, int, int]
    rate: Fraction
    first: int
    count: int
    pattern: str
    layer: str
    alpha: str
    matte: str | None = None
    xmp: str = ""


@dataclass(frozen=True)
class FrameFiles:
    """One file name for each frame of the strip, and the indices that had none of their own."""

    names: tuple[str, ...]
    missing: tuple[int, ...]


def read_placement(folder: Path) -> Placement:
    """Read and check `folder`/head.json; PlacementError says what is wrong with it."""
    path = folder / FILE_NAME
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is larger than one can be")
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PlacementError(f"{folder}: no {FILE_NAME} here; synthesize first") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise PlacementError(f"{path}: cannot be read ({reason}); synthesize again") from None
    if not isinstance(raw, dict) or raw.get("likeness") != VERSION:
        raise PlacementError(f"{path}: not a head.json of version {VERSION}; synthesize again")

    placement = Placement(
        folder=folder,
        portrait=folder / _field(path, raw, "portrait", _is_text, "a path"),
        portrait_size=tuple(_field(path, raw, "portrait_size", _is_size, "two sizes above 0")),
        box=tuple(_field(path, raw, "box", _is_box, "x, y, width, height in whole pixels")),
        rate=Fraction(*_field(path, raw, "rate", _is_size, "a fraction above 0")),
        first=_field(path, raw, "first", lambda v: _is_index(v) and v < _MOST_FRAMES, "0 or more"),
        count=_field(path, raw, "count", lambda v: _is_index(v) and v > 0, "1 or more"),
        pattern=_field(path, raw, "pattern", _is_pattern, "a file name with one %d or %06d"),
        layer=_field(path, raw, "layer", lambda v: v in LAYERS, " or ".join(LAYERS)),
        alpha=_field(path, raw, "alpha", lambda v: v in ALPHAS, " or ".join(ALPHAS)),
        matte=_matte(path, raw),
        xmp=str(raw.get("xmp", ""))[:_LONGEST_XMP],
    )
    if placement.layer != "head" and placement.box != (0, 0, *placement.portrait_size):
        raise PlacementError(f"{path}: layer {placement.layer} needs the box of the whole portrait")
    return placement


def centre_offset(placement: Placement) -> tuple[float, float]:
    """From the portrait's centre to the box's centre, in pixels, x right and y up."""
    (x, y, width, height), (full_width, full_height) = placement.box, placement.portrait_size
    return x + width / 2 - full_width / 2, full_height / 2 - (y + height / 2)


def frame_files(placement: Placement) -> FrameFiles:
    """A file for every index first .. first + count - 1, in order.

    A frame that was not made must not shift those after it: the picture before it stands in (at the
    beginning the first one after it). PlacementError when there is none at all.
    """
    present = {path.name for path in placement.folder.iterdir()}
    wanted = [placement.pattern % (placement.first + k) for k in range(placement.count)]
    missing = tuple(placement.first + k for k, name in enumerate(wanted) if name not in present)
    stand_in = next((name for name in wanted if name in present), None)
    if stand_in is None:
        raise PlacementError(
            f"{placement.folder}: none of the {placement.count} head frames is here "
            f"(looked for {wanted[0]}); synthesize them first"
        )
    names = []
    for name in wanted:
        stand_in = name if name in present else stand_in
        names.append(stand_in)
    return FrameFiles(tuple(names), missing)


def _field(path: Path, raw: dict[str, Any], key: str, good: Any, wanted: str) -> Any:
    if key not in raw:
        raise PlacementError(f"{path}: {key} is missing; synthesize again")
    if not good(raw[key]):
        raise PlacementError(f"{path}: {key} is {json.dumps(raw[key])[:60]}, not {wanted}")
    return raw[key]


def _matte(path: Path, raw: dict[str, Any]) -> str | None:
    if raw.get("matte") is None:
        return None
    pattern: str = _field(path, raw, "matte", _is_pattern, "a file name with one %d or %06d")
    return pattern


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_index(value: Any) -> bool:
    return _is_whole(value) and 0 <= value <= _MOST_FRAMES


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_size(value: Any) -> bool:
    two = isinstance(value, list) and len(value) == 2
    return two and all(_is_whole(v) and 0 < v <= _LONGEST_SIDE for v in value)


def _is_box(value: Any) -> bool:
    whole = isinstance(value, list) and len(value) == 4 and all(_is_whole(v) for v in value)
    return whole and all(abs(v) <= _LONGEST_SIDE for v in value) and min(value[2:]) > 0


def _is_pattern(value: Any) -> bool:
    # A plain name with exactly one number in it: no folder, no other use of the percent sign.
    return _is_text(value) and re.fullmatch(r"[^%/\\]*%(0\d{1,2})?d[^%/\\]*", value) is not None
