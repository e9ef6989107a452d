# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of any kind come as straight alpha in sRGB: profiles, TIFF's alphas, EXR, TGA, AVIF."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from inference.errors import InputError
from inference.face_list import list_faces
from inference.jobs import FacesJob
from inference.pictures import StillPicture, read_picture
from tests.movies import Picture

# Gamma, and the primaries of Display P3 and Adobe RGB as D50's XYZ, a row a colour.
P3 = 2.2, [(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)]
ADOBE = 563 / 256, [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)]


def colours(side: int = 64) -> Picture:
    """A wheel of soft colours."""
    y, x = np.mgrid[:side, :side] / (side - 1)
    return np.round(np.dstack([0.2 + 0.7 * x, 0.2 + 0.6 * y, 0.8 - 0.5 * x * y]) * 255).astype(
        np.uint8
    )


def soft_alpha(side: int = 64) -> Picture:
    return np.tile(np.linspace(0, 255, side).round().astype(np.uint8), (side, 1))


def profile(gamma: float, primaries: list[tuple[float, float, float]]) -> bytes:
    """An ICC profile of three primaries and one gamma."""
    curve = b"curv" + bytes(4) + struct.pack(">LH", 1, round(gamma * 256)) + bytes(2)
    tags = [(b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)]
    for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True):
        numbers = struct.pack(">3l", *(round(value * 65536) for value in xyz))
        tags.append((name, b"XYZ " + bytes(4) + numbers))
    white = struct.pack(">3l", 63190, 65536, 54061)
    tags.append((b"wtpt", b"XYZ " + bytes(4) + white))
    at, table, data = 132 + 12 * len(tags), struct.pack(">L", len(tags)), b""
    for name, content in tags:
        table += struct.pack(">4sLL", name, at + len(data), len(content))
        data += content
    head = struct.pack(">L4sL", at + len(data), b"    ", 0x02100000) + b"mntrRGB XYZ "
    head += bytes(12) + b"acsp" + bytes(28) + white + bytes(48)
    return head + table + data


@pytest.mark.parametrize("kind", [P3, ADOBE], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_profile_is_applied_as_a_colour_manager_does(
    tmp_path: Path, kind: tuple[float, list[tuple[float, float, float]]], suffix: str
) -> None:
    path, given = tmp_path / f"wide{suffix}", profile(*kind)
    Image.fromarray(colours()).save(path, icc_profile=given, quality=95)
    with Image.open(path) as stored:
        wanted = ImageCms.profileToProfile(
            stored.convert("RGB"),
            ImageCms.ImageCmsProfile(io.BytesIO(given)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        plain = np.asarray(stored.convert("RGB")).astype(int)
    assert wanted is not None
    found = read_picture(path).rgb8().astype(int)
    apart = np.abs(found - np.asarray(wanted))
    assert apart.mean() < 0.7 and np.abs(found - plain).mean() > 2


def test_an_srgb_profile_changes_no_pixel(tmp_path: Path) -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(colours()).save(tmp_path / "own.png", icc_profile=own)
    np.testing.assert_array_equal(read_picture(tmp_path / "own.png").rgb, colours())


def premultiplied(picture: StillPicture) -> np.ndarray:
    assert picture.alpha is not None
    top = np.iinfo(picture.rgb.dtype).max
    return picture.rgb / top * (picture.alpha / top)[..., None]


def write_tiff(path: Path, rgba: np.ndarray, extra: int) -> Path:
    """An uncompressed TIFF of RGBA whose fourth channel is alpha of a kind: 1 multiplied, 2 not."""
    height, width = rgba.shape[:2]
    bits = rgba.dtype.itemsize * 8
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 4, 8), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 256), (277, 3, 1, 4), (278, 3, 1, height), (279, 4, 1, rgba.nbytes),
        (284, 3, 1, 1), (338, 3, 1, extra),
    ]  # fmt: skip
    head = b"II*\0" + struct.pack("<L", 16) + struct.pack("<4H", *[bits] * 4)
    listed = struct.pack("<H", len(tags))
    listed += b"".join(struct.pack("<HHLL", *tag) for tag in tags) + bytes(4)
    path.write_bytes((head + listed).ljust(256, b"\0") + rgba.tobytes())
    return path


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("extra", [1, 2], ids=["multiplied", "straight"])
def test_tiff_s_alpha_is_multiplied_once(tmp_path: Path, depth: type, extra: int) -> None:
    top = np.iinfo(depth).max
    straight = np.dstack([colours(), soft_alpha()]) / 255
    stored = straight.copy()
    if extra == 1:
        stored[..., :3] *= stored[..., 3:]
    path = write_tiff(tmp_path / "a.tif", np.round(stored * top).astype(depth), extra)
    wanted = straight[..., :3] * straight[..., 3:]
    assert np.abs(premultiplied(read_picture(path)) - wanted).max() < 1.2 / 255


