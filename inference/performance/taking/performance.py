# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance: one face's motion as head pose, named controls and a dense rest, and its file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.arrays import UNREADABLE, Arrays, WrongArray, open_arrays
from inference.errors import InputError
from inference.landmarks import POINT_COUNT, TOPOLOGY
from inference.performance.face.canonical import canonical_face
from inference.performance.face.controls import CONTROL_NAMES
from inference.track import is_recording, rate_of, size_of, write_arrays

SUFFIX = ".performance.npz"
CAMERAS = ("weak", "perspective")
_FORMAT = 1


def _digest() -> str:
    return canonical_face().digest


@dataclass(frozen=True)
class Performance:
    """F frames of a face. The points of frame f, in pixels of the source picture, are

        scale[f] * R(rotation[f]) @ shape[f] + translation[f]
        shape[f] = neutral + sum over c of controls[f, c] * basis[c] + residual[f]

    Under a perspective camera these lie before it, and are then projected (see `decompose`).

    controls: (F, C) float32 in the order of CONTROL_NAMES. rotation: (F, 3) float64, rotation
    vectors in radians, image axes. translation: (F, 3) float64, pixels. scale: (F,) float64,
    pixels a canonical unit. neutral: (478, 3) float32, the driver's own face at rest in canonical
    space. residual: (F, 478, 3) float32, canonical units. All NaN where a frame is not valid.
    valid: (F,) bool. filled: (F,) bool, gap frames that a filter filled. confidence: (F,) float32,
    0 to 1. rate, size, cuts, source, source_sha256: as a LandmarkTrack has them.
    camera: one of CAMERAS; focal: its focal length in pixels, 0 for the weak one.
    canonical: hash of the canonical face that the controls are meant for.
    rest: (7,) float64, how the head is held at rest: rotation vector, translation, scale; None
    where nobody said so.
    """

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
    cuts: tuple[int, ...] = ()
    source: str = ""
    source_sha256: str = ""
    camera: str = "weak"
    focal: float = 0.0
    canonical: str = field(default_factory=_digest)
    rest: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.controls)


def save_performance(performance: Performance, path: Path) -> None:
    """Write the performance; the file appears under its name only when it is whole.

    Raises LikenessError when the folder cannot be written or the disk is full.
    """
    p = performance
    arrays: dict[str, object] = {
        "format": _FORMAT,
        "topology": TOPOLOGY,
        "canonical": p.canonical,
        "controls_names": np.array(CONTROL_NAMES),
        "controls": p.controls.astype(np.float32),
        "rotation": p.rotation.astype(np.float64),
        "translation": p.translation.astype(np.float64),
        "scale": p.scale.astype(np.float64),
        "neutral": p.neutral.astype(np.float32),
        "residual": p.residual.astype(np.float32, copy=False),
        "valid": p.valid.astype(bool),
        "filled": p.filled.astype(bool),
        "confidence": p.confidence.astype(np.float32),
        "rate": np.array([p.rate.numerator, p.rate.denominator], np.int64),
        "size": np.array(p.size, np.int32),
        "cuts": np.array(p.cuts, np.int32),
        "source": p.source,
        "source_sha256": p.source_sha256,
        "camera": p.camera,
        "focal": np.float64(p.focal),
    }
    if p.rest is not None:
        arrays["rest"] = p.rest.astype(np.float64)
    write_arrays(path, arrays)


def is_performance(path: Path) -> bool:
    """Does the file's content show that it is a performance?"""
    return is_recording(path, "controls")


def load_performance(path: Path) -> Performance:
    """Read a performance and check it.

    Raises InputError when it is none, damaged, empty, or made for another version.
    """
    try:
        advice = "take the track apart again"
        with open_arrays(path, "performance", advice) as arrays:
            _check_version(arrays, path)
            frames = arrays.length("valid")
            performance = Performance(
                **{
                    name: arrays.read(name, kind, shape if name == "neutral" else (frames, *shape))
                    for name, (kind, shape) in _ARRAYS.items()
                },
                rate=rate_of(arrays),
                size=size_of(arrays),
                cuts=arrays.numbers("cuts"),
                source=arrays.text("source"),
                source_sha256=arrays.text("source_sha256"),
                camera=arrays.text("camera"),
                focal=float(arrays.read("focal", np.float64, ())),
                canonical=arrays.text("canonical"),
                rest=arrays.read("rest", np.float64, (7,)) if "rest" in arrays.names else None,
            )
    except WrongArray as error:
        raise InputError(f"{path}: {error}; make the performance again") from None
    except UNREADABLE:
        raise InputError(
            f"{path}: not a performance, or a damaged one; make it again from its track"
        ) from None
    _check(performance, path)
    return performance


