# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmark tracks and performances as files, read and written with NumPy alone. No bpy.

The worker's own rooms read and write the same files; the two sides share the layout, no code.
A file appears under its name only when it is whole.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from . import ownership
from .arrays import UNREADABLE as UNREADABLE
from .arrays import Arrays, WrongShapeError, open_arrays
from .files import written_whole as written_whole

TRACK_SUFFIX = ".track.npz"
PERFORMANCE_SUFFIX = ".performance.npz"
TOPOLOGY = "mediapipe-478-1"
POINT_COUNT = 478
_FORMAT = 1
_SLOWEST, _FASTEST = Fraction(1, 10), 1000  # frames a second
_LONGEST_SIDE, _FARTHEST = 100_000, 1e9  # pixels


@dataclass(frozen=True)
class Track:
    """The landmarks of one face over some frames.

    points: (F, 478, 3) float32, x right and y down in pixels of the picture, z in the same unit,
        growing away from the camera; NaN where the frame is not valid.
    valid: (F,) bool. rate: frames a second. size: width and height in pixels.
    cuts: zero-based frames at which another shot begins. clear: (F,) float32, 0 to 1, how much of
        the face is seen; None where nobody looked.
    """

    points: NDArray[np.float32]
    valid: NDArray[np.bool_]
    rate: Fraction
    size: tuple[int, int]
    cuts: tuple[int, ...] = ()
    source: str = ""
    source_sha256: str = ""
    clear: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class Performance:
    """A face's motion as controls, head pose and a rest, over F frames.

    The points of frame f, in pixels of the source picture, are
        scale[f] * R(rotation[f]) @ (neutral + controls[f] . basis + residual[f]) + translation[f]
    names: of the C controls. controls: (F, C) float32. rotation: (F, 3) rotation vectors in
    radians. translation: (F, 3) pixels. scale: (F,) pixels a canonical unit. neutral: (478, 3) and
    residual: (F, 478, 3) in canonical units. NaN where a frame is not valid. filled: gap frames
    that a filter filled. confidence: (F,) 0 to 1. canonical: hash of the face they are meant for.
    rest: how the head is held at rest, where the file says so; kept as it is.
    """

    names: tuple[str, ...]
    controls: NDArray[np.float32]
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    scale: NDArray[np.float64]
    neutral: NDArray[np.float32]
    residual: NDArray[np.float32]
    valid: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    rate: Fraction
    size: tuple[int, int]
    cuts: tuple[int, ...]
    source: str
    source_sha256: str
    canonical: str
    camera: str
    focal: float
    rest: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.controls)


def save_track(track: Track, path: Path) -> None:
    """Write the track. InputError when the folder cannot be written or the name is wrong."""
    if not path.name.endswith(TRACK_SUFFIX):
        raise InputError(f"{path}: a track's name ends in {TRACK_SUFFIX}; choose such a name")
    _write(
        path,
        {
            "format": _FORMAT,
            "topology": TOPOLOGY,
            "points": track.points.astype(np.float32),
            "valid": track.valid.astype(bool),
            **_footage(track),
            **({} if track.clear is None else {"clear": track.clear.astype(np.float32)}),
        },
    )


def load_track(path: Path) -> Track:
    """Read a track. InputError when it is not one, empty, or of another topology."""
    with _opened(path, "landmark track") as data:
        frames = data.length("valid")
        track = Track(
            points=data.read("points", "f", (frames, POINT_COUNT, 3)).astype(np.float32),
            valid=data.read("valid", "b", (frames,)),
            rate=_rate(data),
            size=_size(data),
            cuts=data.numbers("cuts"),
            source=data.text("source"),
            source_sha256=data.text("source_sha256"),
            clear=data.read("clear", "f", (frames,)) if "clear" in data.names else None,
        )
    if not track.valid.any():
        raise InputError(f"{path}: the track is empty, no frame holds a face; capture another")
    _check_numbers(path, "track", [track.points[track.valid]])
    return track


def save_performance(performance: Performance, path: Path) -> None:
    """Write the performance. InputError when the folder cannot be written or the name is wrong."""
    if not path.name.endswith(PERFORMANCE_SUFFIX):
        raise InputError(
            f"{path}: a performance's name ends in {PERFORMANCE_SUFFIX}; choose such a name"
        )
    _write(
        path,
        {
            "format": _FORMAT,
            "topology": TOPOLOGY,
            "canonical": performance.canonical,
            "controls_names": np.array(performance.names),
            "controls": performance.controls.astype(np.float32),
            "rotation": performance.rotation.astype(np.float64),
            "translation": performance.translation.astype(np.float64),
            "scale": performance.scale.astype(np.float64),
            "neutral": performance.neutral.astype(np.float32),
            "residual": performance.residual.astype(np.float32),
            "valid": performance.valid.astype(bool),
            "filled": performance.filled.astype(bool),
            "confidence": performance.confidence.astype(np.float32),
            "camera": performance.camera,
            "focal": np.float64(performance.focal),
            **({} if performance.rest is None else {"rest": performance.rest}),
            **_footage(performance),
        },
    )


