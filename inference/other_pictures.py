# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that OpenCV does not decode: OpenEXR, TGA, GIF, AVIF and HEIC, by FFmpeg.

JPEG 2000, too: the same pixels, but OpenCV's decoder can take the process down with a damaged file.
Scene-linear OpenEXR becomes what display sRGB can show of it, at 16 bits.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from inference.icc import to_srgb

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_EXR = b"\x76\x2f\x31\x01"
_JPEG_2000 = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")  # boxed, and bare
_CODECS = {"exr": "exr", "tga": "targa", "jp2": "jpeg2000"}
_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"mif1", b"hevc"}
# TGA's kinds: palette, colours, grey; each also packed.
_TGA_KINDS = (1, 2, 3, 9, 10, 11)
_MOST_PIXELS = 1 << 27


def kind_of(content: bytes, suffix: str) -> str:
    """Which of these a file is, by its head: "exr", "jp2", "tga", "gif", "heif", or "" for none."""
    if content[:4] == _EXR:
        return "exr"
    if content.startswith(_JPEG_2000):
        return "jp2"
    if content[:4] == b"GIF8":
        return "gif"
    if content[4:8] == b"ftyp" and content[8:12] in _BRANDS:
        return "heif"
    # TGA begins with no mark of its own: its name and the sense of its head have to do.
    if suffix == ".tga" and len(content) > 18 and content[1] <= 1 and content[2] in _TGA_KINDS:
        return "tga"
    return ""


def decode(content: bytes, kind: str) -> Pixels | None:
    """RGBA (H, W, 4) with straight alpha: uint16 of an EXR and of what has more than 8 bits.

    None where it cannot be decoded.
    """
    try:
        frame = _frame(content, kind)
        if frame is None or frame.width * frame.height > _MOST_PIXELS:
            return None
        if kind == "exr":
            return _display(frame)
        deep = any(part.bits > 8 for part in frame.format.components)
        rgba = frame.to_ndarray(format="rgba64le" if deep else "rgba")
        return np.asarray(rgba)
    except (av.FFmpegError, ValueError, MemoryError):
        return None


def _frame(content: bytes, kind: str) -> Any:
    if kind in _CODECS:
        codec: Any = av.CodecContext.create(_CODECS[kind], "r")
        codec.options = {"max_pixels": str(_MOST_PIXELS)}
        packet = av.Packet(content)
        packet.time_base = Fraction(1, 25)
        return next(iter([*codec.decode(packet), *codec.decode(None)]), None)
    form = "gif" if kind == "gif" else "mov"
    with av.open(io.BytesIO(content), format=form) as container:
        stream = container.streams.best("video")
        if stream is None or (kind == "heif" and len(container.streams.video) > 2):
            return None  # a picture of tiles, which FFmpeg does not put together here
        stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
        return next(container.decode(stream), None)


def _display(frame: Any) -> Pixels:
    """Scene-linear colours with the alpha multiplied in, as straight display sRGB."""
    names = frame.format.name
    kind = np.dtype(np.float16 if "f16" in names else np.float32)
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, kind).reshape(frame.height, plane.line_size // kind.itemsize)
        planes.append(rows[:, : frame.width].astype(np.float32))
    if names.startswith("gbr"):
        green, blue, red = planes[:3]
        linear = np.stack([red, green, blue], axis=2)
    else:
        linear = np.repeat(planes[0][..., None], 3, axis=2)
    linear = np.nan_to_num(linear, posinf=1.0, neginf=0.0)
    alpha = planes[3] if len(planes) == 4 else np.ones(linear.shape[:2], np.float32)
    alpha = np.clip(np.nan_to_num(alpha), 0, 1)
    linear = linear / np.where(alpha > 0, alpha, 1)[..., None]
    rgba = np.dstack([to_srgb(np.clip(linear, 0, 1)), alpha])
    return np.asarray(np.round(rgba * 65535), np.uint16)
