# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver's neutral: how the face looks when it does nothing, found rather than assumed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.landmarks import (
    EYES,
    interocular,
)
from inference.performance.face.measures import eye_opening
from inference.performance.face.pose import fit_pose, fit_poses
from inference.performance.face.rotations import to_vectors
from inference.performance.retargeting.reach import yaw
from inference.remembered import remembered
from inference.track import LandmarkTrack

Points = NDArray[np.float32]

_AVERAGED = 5
_WELL_SEEN = 20.0  # degrees of yaw from the front


def find_neutral(track: LandmarkTrack, frame: int | None = None) -> Points:
    """The neutral landmarks (478, 3), in pixels of the footage and in one of its head poses.

    frame: the zero-based frame that the user calls neutral; None looks for the calmest ones:
    lips together, eyes open as usual, and near the middle of all that the face does.
    Raises InputError when the named frame is a gap or beyond the track.
    """
    if frame is not None:
        if not 0 <= frame < len(track) or not track.valid[frame]:
            raise InputError(f"the track has no face in frame {frame}; name another neutral frame")
        return track.points[frame]
    calm = calm_frames(track)
    reference = track.points[calm[0]]
    shapes = [fit_pose(track.points[i], reference).apply(track.points[i]) for i in calm]
    return np.mean(shapes, axis=0).astype(np.float32)


def calm_frames(track: LandmarkTrack) -> tuple[int, ...]:
    """The calmest well-seen frames of a track, zero-based, the calmest first."""
    return _calm_frames(track.points, track.valid)


@remembered(4)
def _calm_frames(points: Points, valid: NDArray[np.bool_]) -> tuple[int, ...]:
    seen = np.flatnonzero(valid)
    # A few hundred frames say what is usual; more only take time.
    seen = seen[:: max(1, len(seen) // 300)]
    middle = points[seen[len(seen) // 2]]
    faces = points[seen]
    shapes = fit_poses(faces, np.broadcast_to(middle, faces.shape)).apply(faces)
    unit = interocular(middle)
    usual = np.median(shapes, axis=0)
    unlike = np.linalg.norm(shapes - usual, axis=2).mean(axis=1) / unit
    lips = np.linalg.norm(shapes[:, 13] - shapes[:, 14], axis=1) / unit
    eyes = np.array([eye_opening(shape) for shape in shapes])
    gaze = np.stack([_gaze(shape) for shape in shapes]) / unit
    aside = np.linalg.norm(gaze - np.median(gaze, axis=0), axis=1)
    # In degrees: from how the head is mostly held, and from the front beyond half profile.
    turns = np.degrees(to_vectors(fit_poses(middle, faces).rotation))
    turned = np.linalg.norm(turns - np.median(turns, axis=0), axis=1)
    hidden = np.array([max(0.0, abs(yaw(face)) - _WELL_SEEN) for face in faces])
    score = unlike + lips + 2 * np.abs(eyes - np.quantile(eyes, 0.7)) + aside
    score += 0.005 * turned + 0.005 * hidden
    calm = seen[np.argsort(score, kind="stable")[:_AVERAGED]]
    return tuple(int(frame) for frame in calm)


def _gaze(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the irises are from the middles of their eyes' corners, mean of both: (3,)."""
    offsets = [
        shape[list(iris)].mean(axis=0) - (shape[upper[0]] + shape[upper[-1]]) / 2
        for upper, _, iris in EYES
    ]
    return np.asarray(np.mean(offsets, axis=0))
