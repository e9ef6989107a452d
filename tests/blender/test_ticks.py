# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as in a window: what ticks bring is undone with the button that asked for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import bpy
import pytest

import blender_addon
from blender_addon import versions
from blender_addon.composite import synthesis
from blender_addon.sequencer import head_strip
from blender_addon.worker import jobs, launch
from blender_addon.worker.launch import has_torch
from tests.blender.shoot import Shoot, absolute, head_of, ops, refused, said, strip_facts
from tests.blender.windowed import as_in_a_window, press, some_are_made, ticks

pytestmark = [pytest.mark.blender, pytest.mark.footage]


def test_each_button_is_one_undo_step(shoot: Shoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each button's work goes with one undo, though it came in many ticks."""
    shoot.prepared(until=22)
    as_in_a_window(monkeypatch)
    shown: list[int] = []
    show = synthesis.show

    def counted(*arguments: Any) -> head_strip.Laid:
        laid = show(*arguments)
        shown.append(laid.made)
        return laid

    monkeypatch.setattr(synthesis, "show", counted)
    after = _assert_one_step(ops.capture_footage, source="STRIP", strip="actor")
    assert after["takes"] == [True, True]  # the take is cleaned in the same step
    _assert_one_step(ops.take_update)
    assert "head" in _assert_one_step(ops.synthesize)["strips"]
    # Frames came in several ticks, so there was something to be joined; they stay on the disk.
    assert len(set(shown)) > 2
    folder = absolute(_head_of_active().directory)
    assert len(list(folder.glob("head_*.png"))) == 10
    # Once more from the same button: a step of its own, not a part of the first one's.
    bpy.context.scene.likeness.mouth = 0.5
    _assert_one_step(ops.synthesize)
    bpy.context.scene.frame_current = 14
    assert "test" in _assert_one_step(ops.test_frame)["strips"]
    ops.test_clear()
    second = shoot.picture.with_name("s_girl_pearl_earring_pd.jpg")
    _assert_one_step(ops.portrait_from_files, filepath=str(second))


def test_the_artists_own_edits_keep_their_steps(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit while frames are made is a step of its own; then undo goes past the button."""
    shoot.prepared(until=22)
    as_in_a_window(monkeypatch)
    bpy.ops.ed.undo_push(message="before")
    press(ops.synthesize)
    ticks(lambda: head_of(bpy.context.scene) is not None)
    versions.strips(bpy.context.scene.sequence_editor)["lisa.jpg"].name = "renamed"
    bpy.ops.ed.undo_push(message="the artist's own")
    ticks()
    assert bpy.context.scene.likeness_jobs[-1].state == "DONE"
    # The rest of the frames, the new name, then the button with its first frames.
    for renamed, there in ((True, True), (False, True), (False, False)):
        bpy.ops.ed.undo()
        scene = bpy.context.scene
        assert ("renamed" in versions.strips(scene.sequence_editor)) == renamed
        assert (head_of(scene) is not None) == there
    # Undone while it runs: it ends, and brings nothing any more.
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.likeness.mouth = 0.5
    press(ops.synthesize)
    ticks(lambda: some_are_made() or head_of(bpy.context.scene))
    bpy.ops.ed.undo()
    ticks()
    assert _state()["strips"] == ["footage", "portrait"]


def test_the_test_frame_follows_the_strengths(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the frame that a new test would make, and no step of its own."""
    shoot.prepared(until=14).frame_current = 13
    as_in_a_window(monkeypatch)
    press(ops.test_frame)
    ticks()
    scene = bpy.context.scene
    strip = head_strip.find(scene, f"test:{scene.likeness.portraits[0].uid}")
    assert strip is not None
    shown = absolute(strip.directory) / strip.elements[0].filename
    first, listed = shown.read_bytes(), len(scene.likeness_jobs)
    for mouth in (0.3, 0.0):
        scene.likeness.mouth, before = mouth, shown.read_bytes()
        ticks(lambda before=before: shown.read_bytes() != before)  # type: ignore[misc]
    assert len(scene.likeness_jobs) == listed
    followed = shown.read_bytes()
    press(ops.test_frame)
    ticks()
    assert shown.read_bytes() == followed != first
    press(ops.test_clear)


def test_escape_ends_the_job_of_the_scene_that_is_edited(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else."""
    scene = shoot.prepared(until=32)
    as_in_a_window(monkeypatch)
    assert not ops.job_cancel.poll()
    ops.synthesize()
    ticks(some_are_made)
    another = bpy.data.scenes.new("another")
    versions.edit_in_every_workspace(another)
    with bpy.context.temp_override(scene=another):
        assert ops.job_cancel() == {"PASS_THROUGH"}
        assert len(jobs.running(scene)) == 1
    versions.edit_in_every_workspace(scene)
    assert ops.job_cancel() == {"FINISHED"}
    ticks()
    scene = bpy.context.scene
    assert scene.likeness_jobs[-1].state == "CANCELLED"
    assert head_of(scene) is not None  # what was made is kept
    assert _escape_keys() == [("Video Sequence Editor", "SEQUENCE_EDITOR", "ESC")]
    blender_addon.register()  # a second time
    assert len(_escape_keys()) == 1


def _escape_keys() -> list[tuple[str, str, str]]:
    return [
        (keymap.name, keymap.space_type, item.type)
        for keymap in bpy.context.window_manager.keyconfigs.addon.keymaps
        for item in keymap.keymap_items
        if item.idname == "likeness.job_cancel"
    ]


@pytest.mark.only_blender("5.0")
def test_a_model_of_the_portrait_s_own_is_one_undo_step_and_is_used(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="personalizing needs torch")
    shoot.prepared()
    assert "personalize first" in refused(ops.before_after)
    assert has_torch()
    with monkeypatch.context() as without:
        without.setattr(launch, "has_torch", lambda: False)
        assert "needs an environment with torch" in refused(ops.personalize)
    begin: Callable[..., str] = jobs.start

    def shortly(context: Any, kind: str, request: dict[str, Any], *rest: Any) -> str:
        request["command"] += ["--steps", "1", "--minutes", "0.1"]
        return begin(context, kind, request, *rest)

    with monkeypatch.context() as window:
        window.setattr(jobs, "start", shortly)
        as_in_a_window(window)
        assert _assert_one_step(ops.personalize)["model"]
    scene = bpy.context.scene
    assert "kept, from 1 picture" in said(scene)
    person = scene.likeness.portraits[0].person
    assert person.startswith("//likeness/lisa-") and absolute(person).is_dir()
    assert ops.before_after() == {"FINISHED"}
    scene.frame_current = 14
    ops.test_frame()
    assert json.loads(scene.likeness_jobs[-1].request)["person"].endswith("/person")
    ops.person_remove()
    assert "personalize first" in refused(ops.before_after)
    ops.test_frame()
    assert json.loads(scene.likeness_jobs[-1].request)["tier"] == "draft"


def _assert_one_step(button: Callable[..., Any], **how: Any) -> dict[str, Any]:
    """The button changes something, one undo takes it back, one redo brings it; what it made."""
    bpy.ops.ed.undo_push(message="the artist's own")
    before = _state()
    press(button, **how)
    ticks()
    after, job = _state(), bpy.context.scene.likeness_jobs[-1]
    assert job.state == "DONE", job.message
    assert after != before
    bpy.ops.ed.undo()
    assert _state() == before
    bpy.ops.ed.redo()
    assert _state() == after
    return after


def _state() -> dict[str, Any]:
    """What a person sees of the file; `takes`: of each, whether it is cleaned."""
    scene = bpy.context.scene
    found = scene.likeness
    return {
        "portraits": len(found.portraits),
        "takes": [bool(take.performance) for take in found.takes],
        "strips": sorted(strip_facts(scene)),
        "model": bool(found.portraits and found.portraits[0].person),
        "jobs": len(scene.likeness_jobs),
    }


def _head_of_active() -> Any:
    scene = bpy.context.scene
    chosen = scene.likeness
    tag = synthesis.head_tag(
        chosen.portraits[chosen.portrait_index], chosen.takes[chosen.take_index]
    )
    return head_strip.find(scene, tag)
