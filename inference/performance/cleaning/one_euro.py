# SPDX-License-Identifier: GPL-3.0-or-later
"""The One Euro filter for live use: a low pass that opens as soon as something moves.

After Casiez, Roussel and Vogel (CHI 2012). It knows the past alone, so it trades a little delay
in slow motion for calm at rest.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# At full strength a still face is low-passed here; weaker filters open in proportion.
_CUTOFF = 1.0  # Hz
# How much each unit of speed (canonical units a second, or radians a second) opens the filter.
_OPENING = 200.0  # Hz
# Speed is measured over a few frames: jitter alone must not open the filter.
_SPEED_CUTOFF = 10.0  # Hz
# Speeds below this are a tracker's jitter.
_STILL = 0.2
# After a pause of this many seconds the past says nothing any more.
_LONGEST_PAUSE = 0.5


class OneEuro:
    """Filters one group of values (C,) that move together, sample by sample.

    strength: 0 (values pass unchanged) to 1. The values have one unit, and the fastest of them
    open the filter for all, so that the parts of a blink keep together.
    """

    def __init__(self, strength: float) -> None:
        self._cutoff = _CUTOFF / strength**2 if strength > 0 else math.inf
        self._time = -math.inf
        self._value: Values = np.zeros(0)
        self._before: Values = np.zeros(0)
        self._speed: Values = np.zeros(0)

    def reset(self) -> None:
        """Forget the past, as at a cut or when the face was gone."""
        self._time = -math.inf

    def __call__(
        self, values: NDArray[np.floating], seconds: float, seen: int | None = None
    ) -> Values:
        """The filtered values (C,) at a time later than the last one's.

        seen: the motion of the first so many values opens the filter; default: of all.

        After a reset, a long pause, values that are no numbers, or a clock that went backwards,
        the values pass as they are.
        """
        now = np.array(values, np.float64)
        if not np.isfinite(now).all():
            self.reset()
            return now
        step = seconds - self._time
        if not 0 < step <= _LONGEST_PAUSE or math.isinf(self._cutoff):
            self._value, self._before, self._speed = now, now, np.zeros_like(now)
            self._time = seconds
            return now
        raw = (now - self._before) / step
        self._speed = self._speed + _share(_SPEED_CUTOFF, step) * (raw - self._speed)
        # The largest, but not a single stray one: a high mean of powers.
        fastest = float((np.abs(self._speed[:seen]) ** 4).mean() ** 0.25)
        cutoff = self._cutoff + _OPENING * max(0.0, fastest - _STILL)
        self._value = self._value + _share(cutoff, step) * (now - self._value)
        self._before, self._time = now, seconds
        return self._value.copy()


def _share(cutoff: float, step: float) -> float:
    """How far one step of a low pass goes towards the new value."""
    turn = 2 * math.pi * cutoff * step
    return turn / (turn + 1)
