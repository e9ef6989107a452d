# SPDX-License-Identifier: GPL-3.0-or-later
"""A plate is read as Blender shows it, and the head's strip takes its grade on: no patch shows."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.sequencer import grade, plate

WIDE, HIGH = 96, 64


def colours() -> np.ndarray:
    """Soft colours (H, W, 4) as floats; the left is transparent."""
    y, x = np.mgrid[:HIGH, :WIDE] / (WIDE - 1)
    return np.dstack([0.2 + 0.6 * x, 0.3 + 0.5 * y, 0.7 - 0.5 * x, np.clip(4 * x - 0.5, 0, 1)])


def movie(path: Path, codec: str, pixels: str, pale: float = 1, **tags: int) -> Path:
    """Three frames; pale: their share of colour; tags: colour properties of the stream."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = WIDE, HIGH, pixels
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for _ in range(3):
            made = colours()
            made[..., :3] = 0.6 + pale * (made[..., :3] - 0.6)
            rgba = np.round(made * 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, format="rgba")))
        container.mux(stream.encode())
    return path


def brighter(path: Path, count: int) -> Path:
    """Frames that are even greys, each brighter than the one before."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = WIDE, HIGH, "rgb24"
        for grey in range(count):
            made = np.full((HIGH, WIDE, 3), 20 * grey, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(made, format="rgb24")))
        container.mux(stream.encode())
    return path


def picture(path: Path) -> Path:
    deep = np.round(colours()[..., [2, 1, 0, 3]] * 65535).astype(np.uint16)
    assert cv2.imwrite(str(path), deep)
    return path


def exr(path: Path) -> Path:
    image = bpy.data.images.new("made", WIDE, HIGH, alpha=True, float_buffer=True)
    image.pixels.foreach_set(colours()[::-1].astype(np.float32).ravel())
    image.file_format = "OPEN_EXR"
    image.filepath_raw = str(path)
    image.save()
    return path


def lone(scene: Any) -> Any:
    scene.render.resolution_x, scene.render.resolution_y = WIDE, HIGH
    scene.render.dither_intensity = 0
    scene.render.film_transparent = True
    return versions.strips(scene.sequence_editor_create())


def add(strips: Any, path: Path, channel: int = 1) -> Any:
    kind = "new_movie" if path.suffix == ".mov" else "new_image"
    strip = getattr(strips, kind)(
        name=path.stem, filepath=str(path), channel=channel, frame_start=1, fit_method="ORIGINAL"
    )
    strip.blend_type = "ALPHA_OVER"
    return strip


def rendered(scene: Any, path: Path) -> np.ndarray:
    """What the sequencer shows at frame 1, 0 to 255."""
    scene.frame_set(1)
    versions.set_file_format(scene.render.image_settings, "IMAGE", "PNG")
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.color_depth = "16"
    scene.render.filepath = str(path)
    bpy.ops.render.render(scene=scene.name, write_still=True)
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float64) / 257


PLATES: dict[str, Callable[[Path], Path]] = {
    "ProRes 4444 with alpha": lambda f: movie(f / "a.mov", "prores_ks", "yuva444p10le"),
    "BT.709": lambda f: movie(f / "a.mov", "libx264", "yuv420p", colorspace=1, color_range=1),
    "BT.601, full range": lambda f: movie(
        f / "a.mov", "libx264", "yuvj420p", colorspace=5, color_range=2
    ),
    "BT.2020": lambda f: movie(
        f / "a.mov", "libx265", "yuv420p10le", colorspace=9, color_primaries=9, color_trc=1
    ),
    "HLG": lambda f: movie(
        f / "a.mov", "libx265", "yuv420p10le", 0.2, colorspace=9, color_primaries=9, color_trc=18
    ),
    "PQ": lambda f: movie(
        f / "a.mov", "libx265", "yuv420p10le", 0.2, colorspace=9, color_primaries=9, color_trc=16
    ),
    "16-bit TIFF": lambda f: picture(f / "a.tif"),
    "OpenEXR": lambda f: exr(f / "a.exr"),
}


@pytest.mark.parametrize("kind", PLATES)
def test_its_own_picture_over_a_plate_is_not_seen(scene: Any, tmp_path: Path, kind: str) -> None:
    strips = lone(scene)
    strip = add(strips, PLATES[kind](tmp_path))
    before = rendered(scene, tmp_path / "before.png")
    scenes = len(bpy.data.scenes)
    strip[plate.BRIGHTNESS] = plate.write_picture(scene, strip, 1, tmp_path / "own.png")
    assert len(bpy.data.scenes) == scenes
    own = add(strips, tmp_path / "own.png", 2)
    own.alpha_mode = "STRAIGHT"
    grade.take_on(strip, own)
    shown = before[..., 3] > 254  # where alpha lies over alpha, more is hidden behind
    after = rendered(scene, tmp_path / "after.png")
    assert np.abs(after - before)[shown].mean() < 0.5
    hidden = before[..., 3] < 0.1
    assert (after[..., 3][hidden] < 1).all()
    assert hidden.any() == (kind in ("ProRes 4444 with alpha", "16-bit TIFF", "OpenEXR"))


@pytest.mark.parametrize("space", ["Linear Rec.709", "Non-Color", "ACEScg"])
def test_the_head_follows_its_plate_s_colour_space(scene: Any, tmp_path: Path, space: str) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((HIGH, WIDE, 3), (40, 80, 120), np.uint8))
    strips = lone(scene)
    strip, head = add(strips, path), add(strips, path, 2)
    assert plate.is_plain(path)
    strip.colorspace_settings.name = space
    head.mute = True
    before = rendered(scene, tmp_path / "before.png")
    head.mute = False
    assert grade.take_on(strip, head)
    assert np.abs(rendered(scene, tmp_path / "after.png") - before).mean() < 0.1


def by_hand(scene: Any, strip: Any) -> None:
    """A grade of all kinds."""
    strip.color_saturation, strip.color_multiply, strip.blend_alpha = 0.4, 0.8, 0.7
    tone = versions.new_modifier(scene, strip, "tone", "BRIGHT_CONTRAST")
    tone.bright, tone.contrast = 3, 10
    balance = versions.new_modifier(scene, strip, "balance", "COLOR_BALANCE")
    balance.color_balance.gain = (1.1, 0.9, 0.8)
    curves = versions.new_modifier(scene, strip, "curves", "CURVES")
    curves.curve_mapping.curves[3].points.new(0.4, 0.5)
    curves.curve_mapping.update()


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_head_takes_its_plate_s_grade_on(scene: Any, tmp_path: Path, when: str) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.round(colours()[..., 2::-1] * 255).astype(np.uint8))
    strips = lone(scene)
    under, head = add(strips, path, 2), add(strips, path, 3)
    black = tmp_path / "black.png"
    cv2.imwrite(str(black), np.zeros((HIGH, WIDE, 3), np.uint8))
    add(strips, black)
    head.crop.max_x = WIDE // 2
    if when == "after":
        assert not grade.take_on(under, head)
    by_hand(scene, under)
    head.mute = True
    wanted = rendered(scene, tmp_path / "wanted.png")
    head.mute = False
    patch = np.abs(rendered(scene, tmp_path / "patch.png") - wanted).mean()
    assert grade.take_on(under, head) and not grade.take_on(under, head)
    found = np.abs(rendered(scene, tmp_path / "found.png") - wanted).mean()
    assert patch > 5 and found < 0.5


def test_a_head_follows_its_plate_s_grade_by_itself(scene: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.round(colours()[..., 2::-1] * 255).astype(np.uint8))
    strips = lone(scene)
    under, head = add(strips, path), add(strips, path, 2)
    under["likeness"], head["likeness"] = "portrait:a", "head:a:b"
    under.color_saturation, under.color_multiply = 0.3, 0.5
    shown = rendered(scene, tmp_path / "with.png")
    head.mute = True
    assert np.abs(shown - rendered(scene, tmp_path / "without.png")).mean() < 0.5
    assert head.color_multiply == pytest.approx(0.5)
    under.color_saturation = 0.8
    bpy.context.view_layer.update()
    assert head.color_saturation == pytest.approx(0.8)


def test_what_an_artist_graded_on_the_head_stays(scene: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((HIGH, WIDE, 3), 90, np.uint8))
    strips = lone(scene)
    under, head = add(strips, path), add(strips, path, 2)
    under.color_saturation = 0.5
    assert grade.take_on(under, head)
    head.color_multiply = 1.2
    under.color_saturation = 0.2
    assert not grade.take_on(under, head)
    assert head.color_multiply == pytest.approx(1.2) and head.color_saturation == 0.5


def test_the_frame_of_a_movie_that_is_trimmed_and_plays_backwards(
    scene: Any, tmp_path: Path
) -> None:
    """As Blender shows it at the playhead."""
    strip = add(lone(scene), brighter(tmp_path / "grey.mov", 10))
    strip.animation_offset_start, strip.animation_offset_end = 2, 1
    strip.use_reverse_frames = True
    frame = round(versions.content_start(strip)) + 1
    versions.set_span(strip, frame, frame + 3)
    shown, written = tmp_path / "shown.png", tmp_path / "written.png"
    scene.frame_set(frame)
    scene.render.filepath, scene.view_settings.view_transform = str(shown), "Standard"
    versions.set_file_format(scene.render.image_settings, "IMAGE", "PNG")
    bpy.ops.render.render(write_still=True)
    plate.write_picture(scene, strip, frame, written)
    grey, wanted = (cv2.imread(str(path), cv2.IMREAD_COLOR)[0, 0, 0] for path in (written, shown))
    assert abs(int(grey) - int(wanted)) < 5 and wanted > 0  # they are 20 apart
    strip.use_reverse_frames = False
    plate.write_picture(scene, strip, frame, written)
    other = cv2.imread(str(written), cv2.IMREAD_COLOR)[0, 0, 0]
    assert abs(int(other) - int(wanted)) > 15
