# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of every usual kind are read upright, at their depth; what is none is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.errors import InputError
from inference.pictures import SMALLEST, read_picture
from inference.portrait import open_portrait

Pixels = NDArray[np.uint8]

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # a PNG's colour types

# How a camera stores an upright picture for each EXIF orientation.
STORED_AS = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.fixture(scope="module")
def colours() -> Pixels:
    """(40, 56, 3): smooth, and different in every corner, direction and channel."""
    rows, columns = np.mgrid[:40, :56]
    return np.dstack([rows * 6, columns * 4, 255 - rows * 2 - columns * 2]).astype(np.uint8)


@pytest.fixture(scope="module")
def grey(colours: Pixels) -> Pixels:
    return np.ascontiguousarray(colours[..., 0] // 2 + colours[..., 1] // 3)


@pytest.fixture(scope="module")
def alpha(colours: Pixels) -> Pixels:
    return np.ascontiguousarray(colours[..., 2])


def png(
    path: Path, pixels: NDArray[np.integer], colour_type: int, depth: int = 8, chunks: bytes = b""
) -> Path:
    """A PNG of a kind that OpenCV itself would not write."""
    rows = pixels.astype(">u2" if depth == 16 else np.uint8)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, colour_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunks
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def jpeg(pixels: Pixels, orientation: int | None = None) -> bytes:
    """JPEG bytes, with the rotation mark that a camera writes."""
    bgr = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    data = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, 98])[1]
    if orientation is None:
        return bytes(data)
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return bytes(data[:2]) + segment + bytes(data[2:])


def test_grey_becomes_three_equal_channels(tmp_path: Path, grey: Pixels) -> None:
    read = read_picture(png(tmp_path / "grey.png", grey, GREY))
    np.testing.assert_array_equal(read.rgb, np.dstack([grey] * 3))
    assert read.rgb.dtype == np.uint8 and read.alpha is None and read.size == (56, 40)


def test_a_palette_is_looked_up(tmp_path: Path, grey: Pixels, rng: np.random.Generator) -> None:
    palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    plte = chunk(b"PLTE", palette.tobytes())
    read = read_picture(png(tmp_path / "palette.png", grey, PALETTE, chunks=plte))
    np.testing.assert_array_equal(read.rgb, palette[grey])
    assert read.alpha is None


def test_a_palette_s_transparency_is_kept(tmp_path: Path, grey: Pixels) -> None:
    palette = np.stack([np.arange(256, dtype=np.uint8)] * 3, axis=1)
    opacity = np.arange(255, -1, -1, dtype=np.uint8)
    chunks = chunk(b"PLTE", palette.tobytes()) + chunk(b"tRNS", opacity.tobytes())
    read = read_picture(png(tmp_path / "palette.png", grey, PALETTE, chunks=chunks))
    assert read.alpha is not None
    np.testing.assert_array_equal(read.alpha, opacity[grey])


def test_sixteen_bits_are_kept(tmp_path: Path, grey: Pixels, colours: Pixels) -> None:
    deep = colours.astype(np.uint16) * 200 + 77
    read = read_picture(png(tmp_path / "deep.png", deep, RGB, depth=16))
    np.testing.assert_array_equal(read.rgb, deep)
    assert read.rgb.dtype == np.uint16
    np.testing.assert_allclose(read.rgb8(), deep / 257, atol=1)
    deep_grey = grey.astype(np.uint16) * 211 + 5
    read = read_picture(png(tmp_path / "grey.png", deep_grey, GREY, depth=16))
    np.testing.assert_array_equal(read.rgb, np.dstack([deep_grey] * 3))


def test_alpha_is_kept_where_it_is_real(tmp_path: Path, colours: Pixels, alpha: Pixels) -> None:
    read = read_picture(png(tmp_path / "rgba.png", np.dstack([colours, alpha]), RGBA))
    np.testing.assert_array_equal(read.rgb, colours)
    assert read.alpha is not None
    np.testing.assert_array_equal(read.alpha, alpha)
    opaque = np.dstack([colours, np.full_like(alpha, 255)])
    read = read_picture(png(tmp_path / "opaque.png", opaque, RGBA))
    np.testing.assert_array_equal(read.rgb, colours)
    assert read.alpha is None


