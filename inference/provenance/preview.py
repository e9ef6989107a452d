# SPDX-License-Identifier: GPL-3.0-or-later
"""A preview says in its pixels that it is one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.composite import Pixels
from inference.portrait import Portrait

WORD = "PREVIEW"
_HEIGHT = 0.055  # of the letters, in units of the crop's side
_SMALLEST = 6.0  # pixels
_STRONG = 0.85  # how much of the letters' colours is laid on
_BASE = 21.0  # pixels of the font's letters at scale 1


def mark_preview(
    rgb: Pixels, alpha: NDArray[np.float32] | None, portrait: Portrait
) -> tuple[Pixels, NDArray[np.float32] | None]:
    """The frame with PREVIEW across the chest: white letters with a dark edge.

    rgb, alpha: as they are rendered, (H, W, 3) and (H, W), of the crop or of the whole portrait.
    """
    height, width = rgb.shape[:2]
    left, _, right, bottom = portrait.visible()
    if (width, height) == portrait.picture.size:
        left, right, bottom = (
            left + portrait.box.x, right + portrait.box.x, bottom + portrait.box.y
        )  # fmt: skip
    tall = max(_SMALLEST, _HEIGHT * (right - left))
    scale, thick = tall / _BASE, max(1, round(tall / 8))
    (wide, _), _ = cv2.getTextSize(WORD, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    where, font = ((left + right - wide) // 2, round(bottom - tall)), cv2.FONT_HERSHEY_SIMPLEX
    edge, letters = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    cv2.putText(edge, WORD, where, font, scale, 255, thick * 3, cv2.LINE_AA)
    cv2.putText(letters, WORD, where, font, scale, 255, thick, cv2.LINE_AA)
    cover = edge * np.float32(_STRONG / 255)
    white = letters[..., None] * np.float32(np.iinfo(rgb.dtype).max / 255)
    laid = np.round(rgb + cover[..., None] * (white - rgb))
    marked: Pixels = laid.astype(np.uint8) if rgb.dtype == np.uint8 else laid.astype(np.uint16)
    return marked, None if alpha is None else np.maximum(alpha, cover).astype(np.float32)
