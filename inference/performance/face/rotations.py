# SPDX-License-Identifier: GPL-3.0-or-later
"""Head rotations of many frames at once: vectors, matrices, and the three angles people read.

Rotation vectors are an axis times an angle in radians, in image axes (x right, y down, z away
from the camera). NaN rows stay NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def to_matrices(vectors: NDArray[np.floating]) -> Array:
    """Rotation vectors (F, 3) -> matrices (F, 3, 3)."""
    v = np.asarray(vectors, np.float64)
    angle = np.linalg.norm(v, axis=1)[:, None, None]
    cross = np.zeros((len(v), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    cross -= cross.transpose(0, 2, 1)
    # sin(a)/a and (1 - cos(a))/a^2 without a division by nothing.
    first = np.sinc(angle / np.pi)
    second = np.sinc(angle / (2 * np.pi)) ** 2 / 2
    return np.asarray(np.eye(3) + first * cross + second * (cross @ cross))


def to_vectors(matrices: Array) -> Array:
    """Matrices (F, 3, 3) -> rotation vectors (F, 3) of at most half a turn."""
    m = np.asarray(matrices, np.float64)
    twice = np.stack(
        [m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], axis=1
    )
    sine = np.linalg.norm(twice, axis=1) / 2
    cosine = (np.trace(m, axis1=1, axis2=2) - 1) / 2
    angle = np.arctan2(sine, cosine)
    small = sine < 1e-9
    factor = np.where(small, 0.5, angle / np.where(small, 1, 2 * sine))
    vectors = twice * factor[:, None]
    turned = small & (cosine < 0)
    if turned.any():  # half a turn: the sine says nothing about the axis
        outer = (m[turned] + np.eye(3)) / 2
        best = np.argmax(np.diagonal(outer, axis1=1, axis2=2), axis=1)
        axis = outer[np.arange(len(best)), :, best]
        vectors[turned] = np.pi * axis / np.linalg.norm(axis, axis=1, keepdims=True)
    return vectors


def mean_rotation(vectors: NDArray[np.floating]) -> Array:
    """The rotation (3, 3) in the middle of the rows that are numbers."""
    known = np.isfinite(vectors).all(axis=1)
    if not known.any():
        return np.eye(3)
    u, _, vt = np.linalg.svd(to_matrices(vectors[known]).mean(axis=0))
    return np.asarray(u @ np.diag([1, 1, np.linalg.det(u) * np.linalg.det(vt)]) @ vt)


def to_angles(vectors: NDArray[np.floating]) -> Array:
    """Rotation vectors (F, 3) -> yaw, pitch, roll in degrees, (F, 3).

    Yaw is positive when the face turns towards the picture's right, pitch when it looks up, roll
    when it tilts clockwise as seen in the picture. The head rolls last: the three are read off
    R = Rz(roll) @ Ry(-yaw) @ Rx(-pitch).
    """
    m = to_matrices(vectors)
    yaw = np.arcsin(np.clip(m[:, 2, 0], -1, 1))
    pitch = -np.arctan2(m[:, 2, 1], m[:, 2, 2])
    roll = np.arctan2(m[:, 1, 0], m[:, 0, 0])
    return np.degrees(np.stack([yaw, pitch, roll], axis=1))


def from_angles(angles: NDArray[np.floating]) -> Array:
    """Yaw, pitch, roll in degrees (F, 3), as `to_angles` gives them -> rotation vectors (F, 3)."""
    yaw, pitch, roll = np.radians(np.asarray(angles, np.float64)).T
    zero = np.zeros_like(yaw)
    about_x = to_matrices(np.stack([-pitch, zero, zero], axis=1))
    about_y = to_matrices(np.stack([zero, -yaw, zero], axis=1))
    about_z = to_matrices(np.stack([zero, zero, roll], axis=1))
    return to_vectors(about_z @ about_y @ about_x)