def test_deep_alpha_and_grey_with_alpha(
    tmp_path: Path, grey: Pixels, colours: Pixels, alpha: Pixels
) -> None:
    deep = np.dstack([colours, alpha]).astype(np.uint16) * 257
    read = read_picture(png(tmp_path / "deep.png", deep, RGBA, depth=16))
    np.testing.assert_array_equal(read.rgb, deep[..., :3])
    assert read.alpha is not None
    np.testing.assert_array_equal(read.alpha, deep[..., 3])
    read = read_picture(png(tmp_path / "grey.png", np.dstack([grey, alpha]), GREY_ALPHA))
    np.testing.assert_array_equal(read.rgb, np.dstack([grey] * 3))
    assert read.alpha is not None
    np.testing.assert_array_equal(read.alpha, alpha)


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("in_grey", [False, True], ids=["colour", "grey"])
def test_a_camera_s_rotation_mark_is_obeyed(
    tmp_path: Path, colours: Pixels, grey: Pixels, orientation: int, in_grey: bool
) -> None:
    upright = grey if in_grey else colours
    path = tmp_path / "camera.jpg"
    path.write_bytes(jpeg(STORED_AS[orientation](upright), orientation))
    read = read_picture(path)
    assert read.size == (56, 40)
    assert read.turned == (orientation != 1)
    expected = np.dstack([grey] * 3) if in_grey else colours
    assert np.abs(read.rgb.astype(int) - expected).mean() < 2


def test_a_rotated_portrait_s_face_is_found_upright(tmp_path: Path, samples: Path) -> None:
    straight = open_portrait(samples / "eileen_collins.png")
    path = tmp_path / "on its side.jpg"
    path.write_bytes(jpeg(STORED_AS[6](straight.picture.rgb8()), 6))
    turned = open_portrait(path)
    off = np.linalg.norm((turned.points - straight.points)[:, :2], axis=1)
    assert off.mean() < 1


@pytest.mark.parametrize(
    ("suffix", "channels", "bits"),
    [(".tif", 3, 8), (".tif", 3, 16), (".tif", 4, 16), (".webp", 3, 8), (".webp", 4, 8),
     (".bmp", 3, 8)],
)  # fmt: skip
def test_other_kinds_of_files(
    tmp_path: Path, colours: Pixels, alpha: Pixels, suffix: str, channels: int, bits: int
) -> None:
    pixels: NDArray[np.integer] = np.dstack([colours, alpha])[..., :channels]
    if bits == 16:
        pixels = pixels.astype(np.uint16) * 257
    order = [2, 1, 0, 3][:channels]
    path = tmp_path / f"ünï côdé{suffix}"
    cv2.imencode(suffix, np.ascontiguousarray(pixels[..., order]))[1].tofile(path)
    read = read_picture(path)
    np.testing.assert_array_equal(read.rgb, pixels[..., :3])
    if channels == 4:
        assert read.alpha is not None
        np.testing.assert_array_equal(read.alpha, pixels[..., 3])
    else:
        assert read.alpha is None


def refusal(path: Path) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        read_picture(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line


def test_a_tiny_picture_is_refused(tmp_path: Path, colours: Pixels) -> None:
    assert "16 x 16 pixels" in refusal(png(tmp_path / "icon.png", colours[:16, :16], RGB))
    large_enough = png(tmp_path / "small.png", colours[:SMALLEST, :SMALLEST], RGB)
    assert read_picture(large_enough).size == (SMALLEST, SMALLEST)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", bytes(1000)])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    assert "not a picture" in refusal(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_truncated_picture_is_refused_and_no_library_chatters(
    tmp_path: Path, samples: Path, suffix: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = read_picture(samples / "eileen_collins.png").rgb
    data = bytes(cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1])
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    assert "not a picture" in refusal(path)
    assert capfd.readouterr().err == ""


def test_a_png_without_its_end_or_with_a_wrong_byte_is_refused(
    tmp_path: Path, colours: Pixels, capfd: pytest.CaptureFixture[str]
) -> None:
    path = png(tmp_path / "picture.png", colours.astype(np.uint16) * 250, RGB, depth=16)
    data = path.read_bytes()
    path.write_bytes(data[:-14])
    assert "not a picture" in refusal(path)
    wrong = bytearray(data)
    wrong[len(data) // 2] ^= 0xFF
    path.write_bytes(wrong)
    assert "not a picture" in refusal(path)
    assert capfd.readouterr().err == ""


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nobody.png")
    assert "cannot be read" in refusal(tmp_path)


def test_a_picture_of_numbers_that_are_no_colours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "depth.tif"
    cv2.imencode(".tif", np.ones((64, 64, 3), np.float32))[1].tofile(path)
    assert "not a picture" in refusal(path)
