# SPDX-License-Identifier: GPL-3.0-or-later
"""Head pose: the similarity that carries one set of landmarks onto another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYE_CORNERS
from inference.performance.face.regions import LIP_COLUMNS
from inference.performance.face.rotations import to_matrices

Points = NDArray[np.float32]
Array = NDArray[np.float64]

# Of the points that expressions hardly move, those whose fit follows an opening mouth least,
# measured on quick mouth movements of some two hundred people: the root of the nose, the eyes'
# corners, and the temples down to the ears. Forehead and nose tip follow twice as far.
STEADY = (168, 6, 197, 122, 351, 8, 33, 133, 362, 263, 234, 454, 127, 356, 162, 389)
# On detected faces even these tell of a head that looks up as the mouth opens, by 4 degrees for a
# gap of the lips of one eye distance, sooner than a head can turn. Faces that come from geometry
# know no such thing. A good third of it is taken off, so that either stays below 0.7 degrees for a
# mouth wide open. A whole track can say more, see `lips_turn`.
LIPS_TURN = float(np.radians(1.7))


@dataclass(frozen=True)
class Pose:
    """y = scale * rotation @ x + translation, in pixels; a weak-perspective camera looks along z.

    rotation: (3, 3); translation: (3,); both float64.
    """

    scale: float
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    def apply(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Carry (..., 3) points along."""
        return self.scale * points @ self.rotation.T + self.translation

    def inverse(self) -> Pose:
        """The pose that leads back."""
        rotation = self.rotation.T
        return Pose(1 / self.scale, rotation, -rotation @ self.translation / self.scale)

    def zoomed(self, zoom: NDArray[np.floating]) -> Pose:
        """The pose in a picture larger by `zoom` (3,), almost the same in each direction."""
        return Pose(self.scale * float(zoom[0]), self.rotation, self.translation * zoom)


@dataclass(frozen=True)
class Poses:
    """F poses. scale: (F,); rotation: (F, 3, 3); translation: (F, 3); float64."""

    scale: Array
    rotation: Array
    translation: Array

    def apply(self, points: NDArray[np.floating]) -> Array:
        """Carry (478, 3) or (F, 478, 3) points along, each frame by its own pose."""
        turned = points @ self.rotation.transpose(0, 2, 1)
        return np.asarray(self.scale[:, None, None] * turned + self.translation[:, None])

    def undo(self, points: NDArray[np.floating]) -> Array:
        """Lead (F, 478, 3) points back."""
        back = (points - self.translation[:, None]) @ self.rotation
        return np.asarray(back / self.scale[:, None, None])


def fit_pose(source: Points, target: Points) -> Pose:
    """The similarity from `source` to `target`, both (478, 3), by their steady points."""
    poses = fit_poses(source, target[None])
    return Pose(float(poses.scale[0]), poses.rotation[0], poses.translation[0])


def fit_both(sources: tuple[Points, Points], target: Points) -> tuple[Pose, Pose]:
    """As `fit_pose` from either source, in hardly more time than from one."""
    both = fit_poses(np.stack(sources), np.stack([target, target]))
    one, other = (
        Pose(float(both.scale[i]), both.rotation[i], both.translation[i]) for i in range(2)
    )
    return one, other


def fit_poses(
    source: NDArray[np.floating], targets: NDArray[np.floating], lips_turn: float = LIPS_TURN
) -> Poses:
    """The similarities from `source` (478, 3), or one for each, to each of `targets` (F, 478, 3).

    Least squares in closed form (Umeyama 1991, eq. 40-42), three times: from the second on,
    points that fit badly, because an expression moved them, count less. Opening the mouth does
    not turn the head: lips_turn radians for a gap of one eye distance are taken off.
    """
    a = source[..., list(STEADY), :].astype(np.float64)
    b = targets[:, list(STEADY)].astype(np.float64)
    poses = _umeyama(a, b, np.ones(b.shape[:2]))
    for _ in range(2):
        errors = np.linalg.norm(poses.apply(a) - b, axis=2)
        typical = np.maximum(np.median(errors, axis=1, keepdims=True), 1e-6)
        poses = _umeyama(a, b, 1 / (1 + (errors / (2 * typical)) ** 2))
    return _without_lips(poses, source, targets, a.mean(axis=-2), lips_turn)


def _umeyama(a: Array, b: Array, weights: Array) -> Poses:
    """From (N, 3) or (F, N, 3) to (F, N, 3) with weights (F, N)."""
    share = weights / weights.sum(axis=1, keepdims=True)
    center_a = share @ a if a.ndim == 2 else (share[:, None] @ a)[:, 0]
    center_b = (share[:, None] @ b)[:, 0]
    a0, b0 = a - center_a[:, None], b - center_b[:, None]
    u, d, vt = np.linalg.svd((b0 * share[..., None]).transpose(0, 2, 1) @ a0)
    sign = np.ones((len(b), 3))
    sign[:, 2] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1, 1)
    rotation = (u * sign[:, None]) @ vt
    scale = (d * sign).sum(axis=1) / (share * (a0**2).sum(axis=2)).sum(axis=1)
    moved = (rotation @ center_a[..., None])[..., 0]
    return Poses(scale, rotation, center_b - scale[:, None] * moved)


def lips_opened(source: NDArray[np.floating], targets: NDArray[np.floating], poses: Poses) -> Array:
    """How much wider than the source's the targets' lips are apart, in eye distances, (F,)."""
    upper, lower = map(list, LIP_COLUMNS)
    gaps = np.linalg.norm(targets[:, upper] - targets[:, lower], axis=2).mean(axis=1)
    own = np.linalg.norm(source[..., upper, :] - source[..., lower, :], axis=-1).mean(axis=-1)
    return np.asarray((gaps / poses.scale - own) / np.linalg.norm(_across(source), axis=-1))


def _across(source: NDArray[np.floating]) -> Array:
    """From the right eye's middle to the left one's."""
    right, left = [
        (source[..., a, :] + source[..., b, :]).astype(np.float64) / 2 for a, b in EYE_CORNERS
    ]
    return np.asarray(left - right)


def _without_lips(
    poses: Poses,
    source: NDArray[np.floating],
    targets: NDArray[np.floating],
    center: Array,
    lips_turn: float,
) -> Poses:
    """Turn each head back by what the lips' opening, against the source's, turned the fit."""
    across = _across(source)
    opened = lips_opened(source, targets, poses)
    axis = across / np.linalg.norm(across, axis=-1, keepdims=True)
    rotation = poses.rotation @ to_matrices(lips_turn * opened[:, None] * axis)
    # The head turns about the middle of its steady points, which stays where it was.
    stays, goes = ((turn @ center[..., None])[..., 0] for turn in (poses.rotation, rotation))
    shift = (stays - goes) * poses.scale[:, None]
    return Poses(poses.scale, rotation, poses.translation + shift)
