# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver's motion since their neutral: where the head goes, and what the face does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.performance.face.neutral import find_neutral
from inference.performance.face.pose import Pose, fit_pose
from inference.track import LandmarkTrack

Face = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """What a driver does, frame by frame.

    neutral: (478, 3) float32, the face at rest, in any unit and pose.
    at: zero-based frame -> the head's pose from the neutral's, and the shape (478, 3) with the
    head held as in the neutral.
    """

    neutral: NDArray[np.float32]
    at: Callable[[int], tuple[Pose, Face]]


def track_motion(track: LandmarkTrack, neutral_frame: int | None = None) -> Motion:
    """The motion of a track without gaps. Raises InputError as `find_neutral` does."""
    neutral = find_neutral(track, neutral_frame)

    def at(frame: int) -> tuple[Pose, Face]:
        driver = track.points[frame]
        pose = fit_pose(neutral, driver)
        return pose, pose.inverse().apply(driver)

    return Motion(neutral, at)
