# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance as plain curves over time, which filters and takes can work on, and back again.

A head's rotation cannot be averaged as three numbers. Here it is the turn away from the
take's middle rotation, where it can.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    EYES,
    LEFT_BROW,
    LEFT_BROW_LOWER,
    LIP_CORNERS,
    LIPS_LOWER,
    LIPS_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    POINT_COUNT,
    RIGHT_BROW,
    RIGHT_BROW_LOWER,
    SKIN_COUNT,
)
from inference.performance.face.canonical import canonical_face
from inference.performance.face.controls import CONTROLS
from inference.performance.face.regions import region_weights
from inference.performance.face.rotations import mean_rotation, to_matrices, to_vectors
from inference.performance.taking.performance import Performance

Array = NDArray[np.float64]

# The parts of a face that are filtered and mixed apart from each other.
REGIONS = ("mouth", "eyes", "brows", "gaze", "face")
# What other modules' names for the same parts are here.
_REGION_OF = {name: name for name in REGIONS} | {"cheeks": "face"}
_WEIGHTS_OF = {"mouth": "mouth", "right_eye": "eyes", "left_eye": "eyes", "brows": "brows"}


@dataclass(frozen=True)
class Curves:
    """F frames of a performance, float64, NaN where it is not valid.

    pose: (F, 7), the turn away from `middle` (3, radians), the translation in units of `unit`
        pixels (3), and the logarithm of the scale.
    controls: (F, C); residual: (F, 478, 3), canonical units.
    middle: the rotation (3, 3) that turns are counted from.
    """

    pose: Array
    controls: Array
    residual: Array
    middle: Array
    unit: float

    def __len__(self) -> int:
        return len(self.pose)


def to_curves(performance: Performance, like: Curves | None = None) -> Curves:
    """like: curves to share the middle rotation and the unit with, so that both can be mixed."""
    if like is None:
        middle = mean_rotation(performance.rotation)
        known = performance.scale[np.isfinite(performance.scale)]
        unit = float(np.median(known)) if len(known) else 1.0
    else:
        middle, unit = like.middle, like.unit
    turns = to_vectors(middle.T @ to_matrices(performance.rotation))
    scale = np.log(performance.scale)[:, None]
    return Curves(
        np.hstack([turns, performance.translation / unit, scale]),
        performance.controls.astype(np.float64),
        performance.residual.astype(np.float64),
        middle,
        unit,
    )


def with_curves(performance: Performance, curves: Curves, **changes: object) -> Performance:
    """The performance with these curves in place of its own; `changes` are fields besides."""
    changed = {
        "rotation": to_vectors(curves.middle @ to_matrices(curves.pose[:, :3])),
        "translation": curves.pose[:, 3:6] * curves.unit,
        "scale": np.exp(curves.pose[:, 6]),
        "controls": curves.controls.astype(np.float32),
        "residual": curves.residual.astype(np.float32),
    }
    return replace(performance, **{**changed, **changes})


def expression_shape(curves: Curves) -> Array:
    """What the expression moves, (F, 478, 3) in canonical units: controls and residual added."""
    basis = canonical_face().basis.astype(np.float64)
    moved = curves.controls @ basis.reshape(len(basis), -1)
    return moved.reshape(curves.residual.shape) + curves.residual


@cache
def region_controls(region: str) -> tuple[int, ...]:
    """The indices of the controls of one of `REGIONS`."""
    return tuple(
        i for i, control in enumerate(CONTROLS) if _REGION_OF.get(control.region) == region
    )


@cache
def region_points(region: str) -> tuple[int, ...]:
    """The indices of the points of one of `REGIONS`; every point is in exactly one."""
    weights = region_weights()
    owner = np.full(POINT_COUNT, "face", dtype="<U5")
    for name, of_region in _WEIGHTS_OF.items():
        owner[weights[name][:, 0] > 0.5] = of_region
    owner[SKIN_COUNT:] = "gaze"
    return tuple(int(i) for i in np.flatnonzero(owner == region))


def region_motion(region: str, shape: Array) -> Array:
    """The curves in which a region's motion shows best, (F, P), of the shape (F, 478, 3).

    Lids and lips are measured by how far they are apart: what moves both of them together is mostly
    the tracker's own wobble.
    """
    if region == "eyes":
        return np.hstack([_apart(shape, up[1:-1], low[1:-1]) for up, low, _ in EYES])
    if region == "mouth":
        return np.hstack(
            [
                _apart(shape, MOUTH_UPPER[1:-1], MOUTH_LOWER[1:-1]),
                _apart(shape, LIPS_UPPER[1:-1], LIPS_LOWER[1:-1]),
                shape[:, LIP_CORNERS, :2].reshape(len(shape), 4),
            ]
        )
    points = shape[:, list(_BROWS if region == "brows" else region_points(region))]
    return points.reshape(len(points), -1)


_BROWS = (*RIGHT_BROW, *RIGHT_BROW_LOWER, *LEFT_BROW, *LEFT_BROW_LOWER)


def _apart(shape: Array, upper: tuple[int, ...], lower: tuple[int, ...]) -> Array:
    return np.asarray(shape[:, list(lower), 1] - shape[:, list(upper), 1])
