# SPDX-License-Identifier: GPL-3.0-or-later
"""A take in the artist's hands, with the mouse: trimmed, cleaned, edited as curves and as markers.

Then the file is saved and opened again, and ESC ends what runs.
"""

from __future__ import annotations

import time

import pytest

from tests.window.artist import (
    HALF,
    SMALL,
    capture,
    enlarge,
    head_pictures,
    newest_version,
    number,
    open_panel,
    open_tab,
    playhead,
    record_consent,
    rest,
    states,
    take_portrait,
)
from tests.window.window import HEIGHT, Window

pytestmark = [pytest.mark.window, pytest.mark.timeout(1500)]

TAKE = "bpy.context.scene.likeness.takes[0]"
PREVIEW, TIMELINE, FILE_MENU = (850, 700), (700, 300), (42, HEIGHT - 14)
CONTROL, KEYED = "blink_left", 24  # the curve and the frame of the timeline that are edited
PRESETS_BELOW = 25  # pixels from Edit as Curves down to the menu, which has no name in Python
MARKER = "Likeness lower lip"
TOGGLES = {"landmarks": 0.3, "mesh": 0.7, "preview": 0.2}  # and their columns in the sidebar


def test_a_take_is_trimmed_edited_saved_and_opened_again(
    window: Window, reactions: dict[str, float]
) -> None:
    open_tab(window)
    take_portrait(window, reactions)
    record_consent(window, reactions)
    capture(window, reactions)
    trim_and_clean(window, reactions)

    reactions["Synthesize"] = window.reaction(window.push("likeness.synthesize("))
    rest(window)
    assert head_pictures(window) == 26

    edit_a_curve(window, reactions)
    save_and_open_again(window)
    end_with_escape(window, reactions)


def trim_and_clean(window: Window, reactions: dict[str, float]) -> None:
    """In and out from the playhead, a neutral frame by hand, another smoothing."""
    open_panel(window, "Trim and Clean")
    for frame, what in ((15, "IN"), (40, "OUT"), (18, "NEUTRAL")):
        if what == "NEUTRAL":
            window.push("find_neutral", HALF)
        playhead(window, frame)
        window.push(f"likeness.take_set(what='{what}')", SMALL)
        time.sleep(0.5)
    facts = window.ask(f"take_facts({TAKE})")
    assert facts[2:5] == [14, 39, 17]
    number(window, "smooth_pose", 0.7)
    assert window.ask(f"round({TAKE}.smooth_pose, 3)") == 0.7
    assert "Update Take" in window.ask("hint()")
    window.shot("trimmed, not updated")
    reactions["Update Take"] = window.reaction(window.push("likeness.take_update("))
    rest(window)
    window.shot("take updated")
    after = window.ask(f"take_facts({TAKE})")
    assert window.ask("hint()") == ""
    assert after[5] == 17  # the neutral frame that was used
    assert after[9] != facts[9]  # made with the new choices
    enlarge(window)


def edit_a_curve(window: Window, reactions: dict[str, float]) -> None:
    """A blink at the playhead, one of its keys moved in the Graph Editor: just its frames."""
    open_panel(window, "Edit by Hand")
    playhead(window, KEYED)
    place = window.find("likeness.take_curves(")
    reactions["Edit as Curves"] = window.reaction(window.click(place))
    window.click((place[0], place[1] - PRESETS_BELOW))
    time.sleep(1)
    window.shot("presets")
    window.press("b")  # Blink
    window.wait(f"len(keys({CONTROL!r})) == 4", 20)
    window.shot("a blink added")
    enlarge(window)
    window.move(PREVIEW)
    window.press("shift+F6")
    time.sleep(1)
    window.click(window.ask("corner('GRAPH_EDITOR', 'CHANNELS', 100, 14)"))  # its search
    time.sleep(0.4)
    window.type(CONTROL)
    window.press("Return")
    window.move(window.ask("corner('GRAPH_EDITOR', 'WINDOW', 200, 200)"))
    window.press("Home")
    time.sleep(1)
    window.shot("curves")
    keys = window.ask(f"keys({CONTROL!r})")
    place = window.ask(f"place_of_key({CONTROL!r}, {KEYED})")
    window.click(place)
    window.drag(place, 0, -60)
    moved = window.ask(f"keys({CONTROL!r})")
    window.shot("a key moved")
    changed = [k for k, (a, b) in enumerate(zip(keys, moved, strict=True)) if a != b]
    assert changed == [1]
    assert keys[1] - moved[1] > 0.05

    window.move(PREVIEW)
    window.press("shift+F8")
    time.sleep(1)
    made = written(window)
    reactions["Keep Edits"] = window.reaction(window.push("likeness.take_curves_keep(", HALF))
    window.shot("edits kept")
    reactions["Synthesize, edited"] = window.reaction(window.push("likeness.synthesize("))
    rest(window)
    playhead(window, KEYED)
    window.shot("edited frame")
    now = written(window)
    numbers = [int(name[5:11]) + 1 for name in now if now[name] != made[name]]
    assert KEYED in numbers and len(numbers) < 9
    assert all(KEYED - 4 < number < KEYED + 8 for number in numbers)


