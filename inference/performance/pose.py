# SPDX-License-Identifier: GPL-3.0-or-later
"""Head pose: the similarity that carries one set of landmarks onto another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import RIGID

Points = NDArray[np.float32]


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


def fit_pose(source: Points, target: Points) -> Pose:
    """The similarity from `source` to `target`, both (478, 3), by their rigid points.

    Least squares in closed form (Umeyama 1991, eq. 40-42), twice: the second time points that
    fit badly, because an expression moved them, count less.
    """
    a = source[list(RIGID)].astype(np.float64)
    b = target[list(RIGID)].astype(np.float64)
    pose = _umeyama(a, b, np.ones(len(a)))
    for _ in range(2):
        errors = np.linalg.norm(pose.apply(a) - b, axis=1)
        typical = max(float(np.median(errors)), 1e-6)
        pose = _umeyama(a, b, 1 / (1 + (errors / (2 * typical)) ** 2))
    return pose


def _umeyama(a: NDArray[np.float64], b: NDArray[np.float64], weights: NDArray[np.float64]) -> Pose:
    share = weights / weights.sum()
    center_a, center_b = share @ a, share @ b
    a0, b0 = a - center_a, b - center_b
    u, d, vt = np.linalg.svd((b0 * share[:, None]).T @ a0)
    sign = np.ones(3)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        sign[2] = -1
    rotation = u @ np.diag(sign) @ vt
    scale = float((d * sign).sum() / (share @ (a0**2).sum(axis=1)))
    return Pose(scale, rotation, center_b - scale * rotation @ center_a)
