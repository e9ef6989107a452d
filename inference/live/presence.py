# SPDX-License-Identifier: GPL-3.0-or-later
"""What the portrait does while nobody drives it: it eases to rest, and idles by choice."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np

from inference.performance.face.canonical import control_index
from inference.performance.face.controls import CONTROL_NAMES
from inference.stream.state import POSE_COUNT, FaceState, at_rest, mixed, of_controls

# A face that was missed for so long is gone; then this long to rest, and that long back.
_PATIENCE, _EASE_OUT, _EASE_IN = 0.4, 0.8, 0.3
_BLINK, _BLINK_EVERY = 0.3, (2.5, 6.0)
_BREATH, _BREATH_EVERY = 0.012, 4.0  # eye distances, seconds


class Presence:
    """Carries over between a driver's states and rest. Call it at every turn, with or without."""

    def __init__(self, idle: bool = False, seed: int = 1) -> None:
        """idle: at rest the portrait blinks now and then, and breathes."""
        self._idle = idle
        self._random = random.Random(seed)
        self._last: FaceState | None = None
        self._seen = -math.inf
        self._share = 0.0
        self._turn: float | None = None
        self._blink = 0.0

    @property
    def is_moving(self) -> bool:
        """Is there something to show although no driver is seen?"""
        return self._share > 0 or self._idle

    def __call__(self, state: FaceState | None, now: float) -> FaceState:
        """What is to be shown now, of a driver's new state, or of none."""
        passed = 0.0 if self._turn is None else max(0.0, now - self._turn)
        self._turn = now
        if state is not None:
            self._last, self._seen = state, now
        if now - self._seen <= _PATIENCE:
            self._share = min(1.0, self._share + passed / _EASE_IN)
        else:
            self._share = max(0.0, self._share - passed / _EASE_OUT)
        rest = self._resting(now)
        if self._last is None or self._share <= 0:
            return rest
        if self._share >= 1:
            return replace(self._last, seconds=now)
        soft = self._share * self._share * (3 - 2 * self._share)
        return replace(mixed(rest, self._last, soft), seconds=now)

    def _resting(self, now: float) -> FaceState:
        if not self._idle:
            return at_rest(now)
        if now >= self._blink + _BLINK:
            self._blink = now + self._random.uniform(*_BLINK_EVERY)
        controls = np.zeros(len(CONTROL_NAMES))
        if now > self._blink:
            closed = math.sin(math.pi * (now - self._blink) / _BLINK)
            controls[[control_index("blink_left"), control_index("blink_right")]] = closed
        pose = np.zeros(POSE_COUNT)
        pose[4] = _BREATH * math.sin(2 * math.pi * now / _BREATH_EVERY)
        return of_controls(now, controls, pose)
