# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance's numbers as an Empty carries them, and back. No bpy.

The Empty has a custom property for each of the C controls, and the head's pose as its transform:
C + 9 channels, (F, C + 9) values over F frames; NaN in gaps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..storage.canonical import EYE_DISTANCE
from ..storage.recordings import Performance
from .head_pose import Stage, from_eulers, moved_on_stage, stage_of, to_eulers, to_stage

Values = NDArray[np.float64]

_POSE = (("location", 3), ("rotation_euler", 3), ("scale", 3))
# A value read back counts as edited from here on: single precision and the way through angles
# cost less, and it is far below what a picture shows (metres, radians, shares of a control).
_TOUCHED = 2e-6


def channels(names: tuple[str, ...]) -> list[tuple[str, int, str]]:
    """Data path, index and group of each channel, in the order of `values_of`."""
    controls = [(path_of(name), 0, "Controls") for name in names]
    return controls + [(path, i, "Head") for path, count in _POSE for i in range(count)]


def path_of(name: str) -> str:
    """The data path of a control's custom property."""
    return f'["{name}"]'


def frames_of(performance: Performance, start: float, pace: float) -> Values:
    """Blender's frames of a performance's, (F,)."""
    return np.asarray(start + np.arange(len(performance)) * pace, np.float64)


def stage_for(performance: Performance) -> Stage:
    """The stage on which the performance's head is life-sized."""
    return stage_of(performance.size, performance.scale[performance.valid])


def values_of(performance: Performance, stage: Stage) -> Values:
    """What the channels hold: controls, location, XYZ angles, scale."""
    p = performance
    size = p.scale * stage.metres_per_pixel / EYE_DISTANCE
    angles = np.full((len(p), 3), np.nan)
    angles[p.valid] = to_eulers(p.rotation[p.valid])
    return np.column_stack([p.controls, to_stage(p.translation, stage), angles, size, size, size])


def touched(values: Values, expected: Values) -> NDArray[np.bool_]:
    """Where channels hold something else than the performance; never in gaps."""
    allowed = _TOUCHED * np.maximum(1, np.abs(expected))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values - expected) > allowed)


def edited(performance: Performance, stage: Stage, values: Values, expected: Values) -> Performance:
    """The performance with what the channels hold; what was not touched keeps its bits.

    InputError where the head's scale is not above 0.
    """
    p, count, changed = performance, len(performance.names), touched(values, expected)
    controls = np.where(changed[:, :count], values[:, :count], p.controls)
    place, turn, size = (slice(count + i, count + i + 3) for i in (0, 3, 6))
    move = np.where(changed[:, place], values[:, place] - expected[:, place], 0)
    moved = moved_on_stage(move, stage)
    # Adding a zero would turn -0 into 0: only what moved is touched.
    translation = np.where(moved != 0, p.translation + moved, p.translation)
    turned = changed[:, turn].any(axis=1)
    rotation = p.rotation.copy()
    rotation[turned] = from_eulers(values[turned, turn])
    sized = changed[:, size].any(axis=1)
    scale = p.scale.copy()
    scale[sized] = values[sized, size].mean(axis=1) * EYE_DISTANCE / stage.metres_per_pixel
    if (scale[p.valid] <= 0).any():
        first = int(np.flatnonzero(p.valid & (scale <= 0))[0])
        raise InputError(f"The head's scale is not above 0 at frame {first} of the performance")
    return replace(
        p,
        controls=controls.astype(np.float32),
        translation=translation,
        rotation=rotation,
        scale=scale,
    )


def shaped(column: Values, amplitude: float, sigma: float) -> Values:
    """A control over time, (F,), made smoother and stronger; NaN stays NaN.

    amplitude: times what is left of the face at rest, which is 0. sigma: of a Gaussian, in frames;
    values on the two sides of a gap do not mix.
    """
    out = column.copy()
    if sigma > 0:
        reach = int(np.ceil(3 * sigma))
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        for run in _runs(np.isfinite(column)):
            # At the ends the last value goes on.
            around = np.pad(column[run], reach, mode="edge")
            out[run] = np.convolve(around, weights / weights.sum(), mode="valid")
    return out * amplitude


def _runs(valid: NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]]).astype(int)))
    return [slice(a, b) for a, b in edges.reshape(-1, 2).tolist()]
