# SPDX-License-Identifier: GPL-3.0-or-later
"""What a turned portrait hides behind its far cheek, and what is seen when the head turns back.

There the face's outline lies inside the silhouette: skin that leads from the one to the other
shows its back, and hair, neck and background begin at the silhouette, not at the outline. When the
head turns back, the outline comes to light and is the silhouette in the end; hair and background
stay at whatever is the silhouette. The skin in between is nowhere in the portrait: it is the mirror
image of the cheek, taken from a little further inside, because landmarks know a far silhouette to a
few pixels only and stray beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYES, LIPS_LOWER, LIPS_UPPER, OVAL, SKIN_COUNT, face_triangles
from inference.performance.face.pose import Pose

Points = NDArray[np.float32]

# All of the following in units of the face's height.
# A silhouette that lies this far outside of the outline hides something for certain.
_CERTAIN = 0.04
_NEIGHBOURS = 4  # points of the outline over which that certainty fades
# How far into the cheek skin is pulled at the silhouette, and how far inside that has faded.
_PULL, _PULL_REACH = 0.05, 0.15
# The sine of the turn towards the camera at which it has been pulled all the way.
_SHOWN = 0.2
# Lids, lips and skin that is as near to one of them stay; further away skin is pulled by no more
# than this share of the way there.
_HELD, _ROOM = 0.04, 0.7
_LEAST = 0.25  # pixels: outlines that are nearer to the silhouette hide nothing


@dataclass(frozen=True)
class Hidden:
    """Where the portrait's silhouette lies outside of its outline.

    rays: (36, 2) unit, from the middle of the outline to its points. width: (36,) from these to
    the silhouette, in pixels. pull: (468, 2) how far the skin's texture is pulled at most, in
    pixels; outwards: (468, 2) unit, the direction that must be turned to the camera for it.
    """

    rays: NDArray[np.float64]
    width: NDArray[np.float64]
    pull: Points
    outwards: Points

    def texture(self, skin: Points, pose: Pose) -> Points:
        """Where the pixels of the skin (468, 2 or 3) come from, (468, 2), for a turned head."""
        # The camera looks along z: what looked sideways and now has a negative z, it sees.
        turned = -(self.outwards @ pose.rotation[2, :2].astype(np.float32))[:, None]
        share = np.clip(turned / np.float32(_SHOWN), 0, 1)
        return skin[:, :2] + self.pull * (share * share * (3 - 2 * share))

    def shift(self, target: Points, pose: Pose) -> NDArray[np.float64]:
        """How the silhouette moves against the outline, (36, 2), for landmarks (478, 3).

        It comes as near to the outline as the skin lets it; further away it never goes.
        """
        center, rays, outline = _star(target)
        some = self.width > _LEAST
        width = self.width * pose.scale
        beyond = silhouette(target, center, rays[some]) - outline[some]
        width[some] = np.clip(beyond, 0, width[some])
        return width[:, None] * rays - self.width[:, None] * self.rays


def find_hidden(points: Points) -> Hidden:
    """What landmarks (478, 3) of a portrait hide."""
    center, rays, outline = _star(points)
    height = float(np.ptp(points[list(OVAL), 1]))
    width = np.maximum(silhouette(points, center, rays) - outline, 0)
    certain = np.clip(width / (_CERTAIN * height), 0, 1)
    for step in range(1, _NEIGHBOURS):  # what is hidden beside is doubtful here
        for beside in (np.roll(certain, step), np.roll(certain, -step)):
            certain = np.maximum(certain, beside - step / _NEIGHBOURS)

    offset = points[:SKIN_COUNT, :2] - center
    radius = np.maximum(np.linalg.norm(offset, axis=1), 1e-3)
    outwards = offset / radius[:, None]
    inside = _between(rays, outline + width, outwards) - radius
    pull = np.maximum(_PULL * height - inside * _PULL / _PULL_REACH, 0)
    pull *= _between(rays, certain, outwards)
    openings = points[_openings(), :2]
    room = np.linalg.norm(points[:SKIN_COUNT, None, :2] - openings, axis=2).min(axis=1)
    pull = np.minimum(pull, _ROOM * np.maximum(room - _HELD * height, 0))
    return Hidden(
        rays, width, (-outwards * pull[:, None]).astype(np.float32), outwards.astype(np.float32)
    )


def silhouette(
    points: Points, center: NDArray[np.float64], rays: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far from `center` (2,) the skin of (478, 2 or 3) ends on each of `rays` (N, 2): (N,)."""
    a, b = (points[_skin_edges()[:, i], :2] - center for i in (0, 1))
    step = b - a
    slope = rays[:, :1] * step[:, 1] - rays[:, 1:] * step[:, 0]  # (N, edges)
    slope[slope == 0] = np.inf
    share = (a[:, 0] * rays[:, 1:] - a[:, 1] * rays[:, :1]) / slope
    at = (a[:, 0] * step[:, 1] - a[:, 1] * step[:, 0]) / slope
    return np.where((share >= 0) & (share <= 1), at, 0).max(axis=1, initial=0)


def _star(points: Points) -> tuple[NDArray[np.float64], ...]:
    """The outline's middle (2,), the rays (36, 2) to its points, and their lengths (36,)."""
    oval = points[list(OVAL), :2].astype(np.float64)
    center = oval.mean(axis=0)
    lengths = np.maximum(np.linalg.norm(oval - center, axis=1), 1e-3)
    return center, (oval - center) / lengths[:, None], lengths


def _between(
    rays: NDArray[np.float64], values: NDArray[np.float64], wanted: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Values (36,) on the rays, and between them by angle: for directions (N, 2)."""
    angles = np.arctan2(rays[:, 1], rays[:, 0])
    return np.interp(np.arctan2(wanted[:, 1], wanted[:, 0]), angles, values, period=2 * np.pi)


@cache
def _skin_edges() -> NDArray[np.int32]:
    """The edges (E, 2) of the skin's triangles, each once."""
    corners = face_triangles()
    pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


@cache
def _openings() -> NDArray[np.intp]:
    """The points of lids and lips."""
    lids = [point for upper, lower, _ in EYES for point in (*upper, *lower)]
    return np.unique([*lids, *LIPS_UPPER, *LIPS_LOWER])