def written(window: Window) -> dict[str, int]:
    """When each head frame was written."""
    found = sorted(newest_version(window.folder).glob("head_*.png"))
    return {path.name: path.stat().st_mtime_ns for path in found}


def save_and_open_again(window: Window) -> None:
    """Ctrl-S, then File > Revert: everything is there, and nothing has to be made again."""
    window.move(TIMELINE)
    window.press("ctrl+s")
    window.wait("not bpy.data.is_dirty", 20)
    before = window.ask("fingerprint()")
    window.click(FILE_MENU)
    time.sleep(0.5)
    window.press("v")  # Revert
    time.sleep(0.7)
    window.press("Return")
    time.sleep(3)
    assert window.ask("fingerprint()") == before
    made = written(window)
    window.push("likeness.synthesize(")
    rest(window)
    assert states(window)["Synthesize"] == "DONE"
    assert written(window) == made
    window.shot("opened again")


def end_with_escape(window: Window, reactions: dict[str, float]) -> None:
    """ESC over the timeline ends the job; Ctrl-Z takes its one step back, and redo brings it."""
    number(window, "likeness.mouth", 1.5)
    window.push("likeness.synthesize(")
    window.wait("any(p.done > 2 for _i, _l, p in the_jobs().overview())", 120)
    window.move(TIMELINE)
    reactions["ESC"] = window.reaction(window.tap("Escape"))
    rest(window)
    window.shot("ended by ESC")
    assert states(window)["Synthesize"] == "CANCELLED"
    done = window.ask("fingerprint()")
    window.press("ctrl+z")
    time.sleep(1)
    undone = window.ask("fingerprint()")
    assert undone != done
    assert window.ask("round(bpy.context.scene.likeness.mouth, 2)") == 1.5
    window.press("ctrl+shift+z")
    time.sleep(1)
    assert window.ask("fingerprint()") == done


def test_landmarks_are_moved_as_markers(window: Window, reactions: dict[str, float]) -> None:
    open_tab(window)
    capture(window, reactions)
    open_panel(window, "Edit by Hand")
    reactions["Add Markers"] = window.reaction(window.push("likeness.take_markers("))
    enlarge(window)
    window.move(PREVIEW)
    window.press("shift+F2")
    time.sleep(1.5)
    window.click(window.ask("corner('CLIP_EDITOR', 'HEADER', 406, 14)"))  # the list of clips
    time.sleep(1)
    window.shot("clip editor")
    window.type("actor")
    window.press("Return")
    window.wait("area_of('CLIP_EDITOR').spaces.active.clip is not None", 20)
    assert window.ask("area_of('CLIP_EDITOR').spaces.active.clip.name") == "actor.mp4"
    window.press("Home")
    time.sleep(1)
    window.shot("markers")
    place = window.ask(f"place_of_marker({MARKER!r})")
    window.click(place)
    window.drag(place, 0, -25)
    window.shot("a marker moved")
    track = window.ask(f"{TAKE}.track")
    reactions["Apply Markers"] = window.reaction(window.push("likeness.take_markers_apply(", HALF))
    rest(window)
    window.shot("markers applied")
    assert window.ask(f"{TAKE}.track") != track
    assert states(window)["Clean take"] == "DONE"


def test_the_overlay_is_switched(window: Window, reactions: dict[str, float]) -> None:
    open_tab(window)
    take_portrait(window, reactions)
    capture(window, reactions)
    open_panel(window, "Overlay")
    enlarge(window)
    for name, column in TOGGLES.items():
        clicked = window.push(f"likeness_overlay.{name}", column)
        reactions[f"Overlay, {name}"] = window.reaction(clicked)
        window.shot(f"overlay, {name} switched")
    shown = "bpy.context.scene.likeness_overlay"
    assert window.ask(f"[getattr({shown}, name) for name in {list(TOGGLES)!r}]") == [
        False,
        True,
        False,
    ]
