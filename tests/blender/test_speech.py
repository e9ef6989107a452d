# SPDX-License-Identifier: GPL-3.0-or-later
"""From Speech: a sound strip becomes a take that lies where it is heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.storage import recordings
from blender_addon.take_properties import pace_of
from tests.blender.shoot import Shoot, absolute, ops, refused

pytestmark = [pytest.mark.blender, pytest.mark.footage]

SOUND = Path(__file__).parents[1] / "spoken.flac"


def jaw_of(take: Any) -> np.ndarray:
    made = recordings.load_performance(absolute(take.performance))
    return made.controls[:, made.names.index("jaw_open")]


def timed(folder: Path) -> Path:
    """The jaw opens wide from 2.0 to 2.5 s and rests elsewhere."""
    path = folder / "timed.txt"
    path.write_text("0.0 2.0 sil\n2.0 2.5 AA\n2.5 4.4 sil\n", encoding="utf-8")
    return path


def with_sound(shoot: Shoot, fps: int, start: int) -> tuple[bpy.types.Scene, bpy.types.Strip]:
    scene = shoot.scene(fps=fps)
    strip = versions.strips(scene.sequence_editor).new_sound("voice", str(SOUND), 5, start)
    scene.likeness_speech.timed = str(timed(shoot.folder))
    scene.likeness_speech.idle = 0.0
    return scene, strip


def open_at(scene: bpy.types.Scene, take: Any) -> float:
    """The timeline's frame in the middle of where the jaw is open."""
    jaw = jaw_of(take)
    middle = float(np.mean(np.flatnonzero(jaw > 0.5 * jaw.max())))
    return take.start + middle / pace_of(scene, take)


@pytest.mark.parametrize("fps", [24, 50])
def test_the_mouth_opens_where_the_strip_says_it(shoot: Shoot, fps: int) -> None:
    scene, strip = with_sound(shoot, fps, start=100)
    versions.set_span(strip, 100 + fps, 100 + 4 * fps)  # trimmed: from its first second on
    ops.speech(strip="voice")
    (take,) = scene.likeness.takes
    assert (take.name, take.start) == ("voice", 100 + fps)
    assert open_at(scene, take) == pytest.approx(100 + 2.25 * fps, abs=0.04 * fps)
    scene.render.fps = 30  # real time, whatever the scene's rate becomes
    assert pace_of(scene, take) == pytest.approx(fps / 30)


def test_a_strip_at_another_speed(shoot: Shoot) -> None:
    scene, strip = with_sound(shoot, 25, start=50)
    scene.sequence_editor.active_strip = strip
    (window,) = bpy.context.window_manager.windows[:1]
    area = window.screen.areas[0]
    area.type = "SEQUENCE_EDITOR"
    for other in versions.all_strips(scene.sequence_editor).values():
        other.select = other == strip
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        bpy.ops.sequencer.retiming_segment_speed_set(speed=200.0)
    count, sounds = len(versions.strips(scene.sequence_editor)), len(bpy.data.sounds)
    ops.speech(strip="voice")
    take = scene.likeness.takes[-1]
    assert open_at(scene, take) == pytest.approx(50 + 2.25 * 25 / 2, abs=1.0)
    assert len(versions.strips(scene.sequence_editor)) == count
    assert len(bpy.data.sounds) == sounds


def test_an_actor_gets_the_mouth_alone(shoot: Shoot) -> None:
    scene, _ = with_sound(shoot, 25, start=12)
    ops.speech(strip="voice")
    scene.likeness_speech.idle = 1.0
    first = scene.likeness.takes[0]
    still = jaw_of(first)
    other = shoot.folder / "other.txt"
    other.write_text("0.5 1.0 AA\n", encoding="utf-8")
    scene.likeness_speech.timed = str(other)
    ops.speech(strip="voice")  # an actor who says something else
    scene.likeness_speech.timed = str(timed(shoot.folder))
    scene.likeness_speech.keep = True
    ops.speech(strip="voice")
    actor, mixed = (
        recordings.load_performance(absolute(take.performance))
        for take in list(scene.likeness.takes)[1:]
    )
    assert scene.likeness.takes[2].name == "voice 2 speaks"
    np.testing.assert_allclose(mixed.rotation, actor.rotation, atol=1e-6)
    jaw = jaw_of(scene.likeness.takes[2])
    count = min(len(jaw), len(still))
    np.testing.assert_allclose(jaw[:count], still[:count], atol=0.02)


def test_what_is_no_voice_is_refused(shoot: Shoot) -> None:
    scene = shoot.scene()
    assert "is no sound strip" in refused(ops.speech, strip="lisa.jpg")
    assert "no such file" in refused(ops.speech, filepath="//none.wav")
    assert "not a sound" in refused(ops.speech, filepath=str(shoot.picture))
    assert len(scene.likeness.takes) == 0
