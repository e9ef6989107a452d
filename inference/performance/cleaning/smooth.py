# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing of a recorded performance: pose and expression apart.

The filter of `zero_phase` delays nothing and keeps blinks. What can be done live, without knowing
what comes, is in `inference.live.smoothing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.landmarks import RIGID
from inference.performance.cleaning.curves import (
    REGIONS,
    expression_shape,
    region_controls,
    region_motion,
    region_points,
    to_curves,
    with_curves,
)
from inference.performance.cleaning.zero_phase import MOTION, jitter_level, smooth_together
from inference.performance.face.canonical import canonical_face
from inference.performance.face.decompose import compose, decompose
from inference.performance.taking.performance import Performance
from inference.track import LandmarkTrack

# A region's jitter is at most this many times that of the points that expressions hardly move.
_MOST_JITTER = 1.5
# Lids and lips are measured by how far they are apart, where motion stands out more than elsewhere.
_MOTION = {"mouth": 4.5, "eyes": 5.5}


def smooth_performance(
    performance: Performance,
    pose: float = 0.5,
    expression: float = 0.5,
    regions: Mapping[str, float] | None = None,
) -> Performance:
    """A recorded performance without its jitter; gaps, cuts, blinks and closed lips stay.

    pose, expression: strengths from 0 (unchanged) to 1. regions: strengths of their own for some
    of `curves.REGIONS`, in place of `expression`. Raises InputError for others.
    """
    strengths = region_strengths(expression, regions)
    _check_strength("pose", pose)
    p = performance
    curves = to_curves(p)
    (moved,) = smooth_together([curves.pose], curves.pose, p.valid, p.cuts, p.rate, pose)
    controls, residual = curves.controls.copy(), curves.residual.copy()
    shape = expression_shape(curves)
    rigid = _flat(shape[:, list(RIGID)])
    steady = jitter_level(rigid, p.valid, p.cuts)
    for region, strength in strengths.items():
        of_region, points = list(region_controls(region)), list(region_points(region))
        controls[:, of_region], rest = smooth_together(
            [curves.controls[:, of_region], _flat(curves.residual[:, points])],
            region_motion(region, shape), p.valid, p.cuts, p.rate, strength,
            most_jitter=_MOST_JITTER * steady, motion=_MOTION.get(region, MOTION),
        )  # fmt: skip
        residual[:, points] = rest.reshape(len(p), len(points), 3)
    controls = _within(controls, curves.controls)
    return with_curves(p, replace(curves, pose=moved, controls=controls, residual=residual))


def smooth_track(
    track: LandmarkTrack,
    pose: float = 0.5,
    expression: float = 0.5,
    regions: Mapping[str, float] | None = None,
    neutral: int | None = None,
) -> LandmarkTrack:
    """As `smooth_performance`, for landmarks: taken apart, smoothed and put together again."""
    return compose(smooth_performance(decompose(track, neutral), pose, expression, regions))


def region_strengths(expression: float, regions: Mapping[str, float] | None) -> dict[str, float]:
    """A strength for each of `REGIONS`; raises InputError for an unknown region or strength."""
    given = dict(regions or {})
    for name in given:
        if name not in REGIONS:
            raise InputError(f"there is no region '{name}' to smooth; name {', '.join(REGIONS)}")
    strengths = {region: given.get(region, expression) for region in REGIONS}
    for name, strength in strengths.items():
        _check_strength(name if name in given else "expression", strength)
    return strengths


def _flat(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points.reshape(len(points), 3 * points.shape[1])


def _within(controls: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """No control beyond what its curve had, (F, C): smoothing must not open a closed end."""
    face = canonical_face()
    seen = np.isfinite(before).all(axis=1)
    if not seen.any():
        return controls
    low = np.minimum(before[seen].min(axis=0), face.low)
    high = np.maximum(before[seen].max(axis=0), face.high)
    return np.clip(controls, low, high)


def _check_strength(name: str, strength: float) -> None:
    if not 0 <= strength <= 1:
        raise InputError(f"the smoothing of the {name} is {strength:g}; strengths go from 0 to 1")
