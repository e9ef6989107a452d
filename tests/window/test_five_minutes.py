# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's five minutes, with the mouse: once with footage, once with the puppet.

What a click shows should come within 0.2 s while the worker runs. The figures are printed, and
only what no busy machine explains is an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.window.window import HEIGHT, Clicked, Window

pytestmark = [pytest.mark.window, pytest.mark.timeout(1500)]

PORTRAIT = "mona_lisa.jpg"
MUCH_TOO_LONG = 3.0  # seconds from a click to what it shows
RESTING = "not any(each.state == 'RUNNING' for each in bpy.context.scene.likeness_jobs)"
STATUS_BAR_CROSS = (414, HEIGHT - 988)
CAMERA_VIEW = (1287, HEIGHT - 257)  # the button in the 3D view
LAYOUT, VIDEO_EDITING = (300, HEIGHT - 14), (1184, HEIGHT - 14)
# From the mouse on the button that asks, pixels right and up: the dialog's fields.
WHO, BASIS, NOTE, OK = (-74, -9), (-74, -35), (-74, -61), (-55, -92)


@pytest.fixture
def reactions() -> Iterator[dict[str, float]]:
    """What was clicked, and the seconds until something was to be seen; printed at the end."""
    found: dict[str, float] = {}
    yield found
    for name, seconds in found.items():
        print(f"{name:32} {seconds:.3f} s")
        assert seconds < MUCH_TOO_LONG, f"{name}: {seconds:.1f} s"


def open_tab(window: Window) -> None:
    """N over the sequencer, then the tab."""
    time.sleep(1)
    window.move((900, 300))
    window.press("n")
    time.sleep(1)
    x, y, width, height = window.ask("sidebar()")
    window.click((x + width - 10, y + height - 186))
    window.wait("region(sequencer(), 'UI').active_panel_category == 'Likeness'", 20)


def select(window: Window, strip: str) -> None:
    window.click(window.ask(f"place_of_strip({strip!r}, 30)"))
    window.wait(f"bpy.context.scene.sequence_editor.active_strip.name == {strip!r}", 20)


def rest(window: Window) -> None:
    """Until no job runs and the panels have come to rest."""
    window.wait(RESTING)
    time.sleep(1)


def states(window: Window) -> dict[str, str]:
    """The last job of each label, and how it stands."""
    return dict(window.ask("[(i.label, i.state) for i in bpy.context.scene.likeness_jobs]"))


def head_pictures(window: Window) -> int:
    """How many frames of the head strip are on the disk."""
    return len(list(window.folder.glob("likeness/*/*/head_*.png")))


def take_portrait(window: Window, reactions: dict[str, float]) -> None:
    select(window, PORTRAIT)
    reactions["From Active Strip"] = window.reaction(window.push("likeness.portrait_from_strip("))
    rest(window)
    assert states(window)["Find faces"] == "DONE"
    window.shot("portrait found")


def record_consent(window: Window, reactions: dict[str, float]) -> None:
    x, y = window.find("likeness.consent_record(")
    window.click((x, y))
    time.sleep(0.7)
    window.shot("consent asked")

    def at(offset: tuple[int, int]) -> tuple[float, float]:
        return x + offset[0], y + offset[1]

    window.click(at(WHO))
    time.sleep(0.3)
    window.type("Lisa del Giocondo")
    window.press("Return")
    window.click(at(BASIS))
    time.sleep(0.5)
    window.shot("consent basis")
    window.press("h")  # Historic
    time.sleep(0.3)
    reactions["OK, with a note of consent"] = window.reaction(window.click(at(OK)))
    portrait = "bpy.context.scene.likeness.portraits[0]"
    assert window.ask(f"{portrait}.consent_who") == "Lisa del Giocondo"
    assert window.ask(f"{portrait}.consent_basis") == "HISTORIC"
    window.shot("consent recorded")


def test_the_walk_with_footage(window: Window, reactions: dict[str, float]) -> None:
    window.shot("opened")
    open_tab(window)
    window.shot("tab")
    take_portrait(window, reactions)
    record_consent(window, reactions)

    select(window, "actor.mp4")
    began = time.monotonic()
    reactions["Capture Footage"] = window.reaction(window.push("likeness.capture_footage("))
    window.shot("capturing")
    rest(window)
    assert window.ask("[each.frames for each in bpy.context.scene.likeness.takes]") == [75]
    window.shot("captured")

    window.click(window.ask("place_of_playhead(33)"))  # the actor speaks
    assert window.ask("bpy.context.scene.frame_current") == 33
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
    for _ in range(12):
        window.press("ctrl+z")
        time.sleep(0.7)
        if not any("plays" in name for name in window.ask(names)):
            break
    else:
        raise AssertionError(f"it cannot be undone: {window.shot('not undone')}")
    assert {PORTRAIT, "actor.mp4"} <= set(window.ask(names)) <= set(strips_before)
    window.shot("undone")
    for _ in range(12):
        window.press("ctrl+shift+z")
    time.sleep(1)
    assert any("plays" in name for name in window.ask(names))
    window.shot("redone")


def test_the_walk_with_the_puppet(window: Window, reactions: dict[str, float]) -> None:
    open_tab(window)
    take_portrait(window, reactions)
    record_consent(window, reactions)

    x, y = window.find("likeness.capture_footage(")
    window.click((x, y - 37))  # the line below it: From the 3D Scene
    time.sleep(1)
    window.shot("from the 3D scene")
    reactions["Add Puppet"] = window.reaction(window.push("likeness.puppet_add("))
    reactions["Add Face Camera"] = window.reaction(window.push("likeness.puppet_camera("))
    window.click(LAYOUT)
    time.sleep(2)
    window.click((640, HEIGHT - 540))  # the cube that every new scene has
    window.press("x", "Return")
    time.sleep(0.5)
    assert "Cube" not in window.ask("[each.name for each in bpy.context.scene.objects]")
    window.click(CAMERA_VIEW)
    time.sleep(1.5)
    window.shot("puppet")
    window.ask("animate_puppet()")
    window.ask("bpy.context.scene.frame_set(20)")
    time.sleep(1)
    window.shot("puppet animated")

    window.click(VIDEO_EDITING)
    time.sleep(2)
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


def captured(window: Window) -> Clicked:
    return window.push("likeness.capture_viewport(")


def open_mouth(folder: Path) -> float:
    """How much the head's picture changes from the closed mouth to the open one, of 255."""
    import cv2
    import numpy as np

    (first,) = folder.glob("likeness/*/*/head_000000.png")
    closed, opened = (
        cv2.imread(str(first.with_name(f"head_{index:06d}.png"))).astype(np.float32)
        for index in (0, 19)
    )
    return float(np.percentile(np.abs(opened - closed), 99))
