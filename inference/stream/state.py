# SPDX-License-Identifier: GPL-3.0-or-later
"""What a face does at one moment, apart from whose face it is: what live sources give and share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import POINT_COUNT, mirror_order
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_pose, fit_poses
from inference.performance.face.rotations import to_matrices, to_vectors
from inference.performance.retargeting.motion import Motion

Array = NDArray[np.float64]

# The head's pose as seven numbers: the turn from how it is held at rest (a rotation vector in
# image axes, radians), the way of its middle (canonical units, image axes), and the logarithm of
# its size, all against the face at rest.
POSE_COUNT = 7


@dataclass(frozen=True)
class FaceState:
    """A face at one moment, against its own rest.

    seconds: on the source's clock. pose: (7,) float64, see POSE_COUNT. change: (478, 3) float32,
    how the face's points have moved in canonical space, head unposed.
    """

    seconds: float
    pose: Array
    change: NDArray[np.float32]


def at_rest(seconds: float) -> FaceState:
    """A face that does nothing."""
    return FaceState(seconds, np.zeros(POSE_COUNT), np.zeros((POINT_COUNT, 3), np.float32))


def of_controls(seconds: float, controls: NDArray[np.floating], pose: Array) -> FaceState:
    """A face of which the controls (C,) are known, as from a phone."""
    change = np.tensordot(controls, canonical_face().basis, axes=1)
    return FaceState(seconds, pose, np.asarray(change, np.float32))


class RestingFace:
    """One person's face at rest: what the states of a tracked face are measured from."""

    def __init__(self, points: NDArray[np.float32]) -> None:
        """points: (478, 3), the landmarks of the face at rest, in pixels of its pictures."""
        mean = canonical_face().mean
        own = fit_pose(points, mean).apply(points)
        self.neutral = own.astype(np.float32)
        self._held = fit_pose(self.neutral, points)
        self._middle = own.mean(axis=0)

    def state(self, seconds: float, points: NDArray[np.float32]) -> FaceState:
        """The state of the same face with these landmarks (478, 3)."""
        poses = fit_poses(self.neutral, points[None])
        change = poses.undo(points[None].astype(np.float64))[0] - self.neutral
        turn = to_vectors(poses.rotation @ self._held.rotation.T)[0]
        pose = Pose(float(poses.scale[0]), poses.rotation[0], poses.translation[0])
        way = (pose.apply(self._middle) - self._held.apply(self._middle)) / self._held.scale
        zoom = np.log(pose.scale / self._held.scale)
        return FaceState(seconds, np.array([*turn, *way, zoom]), change.astype(np.float32))


def motion_of(neutral: NDArray[np.float32], state: FaceState) -> Motion:
    """The state as the motion of a face of which `neutral` (478, 3) is the canonical shape."""
    middle = neutral.mean(axis=0).astype(np.float64)
    rotation = to_matrices(state.pose[None, :3])[0]
    scale = float(np.exp(state.pose[6]))
    place = middle + state.pose[3:6] - scale * rotation @ middle
    pose = Pose(scale, rotation, place)
    shape = (neutral + state.change).astype(np.float64)
    return Motion(neutral, lambda _: (pose, shape))


def mixed(one: FaceState, other: FaceState, share: float) -> FaceState:
    """Between two states: 0 is the first, 1 the second; their heads are turned by similar ways."""
    seconds = one.seconds + share * (other.seconds - one.seconds)
    pose = one.pose + share * (other.pose - one.pose)
    change = one.change + np.float32(share) * (other.change - one.change)
    return FaceState(seconds, pose, change)


def mirrored(state: FaceState) -> FaceState:
    """The state of the mirror image: what the right side does, the left one does."""
    change = state.change[mirror_order()] * np.array([-1, 1, 1], np.float32)
    # Of a turn, a mirror along x keeps the part about x and reverses the others.
    pose = state.pose * np.array([1, -1, -1, -1, 1, 1, 1])
    return replace(state, pose=pose, change=change)
