# SPDX-License-Identifier: GPL-3.0-or-later
"""What was performed live, as a take: a landmark track that goes through everything else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.inputs import MOST_FRAMES
from inference.landmarks import POINT_COUNT
from inference.stream.state import FaceState, motion_of
from inference.track import LandmarkTrack

RATE = Fraction(30)
# The nominal picture, and the pixels between the eyes in it: a head and some air.
_SIZE, _EYES = (1000, 1000), 190.0
# Between two states further apart than this the face was not seen.
_LONGEST = 0.25  # seconds
# Between two senders; a receiver does not take the second before.
_BETWEEN = 1.0  # seconds


class Recorder:
    """Keeps the states that were shown, with their times."""

    def __init__(self, rate: Fraction = RATE) -> None:
        self._rate = rate
        self._faces: list[NDArray[np.float32]] = []
        self._seconds: list[float] = []
        self._ahead = 0.0  # of the sender's clock, seconds

    def __len__(self) -> int:
        return len(self._faces)

    def add(self, state: FaceState, neutral: NDArray[np.float32]) -> None:
        """Keep one state. A clock that goes back is another sender's: it goes on after a gap."""
        seconds = state.seconds + self._ahead
        if self._seconds and seconds < self._seconds[-1]:
            seconds = self._seconds[-1] + _BETWEEN
            self._ahead = seconds - state.seconds
        if self._seconds and seconds == self._seconds[-1]:
            return
        if len(self._faces) >= MOST_FRAMES:
            return
        pose, shape = motion_of(neutral, state).at(0)
        middle = np.array([*_SIZE, 0.0]) / 2
        self._faces.append((_EYES * pose.apply(shape) + middle).astype(np.float32))
        self._seconds.append(seconds)

    def track(self, source: str) -> LandmarkTrack:
        """The take at an even rate: between two states the face goes evenly, pauses are gaps.

        Raises InputError where no face was seen.
        """
        if not self._faces:
            raise InputError("nothing was recorded: no face was seen; record longer")
        times = np.array(self._seconds) - self._seconds[0]
        count = min(MOST_FRAMES, int(times[-1] * self._rate) + 1)
        points = np.full((count, POINT_COUNT, 3), np.nan, np.float32)
        valid = np.zeros(count, bool)
        for frame in range(count):
            now = float(frame / self._rate)
            after = int(np.searchsorted(times, now))
            before = max(0, after - 1)
            after = min(after, len(times) - 1)
            span = times[after] - times[before]
            if span > _LONGEST:
                near = before if now - times[before] < times[after] - now else after
                if abs(times[near] - now) > 0.5 / float(self._rate):
                    continue
                before = after = near
                span = 0.0
            share = np.float32((now - times[before]) / span if span > 0 else 0.0)
            one, other = self._faces[before], self._faces[after]
            points[frame] = one + share * (other - one)
            valid[frame] = True
        return LandmarkTrack(points, valid, self._rate, _SIZE, (), source, "")
