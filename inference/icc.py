# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a picture with an ICC profile into sRGB: Display P3, Adobe RGB, ProPhoto and their like.

Such profiles are three primaries and a curve each ("matrix/TRC" in ICC.1:2010, section 8.3). Those
that are tables of colours, as of printers and CMYK, are none of a camera's or a screen's.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# From the profile's white (D50) to linear sRGB: the inverse of its primaries, adapted to D50.
_FROM_D50 = np.array(
    [[3.1341, -1.6174, -0.4907], [-0.9788, 1.9161, 0.0335], [0.0720, -0.2290, 1.4054]]
)
# A change of colours below this, in 8-bit steps, is the profile's rounding: sRGB under its names.
_SAME = 2.0
_LINES = 256  # of a picture that are worked on at once
_LARGEST = 1 << 24  # bytes of a profile
_TIFF_PROFILE, _SHORT = 34675, 3
_JPEG_MARK = b"ICC_PROFILE\0"


def to_srgb(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Light from 0 to 1 as sRGB's curve has it."""
    bright = 1.055 * np.power(np.maximum(linear, 0.0031308), 1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, bright)


def profile_of(content: bytes) -> bytes | None:
    """The ICC profile that a PNG, JPEG, WebP or TIFF carries, or None."""
    try:
        if content[:8] == b"\x89PNG\r\n\x1a\n":
            return _of_png(content)
        if content[:2] == b"\xff\xd8":
            return _of_jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _of_webp(content)
        if content[:4] in (b"II*\0", b"MM\0*"):
            return _of_tiff(content)
    except (struct.error, zlib.error, IndexError, ValueError):
        pass
    return None


def into_srgb(rgb: Pixels, profile: bytes) -> Pixels:
    """RGB (H, W, 3) of uint8 or uint16 in the profile's colours, as the same colours in sRGB.

    What sRGB cannot show is clipped. A profile that is sRGB, or not of this kind, changes nothing.
    """
    try:
        curves, primaries = _matrix_profile(profile)
    except (struct.error, ValueError, KeyError):
        return rgb
    top = np.iinfo(rgb.dtype).max
    tables = [curve(np.linspace(0, 1, top + 1)).astype(np.float32) for curve in curves]
    matrix = (_FROM_D50 @ primaries).T.astype(np.float32)
    if _same(tables, matrix):
        return rgb
    made = np.empty_like(rgb)
    for start in range(0, len(rgb), _LINES):
        part = rgb[start : start + _LINES]
        linear = np.stack([tables[i][part[..., i]] for i in range(3)], axis=2) @ matrix
        made[start : start + _LINES] = np.round(to_srgb(np.clip(linear, 0, 1)) * top)
    return made


def _same(tables: list[NDArray[np.float32]], matrix: NDArray[np.float32]) -> bool:
    levels = np.linspace(0, 1, 5)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    rows = np.round(grid * (len(tables[0]) - 1)).astype(int)
    linear = np.stack([tables[i][rows[:, i]] for i in range(3)], axis=1) @ matrix
    moved = np.abs(to_srgb(np.clip(linear, 0, 1)) - grid) * 255
    return bool(moved.max() < _SAME)


def _matrix_profile(profile: bytes) -> tuple[list[Curve], NDArray[np.float64]]:
    """A curve of each colour, and the (3, 3) matrix to D50's XYZ, a column a colour."""
    if profile[16:20] != b"RGB " or profile[36:40] != b"acsp":
        raise ValueError("no RGB profile")
    (count,) = struct.unpack_from(">L", profile, 128)
    tags = {}
    for i in range(min(count, 100)):
        name, offset, size = struct.unpack_from(">4sLL", profile, 132 + 12 * i)
        tags[name] = profile[offset : offset + size]
    if b"A2B0" in tags:
        raise ValueError("a profile of tables")
    columns = [
        np.array(struct.unpack_from(">3l", tags[name], 8)) / 65536
        for name in (b"rXYZ", b"gXYZ", b"bXYZ")
    ]
    curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return curves, np.stack(columns, axis=1)


def _curve(tag: bytes) -> Curve:
    """The function from a value to light, both 0 to 1."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">L", tag, 8)
        if count == 0:
            return lambda x: x
        values = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return lambda x: np.power(x, values[0] / 256)
        return lambda x: np.interp(x, np.linspace(0, 1, count), values / 65535)
    if tag[:4] != b"para":
        raise ValueError("no curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    counts = (1, 3, 4, 5, 7)
    given = [value / 65536 for value in struct.unpack_from(f">{counts[kind]}l", tag, 12)]
    g, a, b, c, d, e, f = (*given, 0, 0, 0, 0, 0, 0)[:7]
    if kind == 0:
        a = 1.0
    elif kind in (1, 2):  # level below the place where the power begins
        above = c if kind == 2 else 0.0
        c, d, e, f = 0.0, -b / a, above, above
    return lambda x: np.where(x >= d, np.power(np.maximum(a * x + b, 0), g) + e, c * x + f)


def _of_png(content: bytes) -> bytes | None:
    at = 8
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">L4s", content, at)
        if kind == b"iCCP":
            packed = content[at + 8 : at + 8 + length].split(b"\0", 1)[1][1:]
            return zlib.decompressobj().decompress(packed, _LARGEST)
        if kind in (b"IDAT", b"IEND"):
            return None
        at += 12 + length
    return None


def _of_jpeg(content: bytes) -> bytes | None:
    """Long profiles are cut into numbered pieces."""
    pieces: dict[int, bytes] = {}
    at = 2
    while at + 4 < len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        piece = content[at + 4 : at + 2 + length]
        if content[at + 1] == 0xE2 and piece.startswith(_JPEG_MARK):
            pieces[piece[len(_JPEG_MARK)]] = piece[len(_JPEG_MARK) + 2 :]
        at += 2 + max(2, length)
    return b"".join(pieces[number] for number in sorted(pieces)) or None


def _of_webp(content: bytes) -> bytes | None:
    at = 12
    while at + 8 <= len(content):
        kind, length = struct.unpack_from("<4sL", content, at)
        if kind == b"ICCP":
            return content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return None


def _of_tiff(content: bytes) -> bytes | None:
    found = tiff_tag(content, _TIFF_PROFILE)
    return None if found is None else content[found[1] : found[1] + found[0]]


def tiff_tag(content: bytes, wanted: int) -> tuple[int, int] | None:
    """How many values a tag of a TIFF's first picture has, and its value or where they lie."""
    order = "<" if content[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "L", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    for i in range(min(count, 512)):
        tag, kind, length = struct.unpack_from(order + "HHL", content, start + 2 + 12 * i)
        if tag == wanted:
            short = kind == _SHORT and length == 1
            (value,) = struct.unpack_from(order + "HL"[not short], content, start + 10 + 12 * i)
            return length, value
    return None
