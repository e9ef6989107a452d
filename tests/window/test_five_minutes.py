# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's five minutes, with the mouse: once with footage, once with the puppet.

What a click shows should come within 0.2 s while the worker runs. The figures are printed, and
only what no busy machine explains is an error.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.window.artist import (
    ACTOR,
    PORTRAIT,
    RESTING,
    STATUS_BAR_CROSS,
    enlarge,
    head_pictures,
    newest_version,
    open_panel,
    open_tab,
    playhead,
    record_consent,
    rest,
    select,
    states,
    take_portrait,
)
from tests.window.window import HEIGHT, Clicked, Window

pytestmark = [pytest.mark.window, pytest.mark.timeout(1500)]

CAMERA_VIEW = (1287, HEIGHT - 257)  # the button in the 3D view
WORKSPACES = {"Layout": (300, HEIGHT - 14), "Video Editing": (1184, HEIGHT - 14)}


def test_the_walk_with_footage(window: Window, reactions: dict[str, float]) -> None:
    window.shot("opened")
    open_tab(window)
    window.shot("tab")
    take_portrait(window, reactions)
    record_consent(window, reactions)

    select(window, ACTOR)
    began = time.monotonic()
    reactions["Capture Footage"] = window.reaction(window.push("likeness.capture_footage("))
    window.shot("capturing")
    rest(window)
    assert window.ask("[each.frames for each in bpy.context.scene.likeness.takes]") == [75]
    window.shot("captured")

    playhead(window, 33)  # the actor speaks
    reactions["Test This Frame"] = window.reaction(window.push("likeness.test_frame("))
    rest(window)
    assert states(window)["Test frame"] == "DONE"
    window.shot("test frame")

    strips = window.ask("[each.name for each in bpy.context.scene.sequence_editor.strips_all]")
    reactions["Synthesize"] = window.reaction(window.push("likeness.synthesize("))
    window.wait("any('plays' in s.name for s in bpy.context.scene.sequence_editor.strips_all)", 60)
    window.shot("synthesizing")
    reactions["the status bar's cross"] = window.reaction(window.click(STATUS_BAR_CROSS))
    rest(window)
    window.shot("cancelled")
    assert states(window)["Synthesize"] == "CANCELLED"
    cancelled = head_pictures(window)
    assert 0 < cancelled < 75

    reactions["Synthesize again"] = window.reaction(window.push("likeness.synthesize("))
    rest(window)
    assert states(window)["Synthesize"] == "DONE"
    assert head_pictures(window) == 75
    window.scroll(40)
    window.shot("synthesized")
    print(f"longest time without a tick: {window.ask(f'longest_gap({began!r})')}")

    undo(window, strips)


def undo(window: Window, strips_before: list[str]) -> None:
    """Ctrl-Z takes the head strip away again, and Blender and the worker live on."""
    names = "[each.name for each in bpy.context.scene.sequence_editor.strips_all]"
    window.move((700, 300))
    for _ in range(2):  # the synthesis that was cancelled, and the one after it: one step each
        window.press("ctrl+z")
        time.sleep(1.5)
        if not any("plays" in name for name in window.ask(names)):
            break
    else:
        raise AssertionError(f"it cannot be undone: {window.shot('not undone')}")
    assert {PORTRAIT, ACTOR} <= set(window.ask(names)) <= set(strips_before)
    window.shot("undone")
    for _ in range(2):
        window.press("ctrl+shift+z")
        time.sleep(1.5)
    assert any("plays" in name for name in window.ask(names))
    window.shot("redone")


def test_the_walk_with_the_puppet(window: Window, reactions: dict[str, float]) -> None:
    open_tab(window)
    take_portrait(window, reactions)
    record_consent(window, reactions)

    open_panel(window, "From the 3D Scene")
    enlarge(window)
    window.shot("from the 3D scene")
    reactions["Add Puppet"] = window.reaction(window.push("likeness.puppet_add("))
    reactions["Add Face Camera"] = window.reaction(window.push("likeness.puppet_camera("))
    go_to(window, "Layout")
    assert window.ask("bpy.context.scene.objects['Cube'].hide_viewport")  # as every new scene has
    window.shot("puppet framed")
    window.move(CAMERA_VIEW)
    time.sleep(0.5)
    window.click()
    window.wait("area_of('VIEW_3D').spaces.active.region_3d.view_perspective == 'CAMERA'", 20)
    time.sleep(1)
    window.shot("puppet")
    window.ask("animate_puppet()")
    window.ask("bpy.context.scene.frame_set(20)")
    time.sleep(1)
    window.shot("puppet animated")

    go_to(window, "Video Editing")
    reactions["Capture Puppet"] = window.reaction(captured(window))
    window.wait("len(bpy.context.scene.likeness.takes)")
    rest(window)
    assert window.ask("[each.frames for each in bpy.context.scene.likeness.takes]") == [75]
    window.shot("puppet captured")
    reactions["Synthesize"] = window.reaction(window.push("likeness.synthesize("))
    window.wait(RESTING)
    time.sleep(1)
    assert states(window)["Synthesize"] == "DONE"
    assert head_pictures(window) == 75
    window.shot("puppet synthesized")
    assert open_mouth(window.folder) > 30


def test_the_template_video_editing_gets_a_workspace_for_the_puppet(
    template_window: Window, reactions: dict[str, float]
) -> None:
    """It has none with a 3D view; the sequencer stays in sight."""
    window = template_window
    open_tab(window)
    assert window.ask("'Layout' not in bpy.data.workspaces")
    open_panel(window, "From the 3D Scene")
    enlarge(window)
    reactions["Add Puppet"] = window.reaction(window.push("likeness.puppet_add("))
    window.wait("'Layout' in bpy.data.workspaces", 20)
    time.sleep(2)
    window.shot("template, puppet added")
    assert window.ask("bpy.context.window_manager.windows[0].workspace.name") != "Layout"
    window.ask(
        "setattr(bpy.context.window_manager.windows[0], 'workspace', bpy.data.workspaces['Layout'])"
    )
    time.sleep(3)
    window.shot("template, puppet framed")
    distance = "area_of('VIEW_3D').spaces.active.region_3d.view_distance"
    assert window.ask(distance) < 1


def go_to(window: Window, workspace: str) -> None:
    """Click the workspace's tab, and wait until it is shown."""
    window.move(WORKSPACES[workspace])
    time.sleep(0.5)
    window.click()
    shown = "bpy.context.window_manager.windows[0].workspace.name"
    window.wait(f"{shown} == {workspace!r}", 30)
    time.sleep(2)


def captured(window: Window) -> Clicked:
    return window.push("likeness.capture_viewport(")


def open_mouth(folder: Path) -> float:
    """How much the head's picture changes from the closed mouth to the open one, of 255."""
    import cv2
    import numpy as np

    first = newest_version(folder) / "head_000000.png"
    closed, opened = (
        cv2.imread(str(first.with_name(f"head_{index:06d}.png"))).astype(np.float32)
        for index in (0, 19)
    )
    return float(np.percentile(np.abs(opened - closed), 99))
