# SPDX-License-Identifier: GPL-3.0-or-later
"""Mattes of the prepared frames, person against background, by MediaPipe's selfie segmentation.

Small and soft: SIDE x SIDE for the whole stored picture, as PNG about 650 bytes a frame.
"""

from __future__ import annotations

import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.persons import PersonFinder

Picture = NDArray[np.uint8]

SIDE = 64


def make_matte(finder: PersonFinder, picture: Picture) -> bytes:
    """Of an RGB picture (H, W, 3), as PNG."""
    small = cv2.resize(finder.mask(picture), (SIDE, SIDE), interpolation=cv2.INTER_AREA) * 255
    # What is nearly sure is sure: less to store.
    small = np.where(small < 8, 0, np.where(small > 247, 255, np.round(small))).astype(np.uint8)
    ok, data = cv2.imencode(".png", small, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert ok
    return bytes(data)


def read_matte(data: NDArray[np.uint8]) -> Picture | None:
    """(SIDE, SIDE), 255 is person; None for what is no matte."""
    matte = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    return matte if matte is not None and matte.shape == (SIDE, SIDE) else None


def join_mattes(mattes: list[bytes]) -> bytes:
    """A clip's mattes as they lie behind its JPEGs: starts (F + 1,), checksums (F,), PNGs."""
    starts = np.cumsum([0, *(len(data) for data in mattes)]).astype("<u4")
    sums = np.array([zlib.crc32(data) for data in mattes], "<u4")
    data = b"".join([starts.tobytes(), sums.tobytes(), *mattes])
    return data.ljust((len(data) + 3) // 4 * 4, b"\0")


def find_matte(data: NDArray[np.uint8], frames: int, index: int) -> NDArray[np.uint8] | None:
    """A frame's PNG in what `join_mattes` made; None where it is damaged."""
    head = 4 * (2 * frames + 1)
    if len(data) < head:
        return None
    numbers = data[:head].view("<u4")
    first, end = numbers[index : index + 2].tolist()
    png = data[head + first : head + end]
    return png if zlib.crc32(png.tobytes()) == int(numbers[frames + 1 + index]) else None
