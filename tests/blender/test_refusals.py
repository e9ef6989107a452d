# SPDX-License-Identifier: GPL-3.0-or-later
"""Every button where it cannot do its work: one line that says what to do, and nothing changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.performance import operators as performance_operators
from blender_addon.portrait import operators as portrait_operators
from blender_addon.sequencer import head_strip
from blender_addon.storage import folders
from blender_addon.worker import jobs, pump
from tests.blender.shoot import Shoot, absolute, head_of, ops, refused, said, says_no, strip_facts
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> Path:
    """A movie of three frames."""
    frames = read_clip(footage / "sample" / "s_grid_female_ccby4.mp4", 0, 3)
    return write_movie(tmp_path_factory.mktemp("made") / "short.mp4", frames, rate=25)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A picture of 300 x 200."""
    cv2.imwrite(str(tmp_path / "other.png"), np.full((200, 300, 3), 90, np.uint8))
    return tmp_path / "other.png"


PORTRAIT = "there is no portrait yet; add one in the step Portrait"
TAKE = "there is no performance yet; capture one in the step Performance"
AT_FIRST = {
    **dict.fromkeys(
        ("align", "before_after", "consent_record", "face_choose", "open_output", "person_remove",
         "personalize", "picture_remove", "portrait_remove", "synthesize", "test_clear",
         "test_frame"), PORTRAIT,
    ),
    **dict.fromkeys(
        ("curves_drop", "take_curves", "take_curves_keep", "take_markers", "take_markers_apply",
         "take_remove", "take_set", "take_update"), TAKE,
    ),
    "portrait_from_strip": "no strip is active; select an image or movie strip",
    "portrait_from_files": "no picture was chosen; choose 1 to 32",
    "capture_footage": "no strip is active; select a movie or image strip",
    "teeth_template": "name the file that the template is written to",
    "capture_viewport": "There is no puppet in the scene",
    "puppet_follow": "There are no control curves in the scene",
    "markers_remove": "There is no movie clip",
    "job_again": "that job is not on the list any more",
    "job_cancel": "poll() failed",
}  # fmt: skip


def test_in_an_empty_file_every_button_says_what_is_missing(scene: Any) -> None:
    """In a file in which there is nothing at all, not even a sequencer."""
    names = [name for name in dir(ops) if not name.startswith("join_") and name != "check_runtime"]
    lines = {name: refused(getattr(ops, name)) for name in names}
    for name, words in AT_FIRST.items():
        assert words in lines[name], f"{name}: {lines[name]}"
        assert "\n" not in lines[name] and len(lines[name]) < 300, name
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    says_no("poll() failed", ops.puppet_add)
    assert not scene.likeness_jobs
    # The puppet and its camera alone can be made of nothing.
    assert sorted(thing.name for thing in bpy.data.objects) == [
        "Cube",
        "Likeness camera",
        "Likeness puppet",
        "Likeness puppet head",
    ]


def test_the_file_browser_begins_without_a_file_name(scene: Any, tmp_path: Path) -> None:
    """What it begins with, and its button pressed with nothing chosen."""
    scene.likeness.source = "FILE"

    def offered() -> list[str]:
        found: list[str] = []
        button: Any = SimpleNamespace(filepath="", source="", face=0)
        manager = SimpleNamespace(fileselect_add=lambda each: found.append(each.filepath))
        context: Any = SimpleNamespace(window_manager=manager, scene=scene)
        for kind in (
            portrait_operators.LIKENESS_OT_portrait_from_files,
            performance_operators.LIKENESS_OT_capture_footage,
        ):
            kind.invoke(button, context, None)
        return found

    assert offered() == [f"{Path.home()}{os.sep}"] * 2
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    folder = f"{tmp_path}{os.sep}"
    assert offered() == [folder] * 2
    says_no(
        "no picture was chosen; choose 1 to 32",
        ops.portrait_from_files,
        filepath=folder,
        directory=folder,
    )
    says_no("no movie was chosen; choose one", ops.capture_footage, source="FILE", filepath=folder)


def test_it_works_in_a_file_that_is_not_saved_and_has_no_sequencer(
    shoot: Shoot, scene: Any, short: Path
) -> None:
    """From there to head frames; then it is saved."""
    versions.edit_in_every_workspace(scene)
    ops.portrait_from_files(filepath=str(shoot.picture))
    ops.capture_footage(source="FILE", filepath=str(short))
    assert "no frames yet" in refused(ops.open_output)
    ops.consent_record(who="Lisa", basis="HISTORIC", note="Painted by Leonardo, 1503")
    scene.likeness.range = "SCENE"
    scene.frame_start, scene.frame_end = 1, 2
    ops.synthesize()
    assert ops.open_output() == {"FINISHED"}
    strips = strip_facts(scene)
    assert strips["head"]["span"] == [1, 3] and strips["portrait"]["span"] == [1, 4]
    assert "likeness_unsaved" in head_of(scene).directory

    # Once it is saved, what was made lies beside it, and the strip goes along.
    bpy.ops.wm.save_as_mainfile(filepath=str(shoot.folder / "later.blend"))
    assert absolute(head_of(scene).directory).is_relative_to(shoot.folder / "likeness")
    ops.synthesize()
    assert strip_facts(scene) == strips
    assert said(scene).startswith("0 frames made, 2 kept")

    blocked = shoot.folder / "blocked"
    blocked.mkdir()
    (blocked / "likeness").write_text("a file, no folder", encoding="utf-8")
    bpy.ops.wm.save_as_mainfile(filepath=str(blocked / "x.blend"))
    for line in (
        refused(ops.synthesize),
        refused(ops.take_update),
        refused(ops.capture_footage, source="FILE", filepath=str(short)),
    ):
        assert "likeness" in line and "cannot be written" in line and "\n" not in line


