# SPDX-License-Identifier: GPL-3.0-or-later
"""The skull as radii about its middle: rays from there to the mesh, ears smoothed away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.head.form import CENTER, directions

Array = NDArray[np.float64]

# Below this height (canonical units, y down; the chin is at 1.95) neck and trunk are left out:
# rays that run down inside of the neck would leave it anywhere.
_LOWEST = 2.4
_LONGEST = 2.2  # radius where a ray meets nothing, down through the neck
# The ears stand out from what surrounds them: rays that are longer than the median of so many
# neighbours are as long as that.
_EARS = 7
_EDGE = 1e-6  # rays that meet an edge meet a triangle


def head_radii(vertices: Array, triangles: NDArray[np.int64]) -> NDArray[np.float32]:
    """How far the surface lies from CENTER in the directions of `form.directions`.

    vertices: (V, 3) in canonical units; triangles: (T, 3) of the body.
    """
    used = triangles[(vertices[triangles][..., 1] < _LOWEST).all(axis=1)]
    rays = directions()
    flat = rays.reshape(-1, 3)
    found = np.array([_farthest(ray, vertices[used] - CENTER) for ray in flat])
    radii = np.minimum(np.where(found > 0, found, _LONGEST), _LONGEST).reshape(rays.shape[:2])
    return _smoothed(_without_ears(radii)).astype(np.float32)


def _farthest(ray: Array, corners: Array) -> float:
    """Where a ray from the origin leaves triangles (T, 3, 3); 0 where it meets none.

    Möller and Trumbore 1997.
    """
    a, edge_b, edge_c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = np.cross(ray, edge_c)
    volume = (edge_b * across).sum(axis=1)
    safe = np.where(np.abs(volume) < 1e-12, np.inf, volume)
    u = -(a * across).sum(axis=1) / safe
    normal = np.cross(-a, edge_b)
    v = normal @ ray / safe
    length = (edge_c * normal).sum(axis=1) / safe
    hit = (u >= -_EDGE) & (v >= -_EDGE) & (u + v <= 1 + _EDGE) & (length > 0)
    return float(length[hit].max(initial=0))


def _without_ears(radii: Array) -> Array:
    half = _EARS // 2
    around = np.pad(radii, ((half, half), (0, 0)), mode="edge")
    around = np.pad(around, ((0, 0), (half, half)), mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(around, (_EARS, _EARS))
    return np.minimum(radii, np.median(windows, axis=(2, 3)))


def _smoothed(radii: Array) -> Array:
    for _ in range(2):
        around = np.pad(radii, ((1, 1), (0, 0)), mode="edge")
        radii = (around[:-2] + 2 * radii + around[2:]) / 4
        radii = (np.roll(radii, 1, axis=1) + 2 * radii + np.roll(radii, -1, axis=1)) / 4
    return radii
