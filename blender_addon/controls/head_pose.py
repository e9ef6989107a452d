# SPDX-License-Identifier: GPL-3.0-or-later
"""Head pose between a performance's numbers and an Empty's transform. No bpy.

A performance has rotation vectors in image axes and pixels of its picture; the Empty has Euler
angles (XYZ: pitch, roll, yaw) and metres, the picture's centre lying at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..storage.canonical import EYE_DISTANCE, TO_BLENDER

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """Where a picture of `size` pixels lies in the scene: upright at y = 0, centred, this large."""

    size: tuple[int, int]
    metres_per_pixel: float


def stage_of(size: tuple[int, int], scale: Rows) -> Stage:
    """The stage on which a head of the usual `scale` (F,), pixels a unit, is life-sized."""
    return Stage(size, EYE_DISTANCE / float(np.median(scale)))


def to_stage(translation: Rows, stage: Stage) -> Rows:
    """Pixels of the picture (..., 3) -> metres in Blender's axes."""
    centre = np.array([stage.size[0] / 2, stage.size[1] / 2, 0])
    return (translation - centre) @ TO_BLENDER.T * stage.metres_per_pixel


def moved_on_stage(metres: Rows, stage: Stage) -> Rows:
    """A move on the stage (..., 3) -> the move in pixels of the picture."""
    return metres @ TO_BLENDER / stage.metres_per_pixel


def rotation_matrices(vectors: Rows) -> Rows:
    """Rotation vectors (F, 3) in radians -> matrices (F, 3, 3), after Rodrigues."""
    angle = np.linalg.norm(vectors, axis=1)
    axis = vectors / np.where(angle > 0, angle, 1)[:, None]
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)


def rotation_vectors(matrices: Rows) -> Rows:
    """Rotation matrices (F, 3, 3) -> rotation vectors (F, 3), angles from 0 to pi."""
    # By quaternions, whose largest part is found first: steady at half a turn too.
    m = matrices
    diagonal = np.stack([m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]], axis=1)
    trace = diagonal.sum(axis=1)
    squares = np.concatenate([trace[:, None], diagonal * 2 - trace[:, None]], axis=1) + 1
    rows = np.empty((len(m), 4, 4))
    rows[:, 0, 1:] = rows[:, 1:, 0] = np.stack(
        [m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], axis=1
    )
    rows[:, 1:, 1:] = m + m.transpose(0, 2, 1)
    for part in range(4):
        rows[:, part, part] = squares[:, part]
    quaternion = rows[np.arange(len(m)), np.argmax(squares, axis=1)]
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    quaternion *= np.where(quaternion[:, :1] < 0, -1.0, 1.0)
    sine = np.linalg.norm(quaternion[:, 1:], axis=1)
    angle = 2 * np.arctan2(sine, quaternion[:, 0])
    factor = np.where(sine > 1e-12, angle / np.where(sine > 1e-12, sine, 1), 2.0)
    return quaternion[:, 1:] * factor[:, None]


def to_eulers(vectors: Rows) -> Rows:
    """Rotation vectors in image axes (F, 3) -> Blender's XYZ angles (F, 3), without jumps."""
    m = rotation_matrices(vectors @ TO_BLENDER.T)
    angles = np.stack(
        [
            np.arctan2(m[:, 2, 1], m[:, 2, 2]),
            np.arctan2(-m[:, 2, 0], np.hypot(m[:, 0, 0], m[:, 1, 0])),
            np.arctan2(m[:, 1, 0], m[:, 0, 0]),
        ],
        axis=1,
    )
    for f in range(1, len(angles)):
        # The same rotation has two sets of angles, each up to whole turns: the nearest one.
        a, b, c = angles[f]
        both = np.array([[a, b, c], [a + np.pi, np.pi - b, c + np.pi]])
        both -= np.round((both - angles[f - 1]) / (2 * np.pi)) * 2 * np.pi
        angles[f] = both[np.argmin(np.abs(both - angles[f - 1]).sum(axis=1))]
    return angles


def from_eulers(angles: Rows) -> Rows:
    """Blender's XYZ angles (F, 3) -> rotation vectors in image axes (F, 3)."""
    x, y, z = (rotation_matrices(angles[:, [i]] * np.eye(3)[i]) for i in range(3))
    return rotation_vectors(z @ y @ x) @ TO_BLENDER
