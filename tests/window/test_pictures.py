# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from the file browser, personalizing on them, and the preferences, with the mouse."""

from __future__ import annotations

import time

import cv2
import pytest

from tests.window.artist import STATUS_BAR_CROSS, open_tab, rest, states
from tests.window.window import HEIGHT, Window

pytestmark = [pytest.mark.window, pytest.mark.timeout(1500)]

EDIT_MENU = (80, HEIGHT - 14)
ADD_ONS = (56, 229)  # from the upper left corner of the preferences' window: the entry
SEARCH, UNFOLD, CHECK = (130, 18), (22, 53), (363, 364)  # from that of its right side
FIRST_ROW, ROW = 39, 22  # pixels in the list of files


def test_a_portrait_of_two_pictures(window: Window, reactions: dict[str, float]) -> None:
    """Both are chosen in the file browser; personalizing on them starts, and the cross ends it."""
    picture = cv2.imread(str(window.folder / "mona_lisa.jpg"))
    cv2.imwrite(str(window.folder / "mona_lisa_too.jpg"), cv2.flip(picture, 1))
    open_tab(window)
    window.push("likeness.portrait_from_files(")
    window.wait("area_of('FILE_BROWSER') and len(bpy.context.window_manager.windows) > 1", 20)
    time.sleep(1)
    folders = sum(1 for path in window.folder.iterdir() if path.is_dir())
    rows = [FIRST_ROW + ROW * (folders + k) for k in range(2)]
    browser = "[a for w in bpy.context.window_manager.windows[1:] for a in w.screen.areas][0]"
    window.click(window.ask(f"in_area({browser}, 'WINDOW', 200, {rows[0]})"))
    window.click_too(window.ask(f"in_area({browser}, 'WINDOW', 200, {rows[1]})"))
    time.sleep(0.4)
    window.shot("two pictures chosen")
    accept = window.ask(f"in_area({browser}, 'EXECUTE', 790, 22)")
    reactions["From Files"] = window.reaction(window.click(accept))
    rest(window)
    window.shot("portrait of two pictures")
    portrait = "bpy.context.scene.likeness.portraits[0]"
    assert window.ask(f"[len(p.faces) for p in {portrait}.pictures]") == [1, 1]

    reactions["Personalize"] = window.reaction(window.push("likeness.personalize("))
    window.wait("any(p.text or p.total for _i, _l, p in the_jobs().overview())", 120)
    time.sleep(8)
    window.shot("personalizing")
    reactions["the cross"] = window.reaction(window.click(STATUS_BAR_CROSS))
    rest(window)
    window.shot("personalizing cancelled")
    assert states(window)["Personalize"] == "CANCELLED"
    assert not window.ask(f"{portrait}.person")


def test_the_runtime_is_checked_in_the_preferences(window: Window) -> None:
    open_tab(window)
    window.click(EDIT_MENU)
    time.sleep(0.7)
    window.press("p")
    window.wait("area_of('PREFERENCES') is not None", 20)
    time.sleep(1)
    window.click(window.ask(f"corner('PREFERENCES', 'UI', *{ADD_ONS})"))
    time.sleep(0.7)
    window.click(window.ask(f"corner('PREFERENCES', 'WINDOW', *{SEARCH})"))
    time.sleep(0.4)
    window.type("likeness")
    window.press("Return")
    time.sleep(0.7)
    window.click(window.ask(f"corner('PREFERENCES', 'WINDOW', *{UNFOLD})"))
    time.sleep(1)
    window.shot("preferences")
    window.click(window.ask(f"corner('PREFERENCES', 'WINDOW', *{CHECK})"))
    time.sleep(0.2)
    window.shot("checking the runtime")
    window.wait("len(checked()) > 1", 120)
    time.sleep(0.5)
    window.shot("runtime checked")
    lines = window.ask("checked()")
    print(*lines, sep="\n")
    assert len(lines) == 10
    assert lines[0].startswith("Python: ")
