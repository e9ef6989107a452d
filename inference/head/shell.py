# SPDX-License-Identifier: GPL-3.0-or-later
"""Skull and hair behind a portrait's face: the mean head, filled out to the person's outline.

The shell hangs on the same 36 rays as the flat mesh of `inference.warp.mesh`. On each ray it
begins at the face, at its seam, and runs over hairline and hair to the person's outline and on
around the head. How far along it a point lies is given by its angle about the middle of the
skull: 0 looks at the camera, 90 degrees is the outline, what is beyond is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.head.form import CENTER, HeadForm
from inference.landmarks import OVAL, SKIN_COUNT
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_pose
from inference.warp.contour import sample
from inference.warp.mesh import WarpMesh

Points = NDArray[np.float32]
Array = NDArray[np.float64]

# The hair's outline over the bald head's, at least and at most.
_BALD, _BUSHY = 0.72, 1.9
# Rays whose outline points further down than the first value (the sine, 1 is straight down) have
# neck and shoulders there, no skull; above the second they are the skull's alone.
_NECK, _SKULL = 0.88, 0.3
# A ray meets the outline where the flat mesh's ray is so many eye distances on.
_AHEAD = 0.8
_STEP = 2.5  # degrees between the radii of a ray
_STEPS = 72
_PERSON = 0.7  # alpha that counts as the person


@dataclass(frozen=True)
class Shell:
    """The head in the portrait's own camera space: pixels of the crop, z away from the camera.

    center: (3,) the middle of the skull. azimuth: (36,) radians, the direction in the picture in
    which each ray meets the outline; first: (36, 2) unit, the one in which it begins. seam: (36,)
    radians, the angle at which the shell begins. radii: (36, 73) pixels, of the bald head by angle.
    ratio_seam, ratio_outline: (36,) what they are multiplied with there.
    skull: (36,) 0 to 1, whether the ray has the skull behind it (1) or the neck (0). cut: (36,) 0
    or 1, whether its outline lies beyond the picture. unit: pixels of an eye distance.
    """

    center: Array
    azimuth: Array
    first: Array
    seam: Array
    radii: Array
    ratio_seam: Array
    ratio_outline: Array
    skull: Array
    cut: Array
    unit: float

    def at(self, angle: Array, share: Array) -> Array:
        """Points (36, K, 3) at angles (36, K) in radians, `share` (36, K) of the way from the
        seam's ratio (0) to the outline's (1).
        """
        where = np.clip(np.degrees(angle) / _STEP, 0, _STEPS - 1e-6)
        index = where.astype(np.int64)
        part = where - index
        rows = np.arange(len(self.radii))[:, None]
        radius = self.radii[rows, index] * (1 - part) + self.radii[rows, index + 1] * part
        radius = radius * (
            self.ratio_seam[:, None] * (1 - share) + self.ratio_outline[:, None] * share
        )
        ray = (1 - share)[..., None] * self.first[:, None] + share[..., None] * self.ray[:, None]
        ray = ray / np.linalg.norm(ray, axis=-1, keepdims=True)
        across = (radius * np.sin(angle))[..., None] * ray
        offset = np.concatenate([across, -(radius * np.cos(angle))[..., None]], axis=-1)
        return np.asarray(self.center + offset)

    @property
    def ray(self) -> Array:
        """The outline's directions (36, 2)."""
        return np.stack([np.cos(self.azimuth), np.sin(self.azimuth)], axis=1)

    def edge(self) -> Array:
        """How far (36,) the outline lies from `center` in the portrait, in pixels."""
        return np.asarray(self.radii[:, self.radii.shape[1] // 2] * self.ratio_outline)

    def outline_angle(self, view: Array) -> Array:
        """At which angle (36,) in radians the shell is the outline for a camera in the direction
        `view` (3,), given in this space; (0, 0, -1) is the portrait's own, with 90 degrees.
        """
        towards = np.cos(self.azimuth) * view[0] + np.sin(self.azimuth) * view[1]
        return np.asarray(np.pi / 2 + np.arctan2(towards, max(-view[2], 0.2)))


def fit_shell(
    mesh: WarpMesh, alpha: NDArray[np.uint8], form: HeadForm, visible: tuple[int, int, int, int]
) -> Shell:
    """Lay the mean head behind the mesh's face by pose and size, and fill it out to the matte.

    alpha: (H, W) 0 to 255, the person's, of the crop. visible: left, top, right, bottom of the
    picture in the crop; where the person leaves it the mean head's outline goes on.
    """
    pose = fit_pose(canonical_face().mean, mesh.points)
    count = len(mesh.hidden.rays)
    seam = seam_of(mesh.vertices).astype(np.float64)
    center = pose.apply(CENTER)
    offset = seam - center
    outwards = offset[:, :2] + _AHEAD * pose.scale * mesh.hidden.rays
    azimuth = np.arctan2(outwards[:, 1], outwards[:, 0])
    first = np.arctan2(np.linalg.norm(offset[:, :2], axis=1), -offset[:, 2])
    angles = np.radians(np.arange(_STEPS + 1) * _STEP)
    directions = np.stack(
        [
            np.sin(angles) * np.cos(azimuth)[:, None],
            np.sin(angles) * np.sin(azimuth)[:, None],
            np.broadcast_to(-np.cos(angles), (count, len(angles))),
        ],
        axis=-1,
    )
    radii = pose.scale * form.radius(directions @ pose.rotation)
    unit = float(pose.scale)
    rows = np.arange(count)
    start = np.linalg.norm(offset, axis=1)
    here = np.degrees(first) / _STEP
    at_seam = radii[rows, np.clip(here.round().astype(int), 0, _STEPS)]
    bald = radii[:, int(90 / _STEP)]
    reach = _outline(center, azimuth, start * np.sin(first), alpha, _BUSHY * bald)
    edge = np.maximum(_distance(center[:2], azimuth, visible), 0)
    cut = reach > edge - 1
    reach = np.where(cut, np.maximum(edge, np.minimum(reach, bald)), reach)
    ratio = np.clip(reach / bald, _BALD, _BUSHY)
    ratio = _smooth(np.maximum(ratio, 1.02 * start * np.sin(first) / bald))
    down = np.sin(azimuth)
    skull = np.clip((_NECK - down) / (_NECK - _SKULL), 0, 1)
    begins = offset[:, :2] / np.maximum(np.linalg.norm(offset[:, :2], axis=1), 1e-6)[:, None]
    return Shell(
        center,
        azimuth,
        begins,
        np.minimum(first, np.radians(84)),
        radii,
        start / at_seam,
        ratio,
        skull * skull * (3 - 2 * skull),
        cut.astype(np.float64),
        unit,
    )


def seam_of(vertices: Points) -> Points:
    """The mesh's first ring (36, 3), where the shell begins, of all its vertices."""
    return vertices[SKIN_COUNT : SKIN_COUNT + len(OVAL)]


def camera_of(pose: Pose) -> Array:
    """Where the camera is seen from the portrait's head after `pose`: (3,) unit."""
    return np.asarray(pose.rotation.T @ np.array([0.0, 0.0, -1.0]))


def _outline(
    center: Array, azimuth: Array, start: Array, alpha: NDArray[np.uint8], limit: Array
) -> Array:
    """How far (36,) from `center` the person ends on each ray, beyond `start` and up to `limit`."""
    steps = np.linspace(0, 1, 160)
    length = start[:, None] + steps * np.maximum(limit - start, 1)[:, None]
    ray = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    where = center[:2] + length[..., None] * ray[:, None] - 0.5
    seen = sample(alpha, where.reshape(-1, 2).astype(np.float32), 1).reshape(length.shape)
    ends = seen < 255 * _PERSON
    first = np.where(ends.any(axis=1), ends.argmax(axis=1), length.shape[1] - 1)
    return np.asarray(length[np.arange(len(length)), first])


def _distance(center: Array, azimuth: Array, visible: tuple[int, int, int, int]) -> Array:
    """How far (36,) from `center` (2,) the picture ends on each ray."""
    left, top, right, bottom = visible
    ray = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    ray = np.where(np.abs(ray) < 1e-6, 1e-6, ray)
    ends = np.where(ray > 0, np.array([right, bottom]), np.array([left, top]))
    return np.asarray(((ends - center) / ray).min(axis=1))


def _smooth(ratio: Array) -> Array:
    beside = np.stack([np.roll(ratio, step) for step in (-1, 0, 1)])
    ratio = np.median(beside, axis=0)
    return np.asarray((np.roll(ratio, 1) + 2 * ratio + np.roll(ratio, -1)) / 4)