def load_performance(path: Path) -> Performance:
    """Read a performance. InputError when it is not one, empty, or of another topology."""
    with _opened(path, "performance") as data:
        frames, names = data.length("valid"), data.texts("controls_names")
        performance = Performance(
            names=names,
            controls=data.read("controls", "f", (frames, len(names))).astype(np.float32),
            rotation=data.read("rotation", "f", (frames, 3)).astype(np.float64),
            translation=data.read("translation", "f", (frames, 3)).astype(np.float64),
            scale=data.read("scale", "f", (frames,)).astype(np.float64),
            neutral=data.read("neutral", "f", (POINT_COUNT, 3)).astype(np.float32),
            residual=data.read("residual", "f", (frames, POINT_COUNT, 3)).astype(np.float32),
            valid=data.read("valid", "b", (frames,)),
            filled=data.read("filled", "b", (frames,)),
            confidence=data.read("confidence", "f", (frames,)).astype(np.float32),
            rate=_rate(data),
            size=_size(data),
            cuts=data.numbers("cuts"),
            source=data.text("source"),
            source_sha256=data.text("source_sha256"),
            canonical=data.text("canonical"),
            camera=data.text("camera"),
            focal=float(data.read("focal", "f", ())),
            rest=data.read("rest", "f", (7,)) if "rest" in data.names else None,
        )
    p = performance
    if not p.valid.any():
        raise InputError(f"{path}: the performance is empty, no frame holds a face")
    seen = (p.controls, p.rotation, p.translation, p.scale, p.residual)
    whole = [np.array(p.focal), p.neutral, *([] if p.rest is None else [p.rest])]
    _check_numbers(path, "performance", [*whole, *(values[p.valid] for values in seen)])
    return performance


def _footage(recording: Track | Performance) -> dict[str, object]:
    return {
        "rate": np.array([recording.rate.numerator, recording.rate.denominator], np.int64),
        "size": np.array(recording.size, np.int32),
        "cuts": np.array(recording.cuts, np.int32),
        "source": recording.source,
        "source_sha256": recording.source_sha256,
    }


def check_target(path: Path) -> None:
    """Raises InputError when a file stands there that is no recording, or a link."""
    ownership.check_replaceable(path, _is_recording, "a recording of Likeness")


def _is_recording(path: Path) -> bool:
    try:
        with open_arrays(path) as data:
            return data.text("topology") == TOPOLOGY
    except UNREADABLE:
        return False


def _write(path: Path, arrays: dict[str, object]) -> None:
    check_target(path)
    with (
        written_whole(path) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)


@contextlib.contextmanager
def _opened(path: Path, kind: str) -> Iterator[Arrays]:
    """The arrays of a file of this topology; whatever is wrong in it becomes an InputError."""
    try:
        with open_arrays(path) as data:
            topology = data.text("topology")
            if topology != TOPOLOGY:
                raise InputError(
                    f"{path}: made for the topology '{topology}', this version reads '{TOPOLOGY}'"
                )
            yield data
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such {kind}; choose it again") from None
    except WrongShapeError as error:
        raise InputError(f"{path}: {error}") from None
    except UNREADABLE:
        raise InputError(f"{path}: not a {kind}, or a damaged one; make it again") from None


def _rate(data: Arrays) -> Fraction:
    """Frames a second, as footage can have it. Raises one of UNREADABLE."""
    numerator, denominator = data.numbers("rate")
    rate = Fraction(numerator, denominator)
    if not _SLOWEST <= rate <= _FASTEST:
        raise ValueError("no frame rate")
    return rate


def _size(data: Arrays) -> tuple[int, int]:
    """Width and height in pixels. Raises one of UNREADABLE."""
    width, height = data.numbers("size")
    if not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        raise ValueError("no picture's size")
    return width, height


def _check_numbers(path: Path, kind: str, arrays: list[NDArray[np.floating]]) -> None:
    if not all((np.abs(values) <= _FARTHEST).all() for values in arrays):
        raise InputError(
            f"{path}: the {kind} holds values that are not numbers, or too large; make it again"
        )
