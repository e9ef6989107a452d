# SPDX-License-Identifier: GPL-3.0-or-later
"""On which rays of the shell the portrait shows an ear, or skin, at the head's outline.

Hair turns out of sight and more of it comes into sight; an ear is one thing, stays where it is on
the head, and what comes into sight behind it is something else.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.shell import Shell
from inference.warp.contour import sample

Points = NDArray[np.float32]
Array = NDArray[np.float64]

# Ears are found where a ray's sine (1 is straight down) lies between the first two values; beyond
# them that fades over the third.
_ABOVE, _BELOW, _SOFT = -0.25, 0.7, 0.2
CHEEKS = (50, 280, 101, 330, 36, 266, 205, 425, 117, 346, 118, 347)
_TOP = -0.5  # rays that point higher than this show hair, or a bald head
# Where between seam and outline a ray's colours are looked at.
_LOOKS = (0.45, 0.6, 0.75, 0.9)
# Distances in Lab, lightness counting half: nearer to the cheeks than the first is skin for
# certain, farther than the second is not.
_SKIN = (18.0, 34.0)


def find_ears(shell: Shell, pixels: NDArray[np.uint8], points: Points) -> Array:
    """(36,) 0 (hair) to 1 (an ear or bare skin).

    pixels: (H, W, 3) of the crop. points: (478, 3) in its pixels.
    """
    share = np.broadcast_to(np.array(_LOOKS), (len(shell.azimuth), len(_LOOKS)))
    angle = shell.seam[:, None] + share * (np.pi / 2 - shell.seam)[:, None]
    where = shell.at(angle, share)[..., :2]
    seen = _colours(pixels, where.reshape(-1, 2)).reshape(*where.shape[:2], 3)
    skin = np.median(_colours(pixels, points[list(CHEEKS), :2]), axis=0)
    down = np.sin(shell.azimuth)
    top = down <= max(_TOP, float(np.sort(down)[4]))  # five rays at least
    hair = np.median(seen[top].reshape(-1, 3), axis=0)
    to_skin = np.linalg.norm(seen - skin, axis=2)
    to_hair = np.linalg.norm(seen - hair, axis=2)
    like = np.clip((_SKIN[1] - to_skin) / (_SKIN[1] - _SKIN[0]), 0, 1)
    # On a bald head the one is the other.
    bald = np.linalg.norm(skin - hair) < _SKIN[0]
    nearer = np.ones_like(like) if bald else np.clip(2 * to_hair / (to_hair + to_skin) - 0.5, 0, 1)
    ears = np.median(np.minimum(like, nearer), axis=1)
    inside = np.minimum(down - _ABOVE, _BELOW - down)
    ears = ears * np.clip(1 + inside / _SOFT, 0, 1)
    ears = np.maximum(ears, np.minimum(np.roll(ears, 1), np.roll(ears, -1)))  # no gaps
    return np.asarray((np.roll(ears, 1) + 2 * ears + np.roll(ears, -1)) / 4)


def _colours(pixels: NDArray[np.uint8], where: Array | Points) -> Array:
    """Lab (N, 3) around positions (N, 2), lightness halved."""
    found = sample(cv2.blur(pixels, (3, 3)), (where - 0.5).astype(np.float32), cv2.INTER_LINEAR)
    lab = cv2.cvtColor(found[None].astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)[0]
    return np.asarray(lab * (0.5, 1, 1), np.float64)
