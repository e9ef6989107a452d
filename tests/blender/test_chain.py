# SPDX-License-Identifier: GPL-3.0-or-later
"""Every button once: each is an undo step, and each is in the file that is saved after it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import pytest

from blender_addon import versions
from blender_addon.performance import edits
from tests.blender.file_state import state
from tests.blender.shoot import Shoot, key_alone, ops, reopened, said
from tests.blender.windowed import press

pytestmark = [pytest.mark.blender, pytest.mark.footage]

Step = tuple[str, Callable[[], Any]]
NOTE = "Painted by Leonardo, 1503"


def test_every_step_is_undone_redone_saved_and_reopened(shoot: Shoot) -> None:
    """After each step the whole state is noted and a copy saved; then undo, redo, and reopen."""
    shoot.scene().frame_current = 14
    bpy.ops.ed.undo_push(message="begin")
    names, seen, copies = ["begin"], [state()], [Path()]
    for name, step in _steps(shoot.picture.with_name("s_girl_pearl_earring_pd.jpg")):
        step()
        assert state() != seen[-1], f"{name} changed nothing"
        names.append(name)
        seen.append(state())
        copies.append(shoot.folder / f"{len(copies)}.blend")
        bpy.ops.wm.save_as_mainfile(filepath=str(copies[-1]), copy=True)
    last = len(names) - 1
    for index in range(last - 1, -1, -1):
        assert bpy.ops.ed.undo() == {"FINISHED"}, f"{names[index + 1]} is no step"
        _assert_same(state(), seen[index], f"{names[index + 1]} undone")
    for index in range(1, last + 1):
        assert bpy.ops.ed.redo() == {"FINISHED"}, f"{names[index]} is no step"
        _assert_same(state(), seen[index], f"{names[index]} redone")
    # What is there again is really usable, not only listed.
    ops.synthesize()
    assert said(bpy.context.scene).startswith("0 frames made, 4 kept")
    for index in range(1, last + 1):
        reopened(copies[index])
        _assert_same(state(), seen[index], f"{names[index]} reopened")


def _assert_same(found: dict[str, Any], wanted: dict[str, Any], when: str) -> None:
    differences = {key: (found[key], wanted[key]) for key in wanted if found[key] != wanted[key]}
    assert not differences, when


def _steps(second: Path) -> list[Step]:
    """Every button, in the order of work."""

    def scene() -> Any:
        return bpy.context.scene

    def take() -> Any:
        return scene().likeness.takes[0]

    def at(frame: int, what: str) -> None:
        scene().frame_current = frame
        press(ops.take_set, what=what)
        scene().frame_current = 14

    def picture_remove() -> None:
        scene().likeness.portraits[0].picture_index = 1
        press(ops.picture_remove)

    def key_and_keep() -> None:
        empty = edits.controls_of(scene(), take())
        key_alone(empty, "jaw_open", 1.0, 15)
        press(ops.take_curves_keep)

    def move_and_apply() -> None:
        marker = bpy.data.movieclips[0].tracking.tracks["Likeness chin"].markers.find_frame(6)
        marker.co = (marker.co[0], marker.co[1] - 0.03)
        press(ops.take_markers_apply)

    def capture_puppet() -> None:
        press(ops.capture_viewport, what="PUPPET", first=20, last=21)

    def move_and_align() -> None:
        versions.strips(scene().sequence_editor)["lisa.jpg"].transform.offset_x += 11
        press(ops.align)

    def synthesize() -> None:
        scene().likeness.matte = True
        press(ops.synthesize)

    return [
        ("portrait", partial(press, ops.portrait_from_strip, strip="lisa.jpg")),
        (
            "more pictures",
            partial(press, ops.portrait_from_files, filepath=str(second), extend=True),
        ),
        ("one less", picture_remove),
        (
            "consent",
            partial(
                press,
                ops.consent_record,
                who="Lisa",
                basis="HISTORIC",
                note=NOTE,
            ),
        ),
        ("capture", partial(press, ops.capture_footage, source="STRIP", strip="actor")),
        ("in", partial(at, 13, "IN")),
        ("out", partial(at, 16, "OUT")),
        ("neutral", partial(at, 16, "NEUTRAL")),
        ("update", partial(press, ops.take_update)),
        ("curves", partial(press, ops.take_curves)),
        ("blink", partial(press, ops.take_preset, preset="BLINK")),
        ("keep", key_and_keep),
        ("drop", partial(press, ops.curves_drop)),
        ("markers", partial(press, ops.take_markers)),
        ("apply", move_and_apply),
        ("no markers", partial(press, ops.markers_remove, clip="s_grid_female_ccby4.mp4")),
        ("puppet", partial(press, ops.puppet_add)),
        ("camera", partial(press, ops.puppet_camera)),
        ("follow", partial(press, ops.puppet_follow)),
        ("release", partial(press, ops.puppet_release)),
        ("viewport", capture_puppet),
        ("less takes", partial(press, ops.take_remove)),
        ("test", partial(press, ops.test_frame)),
        ("clear", partial(press, ops.test_clear)),
        ("synthesize", synthesize),
        ("align", move_and_align),
        ("jobs", partial(press, ops.jobs_clear)),
        ("second", partial(press, ops.portrait_from_files, filepath=str(second))),
        ("less portraits", partial(press, ops.portrait_remove)),
    ]
