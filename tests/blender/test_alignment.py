# SPDX-License-Identifier: GPL-3.0-or-later
"""The head strip lies over the portrait strip: Blender's render against numpy's own compositing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon import compose, versions
from blender_addon.sequencer import following, output, placement, strips
from tests.blender import material

pytestmark = pytest.mark.blender

# Portrait size, box: x, y, width, height. Width and height are odd where the portrait's are.
PLACES = {
    "even": ((320, 240), (100, 40, 120, 140)),
    "odd": ((321, 241), (83, 54, 121, 141)),
    "odd and higher than wide": ((201, 340), (20, 61, 151, 180)),
    "beyond the upper left": ((320, 241), (-30, -41, 200, 181)),
    "beyond the lower right": ((321, 240), (150, 90, 221, 180)),
    "larger than the picture": ((160, 121), (-20, -20, 200, 161)),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_rendered_strip_lies_over_the_portrait(
    blender: str, tmp_path: Path, place: str
) -> None:
    made = _composed(tmp_path, *PLACES[place])
    scene, _, _ = _opened(tmp_path)
    for frame in (1, 3):
        _assert_same(_rendered(scene, frame, tmp_path), _even(made.expected[frame - 1]), 0.5, 2)


def test_a_strip_off_by_one_pixel_is_noticed(blender: str, tmp_path: Path) -> None:
    made = _composed(tmp_path, *PLACES["odd"])
    scene, _, head = _opened(tmp_path)
    x, y = head.transform.offset_x, head.transform.offset_y
    for right, up in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        head.transform.offset_x, head.transform.offset_y = x + right, y + up
        shown = _rendered(scene, 2, tmp_path)
        with pytest.raises(AssertionError, match="mean difference"):
            _assert_same(shown, _even(made.expected[1]), 0.5, 2)


@pytest.mark.parametrize("kind", ["full", "16 bit", "exr"])
def test_other_frames_than_8_bit_heads(blender: str, tmp_path: Path, kind: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "full": {"layer": "full"},
        "16 bit": {"write": material.save_16_bit},
        "exr": {"write": material.save_linear_exr, "alpha": "premultiplied"},
    }
    size, box = PLACES["odd"]
    made = _composed(tmp_path, size, (0, 0, *size) if kind == "full" else box, **kinds[kind])
    scene, _, head = _opened(tmp_path)
    assert head.colorspace_settings.name == ("Linear Rec.709" if kind == "exr" else "sRGB")
    assert head.alpha_mode == ("PREMUL" if kind == "exr" else "STRAIGHT")
    _assert_same(_rendered(scene, 1, tmp_path), _even(made.expected[0]), 0.6, 3)


# What an artist does to the portrait strip, the frame and the percentage.
MOVES: dict[str, dict[str, Any]] = {
    "moved": {"portrait": {"offset_x": 31.0, "offset_y": -17.0}},
    "moved by part of a pixel": {"portrait": {"offset_x": 10.4, "offset_y": 3.7}},
    "scaled": {"portrait": {"scale_x": 1.6, "scale_y": 1.6}},
    "stretched": {"portrait": {"scale_x": 0.7, "scale_y": 1.3}},
    "rotated": {"portrait": {"rotation": 0.4}},
    "all, about another origin": {
        "portrait": {
            "offset_x": -22.3, "offset_y": 9.1, "scale_x": 1.3, "scale_y": 1.1,
            "rotation": -0.7, "origin": (0.2, 0.85),
        },
    },
    "mirrored": {"portrait": {"use_flip_x": True, "rotation": 0.2, "offset_x": 20.0}},
    "upside down": {"portrait": {"use_flip_y": True, "scale_x": 1.2, "scale_y": 1.2}},
    "cropped": {
        "portrait": {"crop_min_x": 120, "crop_max_x": 150, "crop_min_y": 70, "crop_max_y": 60},
    },
    "in a larger frame": {"resolution": (500, 401)},
    "in a smaller frame": {"resolution": (201, 150)},
    "in an odd frame, in part": {
        "resolution": (455, 391), "percentage": 67,
        "portrait": {"rotation": 0.3, "scale_x": 1.2, "scale_y": 1.2, "origin": (0.3, 0.3)},
    },
}  # fmt: skip


@pytest.mark.parametrize("place", ["odd", "beyond the upper left"])
def test_the_head_follows_the_portrait_strip(blender: str, tmp_path: Path, place: str) -> None:
    # The reference is one flat picture, composited beforehand, under the very same transform.
    made = _composed(tmp_path, *PLACES[place])
    flat = tmp_path / "flat.png"
    material.save(flat, np.round(made.expected[1]).astype(np.uint8))
    for move, change in MOVES.items():
        scene, portrait, head = _opened(tmp_path)
        _move(scene, portrait, change)
        strips.follow_portrait(scene, placement.read_placement(made.folder), portrait, head)
        got = _rendered(scene, 2, tmp_path)
        head.mute = True
        portrait.directory, portrait.elements[0].filename = str(flat.parent), flat.name
        wanted = _rendered(scene, 2, tmp_path)
        # Where the edges of both strips cross a pixel, each covers a part of it: it may differ.
        off = np.abs(got - wanted).max(axis=2) > 12
        assert off.mean() < 0.005, f"{move}: {off.mean():.1%} of the pixels differ"
        _assert_same(got[~off], wanted[~off], 0.5, 12, move)


# What is keyed or driven on the portrait strip; of each property, its value in frames 1 and 3.
ANIMATED: dict[str, tuple[float, float]] = {
    "transform.offset_x": (-12.0, 31.5), "transform.offset_y": (4.0, -9.0),
    "transform.scale_x": (1.0, 1.6), "transform.scale_y": (1.0, 1.3),
    "transform.rotation": (0.0, 0.6), "crop.min_x": (0, 240), "crop.max_y": (0, 130),
    "use_flip_x": (1, 1),
}  # fmt: skip


@pytest.mark.parametrize("place", ["odd"])
def test_the_head_follows_an_animated_portrait(blender: str, tmp_path: Path, place: str) -> None:
    """And what the artist changes of the animation later."""
    made = _composed(tmp_path, *PLACES[place])
    flat = tmp_path / "flat.png"
    material.save(flat, np.round(made.expected[1]).astype(np.uint8))
    for kept in ("", "transform.scale", "transform.rotation", "transform.offset"):
        scene, portrait, head = _opened(tmp_path)
        strips.follow_portrait(scene, placement.read_placement(made.folder), portrait, head)
        assert not following.has_moved(scene, portrait, head)
        for path, (begin, end) in ANIMATED.items():
            if path.startswith(kept):
                owner, name = _owner(portrait, path)
                for frame, value in ((1, begin), (3, end)):
                    setattr(owner, name, bool(value) if name == "use_flip_x" else value)
                    owner.keyframe_insert(name, frame=frame)
        assert following.has_moved(scene, portrait, head)
        for _ in range(2):  # a second time it is no other
            strips.follow_portrait(scene, placement.read_placement(made.folder), portrait, head)
        assert not following.has_moved(scene, portrait, head)
        later = portrait.transform.driver_add("origin", 1).driver
        later.expression = "0.3 + frame * 0.1"
        bag = versions.channelbag(scene)
        assert bag is not None
        for curve in bag.fcurves:
            curve.keyframe_points[1].co.y *= 0.9
        portrait.name = "another name"
        scene.frame_set(2)
        if kept:  # a new property is followed as soon as it is aligned again
            strips.follow_portrait(scene, placement.read_placement(made.folder), portrait, head)
        else:
            portrait.transform.driver_remove("origin", 1)
            portrait.transform.origin = 0.5, 0.5
        got = _rendered(scene, 2, tmp_path)
        head.mute = True
        portrait.directory, portrait.elements[0].filename = str(flat.parent), flat.name
        wanted = _rendered(scene, 2, tmp_path)
        off = np.abs(got - wanted).max(axis=2) > 12
        assert off.mean() < 0.005, f"{kept}: {off.mean():.1%} of the pixels differ"
        _assert_same(got[~off], wanted[~off], 0.5, 12, kept)
        following.unlink(scene, head)
        assert not following.is_linked(scene, head)


def _owner(strip: Any, path: str) -> tuple[Any, str]:
    """Whose property a path from the strip on is, and its name."""
    parent, _, name = path.rpartition(".")
    return (getattr(strip, parent) if parent else strip), name


def _move(scene: Any, portrait: Any, change: dict[str, Any]) -> None:
    """As MOVES says: of the frame, or of the portrait strip, its crop or its transform."""
    render = scene.render
    if "resolution" in change:
        render.resolution_x, render.resolution_y = change["resolution"]
    render.resolution_percentage = change.get("percentage", render.resolution_percentage)
    for key, value in change.get("portrait", {}).items():
        if key.startswith("use_flip"):
            setattr(portrait, key, value)
        elif key.startswith("crop_"):
            setattr(portrait.crop, key.removeprefix("crop_"), value)
        else:
            setattr(portrait.transform, key, value)


def _composed(
    folder: Path, size: tuple[int, int], box: tuple[int, int, int, int], **how: Any
) -> material.Material:
    made = material.write_material(folder / "head frames ü", size, box, **how)
    blend = str(folder / "x.blend")
    assert compose.main(["--head", str(made.folder), "--blend", blend, "--max-size", "0"]) == 0
    return made


def _opened(folder: Path) -> tuple[Any, Any, Any]:
    """The scene of the .blend there, the portrait strip and the head strip."""
    bpy.ops.wm.open_mainfile(filepath=str(folder / "x.blend"), load_ui=False)
    scene = bpy.data.scenes["Likeness"]
    found = versions.strips(scene.sequence_editor)
    return scene, found["Likeness portrait"], found["Likeness head"]


def _rendered(scene: Any, frame: int, folder: Path) -> np.ndarray:
    output.render_still(scene, folder / "shot.png", frame)
    return material.load(folder / "shot.png")


def _even(picture: np.ndarray) -> np.ndarray:
    """H.264 needs even sizes: the column at the right and the row at the top are left out."""
    height, width = picture.shape[:2]
    return picture[height % 2 :, : width - width % 2]


def _assert_same(
    got: np.ndarray, wanted: np.ndarray, mean: float, most: float, case: str = ""
) -> None:
    assert got.shape == wanted.shape
    difference = np.abs(got - wanted)
    assert difference.mean() < mean, f"{case} mean difference {difference.mean():.3f}"
    assert difference.max() <= most, f"{case} largest difference {difference.max():.1f}"
