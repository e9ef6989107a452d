# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing of a face that arrives state by state: the One Euro filter, and a look ahead by choice.

Each part of the face opens its own filter by its own motion, so that a blink is let through while
the mouth is calm. With a look-ahead of n states, what the filter made is filtered once more from
the newest state back to the one that is given out: what lags on the way forward is led back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.performance.cleaning.curves import REGIONS, region_motion, region_points
from inference.performance.cleaning.one_euro import OneEuro
from inference.performance.cleaning.smooth import region_strengths
from inference.stream.state import FaceState

MOST_AHEAD = 2  # states
STRENGTH = 0.4


class LiveSmoother:
    """Smooths one state after another. A gap (`reset`) ends the past."""

    def __init__(
        self,
        pose: float = STRENGTH,
        expression: float = STRENGTH,
        regions: Mapping[str, float] | None = None,
        look_ahead: int = 0,
    ) -> None:
        """pose, expression, regions: strengths, 0 to 1, as of `smooth_performance`.

        look_ahead: states that are waited for, 0 to MOST_AHEAD. Raises InputError for others.
        """
        if not 0 <= look_ahead <= MOST_AHEAD:
            raise InputError(f"a look-ahead of {look_ahead} frames; choose from 0 to {MOST_AHEAD}")
        strengths = region_strengths(expression, regions)
        self._forward = _Filters(pose, strengths)
        self._back = _Filters(pose, strengths)
        self._made: deque[FaceState] = deque(maxlen=look_ahead + 1)

    def reset(self) -> None:
        """Forget the past, as at a cut or when the face was gone."""
        self._forward.reset()
        self._made.clear()

    def __call__(self, state: FaceState) -> FaceState:
        """The smoothed state that is due: this one, or one of `look_ahead` states before it."""
        self._made.append(self._forward(state, state.seconds))
        if len(self._made) == 1:
            return self._made[0]
        self._back.reset()
        for made in reversed(self._made):
            due = self._back(made, -made.seconds)
        return due


class _Filters:
    """A filter for the pose and one for each region."""

    def __init__(self, pose: float, strengths: Mapping[str, float]) -> None:
        self._pose = OneEuro(pose)
        self._regions = {region: OneEuro(strengths[region]) for region in REGIONS}

    def reset(self) -> None:
        for one in (self._pose, *self._regions.values()):
            one.reset()

    def __call__(self, state: FaceState, seconds: float) -> FaceState:
        shape = state.change.astype(np.float64)
        change = np.empty_like(state.change)
        for region, one in self._regions.items():
            points = list(region_points(region))
            seen = region_motion(region, shape[None])[0]
            values: NDArray[np.float64] = np.concatenate([seen, shape[points].ravel()])
            change[points] = one(values, seconds, len(seen))[len(seen) :].reshape(-1, 3)
        return FaceState(state.seconds, self._pose(state.pose, seconds), change)
