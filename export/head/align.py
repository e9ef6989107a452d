# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay the base mesh over the canonical face: a similarity, found without hand-made pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.head.base_mesh import BaseMesh
from inference.landmarks import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    SKIN_COUNT,
)
from inference.performance.face.canonical import CanonicalFace

Array = NDArray[np.float64]

_ROUNDS = 40
_TYPICAL = 0.05  # decimetres: pairs farther apart than this count less
_LOOSE = 0.1  # weight of lids and inner lips, which expressions move
_ANCHOR = 20.0  # weight of an anchor
_NOSE_TIP, _IRISES = 1, (468, 473)
_HEAD_FROM = 6.0  # decimetres above the mesh's origin
# From the mesh's axes (left, up, forward) to the canonical face's (right in the picture, down,
# away from the camera).
_AXES = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Alignment:
    """vertices: (V, 3), the mesh in canonical units. residuals: (468,), how far each landmark of
    the skin lies from the nearest vertex, in canonical units; unit: an eye distance in decimetres;
    tilt: degrees by which the mesh had to nod.
    """

    vertices: Array
    residuals: Array
    unit: float
    tilt: float


def align(mesh: BaseMesh, face: CanonicalFace) -> Alignment:
    """Iterative closest points with anchors at both eyes and the nose's tip."""
    own = mesh.vertices @ _AXES
    head = np.unique(mesh.groups["body"])
    head = head[(mesh.vertices[head, 1] > _HEAD_FROM) & (mesh.vertices[head, 2] > 0)]
    front = own[head]
    anchors = np.array([_front(mesh, "helper-r-eye"), _front(mesh, "helper-l-eye"), _nose(mesh)])
    goals = face.mean[[*_IRISES, _NOSE_TIP]].astype(np.float64)
    skin = face.mean[:SKIN_COUNT].astype(np.float64)
    loose = np.ones(SKIN_COUNT)
    loose[
        [
            *LEFT_EYE_UPPER,
            *LEFT_EYE_LOWER,
            *RIGHT_EYE_UPPER,
            *RIGHT_EYE_LOWER,
            *MOUTH_UPPER,
            *MOUTH_LOWER,
        ]
    ] = _LOOSE
    scale, rotation, shift = _similarity(anchors, goals, np.ones(len(goals)))
    for _ in range(_ROUNDS):
        placed = scale * front @ rotation.T + shift
        gaps = np.linalg.norm(skin[:, None] - placed, axis=2)
        nearest, distance = gaps.argmin(axis=1), gaps.min(axis=1)
        weight = loose / (1 + (distance / scale / _TYPICAL) ** 2)
        scale, rotation, shift = _similarity(
            np.concatenate([front[nearest], anchors]),
            np.concatenate([skin, goals]),
            np.concatenate([weight, np.full(len(goals), _ANCHOR)]),
        )
    placed = scale * front @ rotation.T + shift
    residuals = np.linalg.norm(skin[:, None] - placed, axis=2).min(axis=1)
    tilt = float(np.degrees(np.arctan2(rotation[2, 1], rotation[2, 2])))
    return Alignment(scale * own @ rotation.T + shift, residuals, 1 / scale, tilt)


def _front(mesh: BaseMesh, name: str) -> Array:
    """The foremost point of an eyeball."""
    part = mesh.part(name)
    center = part.mean(axis=0)
    return np.array([center[0], center[1], part[:, 2].max()]) @ _AXES


def _nose(mesh: BaseMesh) -> Array:
    part = mesh.part("body")
    head = part[part[:, 1] > _HEAD_FROM]
    return np.asarray(head[head[:, 2].argmax()] @ _AXES)


def _similarity(a: Array, b: Array, weights: Array) -> tuple[float, Array, Array]:
    """b = scale * rotation @ a + shift, weighted least squares (Umeyama 1991)."""
    share = weights / weights.sum()
    mid_a, mid_b = share @ a, share @ b
    a0, b0 = a - mid_a, b - mid_b
    u, d, vt = np.linalg.svd((b0 * share[:, None]).T @ a0)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((d * sign).sum() / (share @ (a0**2).sum(axis=1)))
    return scale, rotation, mid_b - scale * rotation @ mid_a
