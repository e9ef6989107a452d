# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's pixels as a picture file: PNG of 8 or 16 bits, or EXR."""

from __future__ import annotations

import os

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import LikenessError
from inference.png import encode_png


def frame_suffix(form: str) -> str:
    """The file name's ending for one of `jobs.FORMATS`."""
    return ".exr" if form == "exr" else ".png"


def encode_frame(
    rgb: NDArray[np.uint8] | NDArray[np.uint16], alpha: NDArray[np.float32] | None, form: str
) -> bytes:
    """A picture file's bytes.

    rgb: (H, W, 3) display sRGB; alpha: (H, W), 0 to 1, or None for an opaque picture.
    form: "png" and "png16" hold straight alpha; "exr" holds linear Rec.709 as half floats with
    the alpha multiplied in, as is usual for EXR.
    """
    if form == "exr":
        return _encode_exr(rgb, alpha)
    deep = form == "png16"
    if rgb.dtype == np.uint8 and deep:
        rgb = rgb.astype(np.uint16) * np.uint16(257)
    elif rgb.dtype == np.uint16 and not deep:
        rgb = np.round(rgb / 257).astype(np.uint8)
    if alpha is None:
        return encode_png(rgb)
    share = np.rint(alpha * np.float32(65535 if deep else 255)).astype(rgb.dtype)
    return encode_png(cv2.insertChannel(share, cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), 3))


def _encode_exr(
    rgb: NDArray[np.uint8] | NDArray[np.uint16], alpha: NDArray[np.float32] | None
) -> bytes:
    # OpenCV looks at this once, when the first EXR is written.
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
    top = np.iinfo(rgb.dtype).max
    curve = _to_linear(np.arange(top + 1, dtype=np.float64) / top).astype(np.float32)
    linear = curve[rgb]
    if alpha is None:
        pixels = cv2.cvtColor(linear, cv2.COLOR_RGB2BGR)
    else:
        pixels = cv2.cvtColor(linear * alpha[..., None], cv2.COLOR_RGB2BGRA)
        pixels[..., 3] = alpha
    how = [
        cv2.IMWRITE_EXR_TYPE,
        cv2.IMWRITE_EXR_TYPE_HALF,
        cv2.IMWRITE_EXR_COMPRESSION,
        cv2.IMWRITE_EXR_COMPRESSION_PIZ,
    ]
    return _encoded(".exr", pixels, how)


def _to_linear(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB's curve undone (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _encoded(suffix: str, pixels: NDArray[np.generic], how: list[int]) -> bytes:
    ok, data = cv2.imencode(suffix, pixels, how)
    if not ok:
        raise LikenessError(f"a {suffix} frame of {pixels.shape} could not be encoded")
    return bytes(data)
