# SPDX-License-Identifier: GPL-3.0-or-later
"""A further picture's colours in the leading picture's light and white balance.

Only broad differences of skin are taken away. Between pictures of one sitting a turned head makes
some by itself, which stay: a cheek that turns into the light is in the light.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYES, LIPS_LOWER, LIPS_UPPER, OVAL
from inference.planes import rounded
from inference.warp.mesh import WarpMesh, move_mesh
from inference.warp.raster import rasterise
from inference.warp.warp import Pixels

Points = NDArray[np.float32]
Plane = NDArray[np.float32]

_GRID = 128
# What is narrower, in shares of the crop's side, is detail: from elsewhere, and of one sitting.
_BROAD = (0.06, 0.12)
_DARK = 0.04  # is added before two colours are compared, so that black is not multiplied
_TURNED = 0.12  # as a logarithm: how far light on skin differs for a head's turn alone
_MOST = 1.1  # as a logarithm: further a colour is not moved
_FAR = 0.6  # skin drawn out so far (log2 of its area) is not compared
_TYPICAL = 0.02  # weight of the whole face's mean where little can be compared


def to_light(
    leading: Pixels,
    mesh: WarpMesh,
    other: Pixels,
    points: Points,
    *,
    one_sitting: bool,
) -> Pixels:
    """The other's pixels (h, w, 3) in the light of the leading picture's (H, W, 3).

    mesh: over the leading face; points: (478, 3) of the other one, both in the leading crop.
    one_sitting: the light is the same, and what differs a little is the head's turn.
    """
    size = (leading.shape[1], leading.shape[0])
    raster = rasterise(mesh, move_mesh(mesh, points), size, (_GRID, _GRID))
    zoom = np.float32(_GRID) / np.array(size, np.float32)
    skin = _skin(points[:, :2] * zoom) * raster.seen * raster.face
    skin *= np.clip(1 - np.abs(raster.stretch) / _FAR, 0, 1)
    if not skin.any():
        return other
    cells = np.arange(_GRID, dtype=np.float32)
    where = raster.displacement * zoom + np.stack(np.meshgrid(cells, cells), axis=-1)
    wanted = cv2.remap(_coarse(leading), where, None, cv2.INTER_LINEAR)
    sigma = _BROAD[one_sitting] * _GRID
    apart = np.log(_broad(wanted, skin, sigma) / _broad(_coarse(other), skin, sigma))
    turned = _TURNED if one_sitting else 0.0
    apart = np.sign(apart) * np.clip(np.abs(apart) - turned, 0, _MOST)
    gain = cv2.resize(np.exp(apart), other.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    top = np.float32(np.iinfo(other.dtype).max)
    return rounded(other * gain + _DARK * top * (gain - 1), other.dtype)


def _broad(picture: Plane, skin: Plane, sigma: float) -> Plane:
    """The skin's broad colours (G, G, 3), and around it those of the nearest skin."""
    weighted = picture * skin[..., None]
    mean = weighted.sum(axis=(0, 1)) / skin.sum()
    total = cv2.GaussianBlur(weighted, (0, 0), sigma) + _TYPICAL * mean
    around = cv2.GaussianBlur(skin, (0, 0), sigma)[..., None] + _TYPICAL
    return np.asarray(total / around + _DARK, np.float32)


def _coarse(picture: Pixels) -> Plane:
    small = cv2.resize(picture, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max)


def _skin(points: Plane) -> Plane:
    """(G, G) 1 on the face without eyes and mouth."""
    mask = np.zeros((_GRID, _GRID), np.uint8)
    corners = np.round((points - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners[list(OVAL)]], 1, cv2.LINE_8, 4)
    for upper, lower in ((LIPS_UPPER, LIPS_LOWER), *((eye[0], eye[1]) for eye in EYES)):
        cv2.fillPoly(mask, [corners[[*upper, *lower[-2:0:-1]]]], 0, cv2.LINE_8, 4)
    return mask.astype(np.float32)
