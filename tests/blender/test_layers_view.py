# SPDX-License-Identifier: GPL-3.0-or-later
"""The matte, the person and the plate over the portrait, and what is said of them while idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.composite import layers_view, synthesis
from blender_addon.sequencer import head_strip, output
from blender_addon.storage.cache import clean_cache
from blender_addon.worker import jobs, pump, status
from tests.blender import material
from tests.blender.shoot import Shoot, absolute, ops, refused, said

pytestmark = [pytest.mark.blender, pytest.mark.footage]


def view_of(scene: Any) -> Any:
    return head_strip.find(scene, layers_view.view_tag(scene.likeness.portraits[0]))


def picture_of(strip: Any) -> np.ndarray:
    file = absolute(strip.directory) / strip.elements[0].filename
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED)


def test_each_layer_is_shown_over_the_portrait_and_taken_away(shoot: Shoot, tmp_path: Path) -> None:
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    portrait = scene.likeness.portraits[0]
    assert layers_view.words_of(scene, portrait) is None
    under = head_strip.find(scene, f"portrait:{portrait.uid}")
    under.transform.offset_x = 40
    for view, channels in (("matte", 3), ("person", 4), ("plate", 3)):
        ops.layer_view(view=view)
        strip = view_of(scene)
        assert layers_view.shown(scene, portrait) == view
        assert versions.span(strip) == versions.span(under)
        assert strip.transform.offset_x == 40
        assert strip.channel > max(
            each.channel for each in versions.strips(scene.sequence_editor) if each != strip
        )
        assert picture_of(strip).shape == (512, 511, channels)
        assert layers_view.words_of(scene, portrait) == ""
    plate = picture_of(view_of(scene))
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    output.render_still(scene, tmp_path / "seen.png", 14)
    seen = material.load(tmp_path / "seen.png")[..., :3]
    assert np.abs(seen[:, 60:400].astype(int) - plate[: len(seen), 20:360, ::-1]).mean() < 4
    ops.layer_view(view="plate")
    assert view_of(scene) is None
    assert layers_view.words_of(scene, portrait) == ""  # what was said stays


def test_words_are_of_the_matte_as_it_is_now(shoot: Shoot, tmp_path: Path) -> None:
    scene = shoot.prepared()
    portrait = scene.likeness.portraits[0]
    ops.synthesize()
    assert layers_view.words_of(scene, portrait) == ""  # also after synthesis
    half = tmp_path / "half.png"
    matte = np.zeros((256, 256), np.uint8)
    cv2.ellipse(matte, (118, 120), (75, 110), 0, 0, 360, 255, -1)
    cv2.imwrite(str(half), matte)
    scene.likeness.own_matte = str(half)
    assert layers_view.words_of(scene, portrait) is None
    ops.layer_view(view="matte")
    words = layers_view.words_of(scene, portrait)
    assert words and "the matte was resized from 256 x 256" in words
    assert said(scene) == words
    scene.likeness.own_matte = str(tmp_path / "gone.png")
    assert "own matte is not there any more" in refused(ops.layer_view, view="plate")
    scene.likeness.own_matte = ""
    assert layers_view.words_of(scene, portrait) is None


def test_a_view_is_no_portrait_and_needs_a_strip(shoot: Shoot) -> None:
    scene = shoot.scene()
    assert "portrait" in refused(ops.layer_view, view="matte")
    ops.portrait_from_strip(strip="lisa.jpg")
    ops.layer_view(view="matte")
    assert "is a result of Likeness" in refused(ops.portrait_from_strip, strip=view_of(scene).name)
    versions.strips(scene.sequence_editor).remove(
        head_strip.find(scene, f"portrait:{scene.likeness.portraits[0].uid}")
    )
    assert "does not lie on the sequencer" in refused(ops.layer_view, view="plate")
    ops.layer_view(view="matte")  # the one that is shown can be taken away all the same
    assert view_of(scene) is None


def test_the_bar_tells_of_preparing_before_frames(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = shoot.prepared()
    heard: list[Any] = []

    def submit(_job: Any, on_event: Any) -> str:
        heard.append(on_event)
        return "told"

    monkeypatch.setattr(pump, "submit", submit)
    monkeypatch.setattr(jobs, "inline", lambda: False)
    monkeypatch.setattr(synthesis, "show", lambda *_: pytest.fail("no frame is there yet"))
    ops.synthesize()
    item = scene.likeness_jobs["told"]
    event = {
        "event": "progress",
        "id": "told",
        "done": 40,
        "total": 100,
        "rate": 5.0,
        "left_s": 9.0,
    }
    heard[0]({**event, "stage": "preparing"})
    now = jobs.progress(item)
    assert now is not None and (now.done, now.total) == (40, 100)
    assert status.bar_text(item.label, now) == "Synthesize: preparing matte and plate, 40%"
    heard[0]({**event, "total": 240})
    now = jobs.progress(item)
    assert now is not None
    assert status.bar_text(item.label, now).startswith("Synthesize 40/240")
    heard[0]({"event": "cancelled", "id": "told", "message": "cancelled"})
    jobs.settle_now(bpy.context)
    assert jobs.state(item) == "CANCELLED"


def test_undo_takes_the_view_and_its_words_away(shoot: Shoot) -> None:
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    bpy.ops.ed.undo_push(message="before")
    ops.layer_view("EXEC_DEFAULT", True, view="matte")
    assert view_of(scene) is not None
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert view_of(scene) is None
    assert layers_view.words_of(scene, scene.likeness.portraits[0]) is None


def test_cleaning_the_cache_takes_the_pictures(shoot: Shoot) -> None:
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    ops.layer_view(view="matte")
    folder = absolute(view_of(scene).directory)
    assert (folder / "plate.png").is_file()
    clean_cache()
    assert not folder.exists()
