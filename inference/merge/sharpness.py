# SPDX-License-Identifier: GPL-3.0-or-later
"""How sharp a face is, whatever its size and light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import OVAL

_SIDE = 64  # pixels to which a face is brought, so that large and small ones can be compared


def face_sharpness(picture: NDArray[np.uint8], points: NDArray[np.float32]) -> float:
    """Contrast of the face's finest details over all of its contrast.

    picture: (H, W, 3) RGB; points: (478, 2 or 3) in pixels of it.
    """
    oval = points[list(OVAL), :2]
    left, top = np.maximum(np.floor(oval.min(axis=0)), 0).astype(int)
    right, bottom = np.ceil(oval.max(axis=0)).astype(int)
    face = picture[top:bottom, left:right]
    if not face.size:
        return 0.0
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_32F).std() / max(float(grey.std()), 1e-3))