# Each array's type, and its shape after the frames; the neutral has none of these.
_ARRAYS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "controls": (np.float32, (len(CONTROL_NAMES),)),
    "rotation": (np.float64, (3,)),
    "translation": (np.float64, (3,)),
    "scale": (np.float64, ()),
    "neutral": (np.float32, (POINT_COUNT, 3)),
    "residual": (np.float32, (POINT_COUNT, 3)),
    "valid": (np.bool_, ()),
    "filled": (np.bool_, ()),
    "confidence": (np.float32, ()),
}
_MOST_NAMES = 256  # controls of whatever version
# Bounds far outside of any face's motion; beyond them sums and pixels overflow.
_LARGEST = 1e7  # pixels
_FARTHEST_SHAPE = 100.0  # canonical units
_LEAST_SCALE, _LEAST_NEUTRAL = 0.1, 0.05  # pixels, canonical units
_LONGEST_FOCAL = 1e9  # pixels
_MOST = {
    "controls": 100.0, "rotation": 1000.0, "translation": _LARGEST, "scale": _LARGEST,
    "residual": _FARTHEST_SHAPE,
}  # fmt: skip
_POSE_AND_SHAPE = ("controls", "rotation", "translation", "scale", "residual", "confidence")


def _check_version(arrays: Arrays, path: Path) -> None:
    version, topology = arrays.whole("format"), arrays.text("topology")
    if version != _FORMAT or topology != TOPOLOGY:
        raise InputError(
            f"{path}: a performance of another version (format {version}, topology "
            f"'{topology}'); make it again from its track"
        )
    names = arrays.texts("controls_names", _MOST_NAMES)
    if names != CONTROL_NAMES:
        raise InputError(
            f"{path}: its controls are not those of this version "
            f"({_difference(names)}); make it again from its track"
        )
    if arrays.text("canonical") != canonical_face().digest:
        raise InputError(
            f"{path}: its controls belong to another canonical face; make it again from its track"
        )


def check_motion(p: Performance) -> str | None:
    """What in a performance's finite numbers can be no face's motion, in words, or None."""
    unit = float(np.linalg.norm(p.neutral[133] - p.neutral[362]))
    extent = np.abs(p.neutral).max(initial=0.0)
    if not (np.isfinite(p.neutral).all() and unit > _LEAST_NEUTRAL and extent < _FARTHEST_SHAPE):
        return "the neutral is no face"
    if p.rest is not None and not (
        np.isfinite(p.rest).all() and 0 < p.rest[6] < _LARGEST and np.abs(p.rest).max() < _LARGEST
    ):
        return "how its head is held at rest is damaged"
    if (p.scale[p.valid] <= 0).any():
        return "a scale is not positive"
    for name, most in _MOST.items():
        values = np.abs(getattr(p, name)[p.valid]).reshape(int(p.valid.sum()), -1).max(axis=1)
        if (values > most).any():
            frame = int(np.flatnonzero(p.valid)[np.argmax(values > most)])
            return f"{name} is {values.max():g} in frame {frame}, more than {most:g} cannot be"
    if (p.scale[p.valid] < _LEAST_SCALE).any():
        return f"a scale is below {_LEAST_SCALE:g} pixels"
    return None


def _difference(names: tuple[str, ...]) -> str:
    lacking = [name for name in CONTROL_NAMES if name not in names]
    strange = [name for name in names if name not in CONTROL_NAMES]
    if lacking:
        return f"'{lacking[0]}' is missing"
    return f"'{strange[0]}' is unknown" if strange else "their order differs"


def _check(p: Performance, path: Path) -> None:
    frames = len(p.valid)
    if not p.valid.any():
        raise InputError(f"{path}: the performance is empty, no frame holds a face; take another")
    for name in _POSE_AND_SHAPE:
        wrong = ~np.isfinite(getattr(p, name)[p.valid]).reshape(int(p.valid.sum()), -1).all(axis=1)
        if wrong.any():
            frame = int(np.flatnonzero(p.valid)[np.argmax(wrong)])
            raise InputError(
                f"{path}: {name} holds a value that is not a number in frame {frame}; "
                "make the performance again"
            )
    wrong = check_motion(p)
    if wrong:
        raise InputError(f"{path}: {wrong}; make the performance again")
    if list(p.cuts) != sorted(set(p.cuts) & set(range(1, frames))):
        raise InputError(f"{path}: the cuts are not among the frames; make the performance again")
    if (
        p.camera not in CAMERAS
        or (p.camera == "perspective") != (p.focal > 0)
        or not p.focal <= _LONGEST_FOCAL
    ):
        raise InputError(
            f"{path}: the camera '{p.camera}' with a focal length of {p.focal:g} is "
            "unknown; make the performance again"
        )
