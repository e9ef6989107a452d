# SPDX-License-Identifier: GPL-3.0-or-later
"""Read any still picture as upright RGB with alpha, at the depth that it has."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.icc import into_srgb, profile_of, tiff_tag
from inference.inputs import read_bytes
from inference.other_pictures import decode, kind_of
from inference.picture_size import declared_size
from inference.quiet import quiet_libraries

# What a picture's name ends in, in small letters.
SUFFIXES = frozenset(
    {
        ".png",
        ".jpg",
        ".jpeg",
        ".tif",
        ".tiff",
        ".webp",
        ".bmp",
        ".exr",
        ".tga",
        ".hdr",
        ".jp2",
        ".heic",
        ".heif",
        ".avif",
    }
)
_LARGEST_FILE = 1 << 30  # bytes
_MOST_BYTES = 640_000_000  # of decoded pixels: 200 megapixels of a camera's 8 bits
_STRIP = 1 << 20  # pixels that are worked on at once
# TIFF's tag for what a fourth channel is: alpha that is multiplied in, or straight.
_EXTRA_SAMPLES, _ASSOCIATED, _STRAIGHT = 338, 1, 2
SMALLEST = 32  # pixels of the shorter side; below it there is no face to speak of


@dataclass(frozen=True)
class StillPicture:
    """rgb: (H, W, 3) uint8 or uint16; alpha: (H, W) of the same type, or None when opaque.

    turned: the file's pixels lie otherwise and a camera's mark (EXIF) set them upright.
    converted: these are not the file's own numbers, but what its profile, its alpha or its kind
    make of them. sha256: of the file, as it was read, in hexadecimal.
    """

    rgb: NDArray[np.uint8] | NDArray[np.uint16]
    alpha: NDArray[np.uint8] | NDArray[np.uint16] | None
    turned: bool = False
    sha256: str = ""
    converted: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def rgb8(self) -> NDArray[np.uint8]:
        """The colours at 8 bits, for those who only look."""
        if self.rgb.dtype == np.uint8:
            return self.rgb.astype(np.uint8, copy=False)
        return (self.rgb // 257).astype(np.uint8)


def read_picture(path: Path) -> StillPicture:
    """Read a grey, palette, RGB or RGBA picture as straight alpha in sRGB.

    EXIF rotation and ICC profiles of cameras and screens are applied, alpha that is multiplied in
    is taken out. Scene-linear OpenEXR becomes 16 bits of display sRGB.
    Raises InputError when the file is missing, no picture, truncated, or too small.
    """
    # Not cv2.imread: names beyond ASCII on Windows.
    content = read_bytes(path, "file", "check the portrait's name", _LARGEST_FILE)
    digest = hashlib.sha256(content).hexdigest()
    if kind := kind_of(content, path.suffix.lower()):
        return _other(content, kind, path, digest)
    _check_size(content, path)
    data = np.frombuffer(content, np.uint8)
    pixels = _decode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16) or _channels(pixels) == 2:
        raise InputError(f"{path}: not a picture that can be read; use PNG, JPEG, TIFF or WebP")
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        # Only this way of reading applies a camera's rotation mark.
        depth = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        as_stored = _decode(data, depth | cv2.IMREAD_IGNORE_ORIENTATION)
        pixels = _decode(data, depth)
        if pixels is None or as_stored is None:
            raise InputError(f"{path}: not a picture that can be read; save it again")
        turned = pixels.shape != as_stored.shape or not np.array_equal(pixels, as_stored)
    _check_large_enough(pixels, path)
    profile = profile_of(content)
    if pixels.shape[2] == 4:
        stored = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
        rgba = _straight(stored, content)
        return _with_alpha(rgba, profile, digest, rgba is not stored)
    stored = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    rgb = stored if profile is None else into_srgb(stored, profile)
    return StillPicture(rgb, None, turned, digest, rgb is not stored)


def _other(content: bytes, kind: str, path: Path, digest: str) -> StillPicture:
    """A picture that FFmpeg decodes."""
    rgba = decode(content, kind)
    if rgba is None:
        raise InputError(f"{path}: not a picture that can be read; save it as PNG or TIFF")
    _check_large_enough(rgba, path)
    return _with_alpha(rgba, None, digest, converted=kind != "jp2")


def _with_alpha(rgba: NDArray, profile: bytes | None, digest: str, converted: bool) -> StillPicture:
    stored, alpha = np.ascontiguousarray(rgba[..., :3]), rgba[..., 3]
    rgb = stored if profile is None else into_srgb(stored, profile)
    opaque = bool((alpha == np.iinfo(alpha.dtype).max).all())
    return StillPicture(
        rgb,
        None if opaque else alpha.copy(),
        sha256=digest,
        converted=converted or rgb is not stored,
    )


def _straight(rgba: NDArray, content: bytes) -> NDArray:
    """Take out alpha that is multiplied in: TIFF may say so, and libtiff does it at 8 bits."""
    if content[:2] not in (b"II", b"MM"):
        return rgba
    try:
        tag = tiff_tag(content, _EXTRA_SAMPLES)
    except struct.error:
        return rgba
    if tag is None or not (tag[1] == _ASSOCIATED or (tag[1] == _STRAIGHT and _is_8_bit(rgba))):
        return rgba
    top = np.iinfo(rgba.dtype).max
    alpha = rgba[..., 3:].astype(np.float32)
    colours = rgba[..., :3] * (top / np.maximum(alpha, 1))
    return np.dstack([np.minimum(np.round(colours), top).astype(rgba.dtype), rgba[..., 3]])


def _is_8_bit(pixels: NDArray) -> bool:
    return pixels.dtype == np.uint8


def _check_large_enough(pixels: NDArray, path: Path) -> None:
    if min(pixels.shape[:2]) < SMALLEST:
        raise InputError(
            f"{path}: the picture is {pixels.shape[1]} x {pixels.shape[0]} pixels, too small for "
            f"a portrait; use one of {SMALLEST} pixels or more"
        )


def at_depth(pixels: NDArray, depth: np.dtype) -> NDArray:
    """The pixels at another depth: uint8 or uint16."""
    if pixels.dtype == depth:
        return pixels
    if depth == np.uint8:
        return (pixels // 257).astype(np.uint8)
    return pixels.astype(np.uint16) * np.uint16(257)


def rescaled(pixels: NDArray, factor: float, size: tuple[int, int] | None = None) -> NDArray:
    """The pixels (H, W, ...) larger or smaller by a factor; size: then exactly (width, height)."""
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, size, fx=factor, fy=factor, interpolation=how)


def strips(size: tuple[int, int]) -> Iterator[slice]:
    """Rows of a picture of `size` (width, height), about a million pixels at once."""
    rows = max(1, _STRIP // size[0])
    for first in range(0, size[1], rows):
        yield slice(first, min(first + rows, size[1]))


def _check_size(content: bytes, path: Path) -> None:
    """Raises InputError for a picture whose pixels would take too much memory."""
    declared = declared_size(content)
    if declared is None:
        raise InputError(f"{path}: not a picture that can be read; use PNG, JPEG, TIFF or WebP")
    width, height, depth = declared
    if width * height * depth > _MOST_BYTES:
        raise InputError(
            f"{path}: says that it is {width} x {height} pixels, more than can be "
            "worked on; use a smaller picture"
        )


def _channels(pixels: NDArray) -> int:
    return 1 if pixels.ndim == 2 else pixels.shape[2]


def _decode(data: NDArray[np.uint8], how: int) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    try:
        with quiet_libraries():  # libpng and others print what is wrong with a broken file
            return cv2.imdecode(data, how)
    except (cv2.error, MemoryError, SystemError):
        return None