@pytest.mark.parametrize("suffix", [".tga", ".gif", ".avif"])
def test_pictures_that_blender_shows_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(colours()).save(path)
    found = read_picture(path)
    assert found.alpha is None and found.size == (64, 64)
    assert np.abs(found.rgb8().astype(int) - colours()).mean() < (12 if suffix == ".gif" else 3)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_jpeg_2000_comes_with_its_own_pixels_and_damaged_in_a_line(
    tmp_path: Path, depth: type
) -> None:
    stored = colours().astype(depth) * depth(1 if depth is np.uint8 else 257)
    content = cv2.imencode(".jp2", stored[..., ::-1])[1].tobytes()
    path = tmp_path / "p.jp2"
    path.write_bytes(content)
    read = read_picture(path)
    np.testing.assert_array_equal(read.rgb, stored)
    assert read.alpha is None and not read.converted
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        for place in rng.integers(12, len(content), 8):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(20, len(content))])
        try:
            assert read_picture(path).rgb.ndim == 3
        except InputError as error:
            assert "\n" not in str(error)


def test_an_exr_is_what_display_srgb_shows_of_it(tmp_path: Path) -> None:
    """Half floats, scene-linear, the alpha multiplied in; brighter than white is white."""
    from inference.frames import encode_frame

    rgba = np.dstack([colours(), np.maximum(soft_alpha(), 1)])
    path = tmp_path / "a.exr"
    path.write_bytes(encode_frame(rgba[..., :3], rgba[..., 3].astype(np.float32) / 255, "exr"))
    found = read_picture(path)
    wanted = rgba[..., :3] / 255 * (rgba[..., 3:] / 255)
    assert found.rgb.dtype == np.uint16
    assert np.abs(premultiplied(found) - wanted).max() < 2 / 255


def test_a_damaged_one_is_refused_in_a_line(tmp_path: Path) -> None:
    for suffix in (".tga", ".gif", ".avif"):
        path = tmp_path / f"a{suffix}"
        Image.fromarray(colours()).save(path)
        path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(InputError, match="not a picture that can be read"):
            read_picture(path)
    small = cv2.imencode(".png", colours(16))[1].tobytes()
    (tmp_path / "small.png").write_bytes(small)
    with pytest.raises(InputError, match="too small"):
        read_picture(tmp_path / "small.png")


def test_a_converted_picture_is_listed_as_the_picture_that_is_shown(tmp_path: Path) -> None:
    """Blender shows a file's numbers without its profile: it is given those that were used."""
    path = tmp_path / "wide.jpg"
    Image.fromarray(colours()).save(path, icc_profile=profile(*P3), quality=95)
    listed = list_faces(FacesJob(path, tmp_path / "out")).picture
    assert listed != path
    np.testing.assert_array_equal(read_picture(listed).rgb, read_picture(path).rgb)
    assert not read_picture(listed).converted
