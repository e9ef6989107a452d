# SPDX-License-Identifier: GPL-3.0-or-later
"""PNGs as frames are written: any viewer reads the pixels that were given. (Blender itself reads
them in tests/blender/test_formats.py.)"""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference import png
from inference.demo import PORTRAIT
from inference.pictures import read_picture

KINDS = [
    (depth, channels, size)
    for depth in (np.uint8, np.uint16)
    for channels in (1, 3, 4)
    for size in ((61, 37), (1, 5), (1400, 900))  # the last is packed in several pieces
]
IDS = [f"{np.dtype(depth).name}-{channels}-{size[0]}x{size[1]}" for depth, channels, size in KINDS]
FFMPEG = {(8, 1): "gray", (8, 3): "rgb24", (8, 4): "rgba", (16, 1): "gray16le",
          (16, 3): "rgb48le", (16, 4): "rgba64le"}  # fmt: skip


@pytest.fixture(params=KINDS, ids=IDS)
def pixels(request: pytest.FixtureRequest) -> NDArray:
    """A part of a photograph, with noise in its low bits where there are 16."""
    depth, channels, size = request.param
    rgb = cv2.resize(read_picture(PORTRAIT).rgb8()[:240, 150:390], size)
    four = np.dstack([rgb, cv2.GaussianBlur(rgb[..., 0], (0, 0), 5)])
    four[: size[1] // 3, :, 3] = 0
    if depth == np.uint16:
        noise = np.random.default_rng(0).integers(0, 256, four.shape, np.uint16)
        four = four.astype(np.uint16) * 256 + noise
    return np.ascontiguousarray(four[..., 0] if channels == 1 else four[..., :channels])


def check_viewers(data: bytes, pixels: NDArray) -> None:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert seen.dtype == pixels.dtype
    assert np.array_equal(np.atleast_3d(seen)[..., order], np.atleast_3d(pixels))

    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        shown = np.asarray(opened)
    deep = pixels.dtype == np.uint16
    # Pillow keeps 16 bits of grey alone.
    wanted = pixels >> 8 if deep and channels > 1 else pixels
    assert np.array_equal(shown, wanted)

    with av.open(io.BytesIO(data), format="png_pipe") as container:
        frame = next(container.decode(video=0))
        kind = FFMPEG[8 * pixels.itemsize, channels]
        assert frame.format.name.replace("be", "le") == kind
        assert np.array_equal(frame.to_ndarray(format=kind), pixels)


def test_any_viewer_reads_it(pixels: NDArray) -> None:
    check_viewers(png.encode_png(pixels), pixels)


def test_an_environment_without_the_fast_writers_writes_the_same_pixels(
    pixels: NDArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "_IS_FAST", False)
    check_viewers(png.encode_png(pixels), pixels)


def test_a_part_of_a_larger_picture_is_written(pixels: NDArray) -> None:
    part = pixels[::2, : pixels.shape[1] // 2 + 1]
    check_viewers(png.encode_png(part), np.ascontiguousarray(part))
