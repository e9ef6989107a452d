# SPDX-License-Identifier: GPL-3.0-or-later
"""From the time stamps of pictures to the frames in which they are shown.

Time stamps are missing in raw streams, begin again where files were joined, and leap where a
recorder was paused. A clock that was told such a one goes on by a single frame.
"""

from __future__ import annotations

import math
from fractions import Fraction

# Of a time stamp, in seconds, either way: what FFmpeg tells where there is none lies far beyond.
_LATEST = 1e9
# A quarter of a frame of grace: time stamps are rounded to the container's clock.
_GRACE = 0.25


class Clock:
    """Says for each picture in turn from which frame on it is shown.

    longest: seconds for which a picture may stand; a longer step is a leap. joints: the frames at
    which the time stamps began again or leapt.
    """

    def __init__(self, rate: Fraction, longest: float) -> None:
        self._rate = float(rate)
        self._longest = longest
        self._start = -1
        self._origin: float | None = None
        self._last = 0.0
        self.joints: list[int] = []

    def start(self, time: float | None) -> int:
        """The zero-based frame at which a picture of this time stamp (seconds) begins."""
        if time is None or not abs(time) < _LATEST:
            self._origin = None
            self._start += 1
            return self._start
        if self._origin is not None and not 0 < time - self._last <= self._longest:
            self._origin = None
            self.joints.append(self._start + 1)
        if self._origin is None:
            self._origin = time - (self._start + 1) / self._rate
        self._last = time
        self._start = math.ceil((time - self._origin) * self._rate - _GRACE)
        return self._start