def test_footage_that_cannot_be_captured_is_named(shoot: Shoot, short: Path) -> None:
    scene = shoot.scene()
    actor = versions.strips(scene.sequence_editor)["actor"]
    strip = {"source": "STRIP", "strip": "actor"}
    says_no("there is no face 7; the clip's faces are 1", ops.capture_footage, face=7, **strip)
    actor.use_reverse_frames = True
    says_no("plays backwards or is retimed", ops.capture_footage, **strip)
    actor.use_reverse_frames = False
    versions.set_span(actor, 100, 110)
    says_no("shows none of its own pictures", ops.capture_footage, **strip)
    actor.filepath = "//gone.mp4"
    gone = "gone.mp4: the file of the strip 'actor' is not there any more"
    says_no(gone, ops.capture_footage, **strip)
    says_no(gone, ops.portrait_from_strip, strip="actor")
    mine = Path(shutil.copy(short, shoot.folder))
    clip = bpy.data.movieclips.load(str(mine))
    mine.unlink()
    says_no(
        "the file of the clip 'short.mp4' is not there any more",
        ops.capture_footage,
        source="CLIP",
        clip=clip.name,
    )
    still = bpy.data.movieclips.load(str(shoot.picture))
    says_no(
        "is a sequence of pictures; give a movie file",
        ops.capture_footage,
        source="CLIP",
        clip=still.name,
    )
    says_no("there is no clip 'nobody'", ops.capture_footage, source="CLIP", clip="nobody")


def test_strips_that_no_portrait_can_be_made_from_are_named(shoot: Shoot, other: Path) -> None:
    scene = shoot.scene()
    strips = versions.strips(scene.sequence_editor)
    mine = Path(shutil.copy(other, shoot.folder / "mine.png"))
    strips.new_image(
        name="mine", filepath=str(mine), channel=5, frame_start=1, fit_method="ORIGINAL"
    )
    mine.unlink()
    says_no(
        "mine.png: the picture of the strip 'mine' is not there any more",
        ops.portrait_from_strip,
        strip="mine",
    )
    versions.new_effect(scene.sequence_editor, "SPEED", strips["actor"], "speed", 6)
    says_no("'speed' is no image or movie strip", ops.portrait_from_strip, strip="speed")


def test_what_is_wrong_with_take_and_portrait_is_named(shoot: Shoot, other: Path) -> None:
    scene = shoot.prepared()
    take, still = scene.likeness.takes[0], versions.strips(scene.sequence_editor)["lisa.jpg"]
    take.first = 2
    assert (take.in_frame, take.out_frame) == (14, 17)
    take.first = 0
    take.neutral = 6
    says_no("the neutral frame must be 0 to 5", ops.take_update)
    take.neutral = -1
    scene.frame_current = 90
    says_no("frame 90 is outside of the take, which lies at 12 to 17", ops.take_set, what="IN")
    scene.frame_current = 14
    ops.test_frame()
    says_no(
        "'Test frame' is a result of Likeness; select the portrait below it",
        ops.portrait_from_strip,
        strip="Test frame",
    )
    assert ops.test_clear() == {"FINISHED"} and "test" not in strip_facts(scene)
    says_no("no personalized model", ops.person_remove)

    # Pressed twice there is one Empty; curves that nobody edited are nothing to keep.
    ops.take_curves()
    ops.take_curves()
    assert ops.take_curves_keep() == {"FINISHED"} and take.edited == ""
    assert sum(each.type == "EMPTY" for each in bpy.data.objects) == 1
    performance = Path(folders.absolute(take.performance))
    away = performance.rename(performance.with_suffix(".away"))
    says_no("there is no such performance", ops.take_curves_keep)
    says_no("the performance of 'actor' is not there any more", ops.synthesize)
    away.rename(performance)
    kept, take.performance = take.performance, ""
    says_no("has no performance yet; press Update Take", ops.take_curves)
    take.performance = kept

    versions.set_span(still, 100, 110)
    says_no("(100 to 109) and the take (12 to 17) share no frame", ops.synthesize)
    versions.set_span(still, 5, 40)
    still.directory, still.elements[0].filename = str(other.parent), other.name
    head_strip.refresh(still)
    says_no("shows 300 x 200 pixels, the portrait has 511 x 512", ops.test_frame)
    assert len(scene.likeness.takes) == 1


def test_jobs_that_cannot_be_started_again_are_named(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = shoot.scene()
    request = {"do": "faces", "picture": str(shoot.picture), "out": str(shoot.folder)}
    jobs.begin(scene, "faces", request, {"portrait": "", "picture": ""})
    says_no("A job is running", ops.cache_clean)
    pump.wait(scene.likeness_jobs[-1].name)
    jobs.settle_now(bpy.context)
    says_no("not on the list any more", ops.job_again, job="nobody")
    monkeypatch.delitem(jobs.KINDS, "faces")
    says_no(
        "this version of Likeness has no such job",
        ops.job_again,
        job=scene.likeness_jobs[-1].name,
    )
