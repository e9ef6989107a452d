# SPDX-License-Identifier: GPL-3.0-or-later
"""Head frames of every format through the operators: Blender's render is numpy's composite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.sequencer import output, placement
from tests.blender import material
from tests.blender.shoot import Shoot, absolute, head_of, ops, reopened, said, strip_facts

pytestmark = [pytest.mark.blender, pytest.mark.footage]

# One strip goes through them in this order, so each follows one that is read otherwise.
FORMATS = ("png16", "exr", "png")
FRAME = 14  # the take's frame 2


def test_every_format_is_rendered_as_it_was_made(shoot: Shoot, tmp_path: Path) -> None:
    """A part of one head strip, then all of it in each format in turn."""
    deep = tmp_path / "deep.png"
    picture = cv2.imread(str(shoot.picture)).astype(np.float64)
    # Soft, in 16 bits: values between those of 8 bits.
    stored = np.round(cv2.GaussianBlur(picture, (0, 0), 1) * 257).astype(np.uint16)
    cv2.imwrite(str(deep), stored)
    picture = stored[..., ::-1] / 257
    scene = _plain(replace(shoot, picture=deep).prepared())

    scene.likeness.format, scene.likeness.range = "exr", "PREVIEW"
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = 12, 13
    ops.synthesize()
    versions.set_span(head_of(scene), 12, 18)  # the artist draws the handle out
    scene.likeness.range = "STRIP"
    bpy.ops.wm.save_mainfile()
    scene = reopened()
    # What is not made yet shows the portrait.
    files = strip_facts(scene)["head"]["files"]
    assert files == ["head_000000.exr", "head_000001.exr", *["pending.png"] * 4]
    assert np.abs(_rendered(scene, 16, tmp_path) - picture[:, :510]).max() < 0.6

    for form in FORMATS:
        scene.likeness.format = form
        ops.synthesize()
        assert said(scene).startswith("6 frames made")
        head, suffix = head_of(scene), ".exr" if form == "exr" else ".png"
        files = strip_facts(scene)["head"]["files"]
        assert files == [f"head_{index:06d}{suffix}" for index in range(6)]
        assert head.colorspace_settings.name == ("Linear Rec.709" if form == "exr" else "sRGB")
        assert head.alpha_mode == ("PREMUL" if form == "exr" else "STRAIGHT")
        there = placement.read_placement(absolute(head.directory))
        frame = _frame(there.folder / head.elements[FRAME - 12].filename)
        wanted = material.composite(picture, frame, there.box)[:, :510]
        off = np.abs(_rendered(scene, FRAME, tmp_path) - wanted)
        assert off.max() < 0.6, f"{form}: {off.max():.2f} off"  # the render has 8 bits
        assert (len(np.unique(frame[..., 1])) > 256) == (form != "png")
        assert np.abs(picture[:, :510] - wanted).mean() > 0.5  # and the head did move


def test_the_person_is_laid_over_another_plate_and_the_portrait_comes_back(
    shoot: Shoot, tmp_path: Path
) -> None:
    """The portrait's strip is muted for its cut-out person, by one step that is undone as one."""
    plate = tmp_path / "plate.png"
    cv2.imwrite(str(plate), np.full((600, 600, 3), (255, 0, 0), np.uint8))
    scene = _plain(shoot.prepared())
    strips = versions.strips(scene.sequence_editor)

    def under() -> Any:
        return next(s for s in strips if str(s.get("likeness", "")).startswith("portrait:"))

    scene.likeness.layer = "person"
    ops.synthesize()
    strips["actor"].channel = 9
    strips["actor"].mute = True
    strips.new_image(
        name="plate", filepath=str(plate), channel=1, frame_start=FRAME, fit_method="ORIGINAL"
    )
    assert strip_facts(scene)["head"]["files"][0] == "person_000000.png"
    assert under().mute
    over_blue = _rendered(scene, FRAME, tmp_path)
    scene.likeness.layer = "head"
    ops.synthesize()
    assert strip_facts(scene)["head"]["files"][0] == "head_000000.png"
    assert not under().mute
    over_itself = _rendered(scene, FRAME, tmp_path)
    # What lies beside the person is the plate below; the person is the same in both.
    corner = np.s_[10:60, 10:60]
    assert np.abs(over_blue[corner] - (0, 0, 255)).max() < 2
    assert np.abs(over_itself[corner] - (0, 0, 255)).max() > 100
    face = np.s_[200:320, 200:300]
    assert np.abs(over_blue[face] - over_itself[face]).mean() < 1.5


def _plain(scene: Any) -> Any:
    """The scene, which now renders pixels as they are."""
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    return scene


def _rendered(scene: Any, frame: int, folder: Path) -> np.ndarray:
    output.render_still(scene, folder / "still.png", frame)
    return material.load(folder / "still.png")


def _frame(path: Path) -> np.ndarray:
    """RGBA, straight, display sRGB, float64 in 0..255."""
    if path.suffix == ".exr":
        return material.load_linear_exr(path)
    frame = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    top = np.iinfo(frame.dtype).max
    return cv2.cvtColor(frame, cv2.COLOR_BGRA2RGBA).astype(np.float64) * (255 / top)
