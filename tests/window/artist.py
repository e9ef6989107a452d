# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does in Blender's window by the mouse, as steps of the walks."""

from __future__ import annotations

import time
from pathlib import Path

from tests.window.window import HEIGHT, Window

PORTRAIT, ACTOR = "mona_lisa.jpg", "actor.mp4"
RESTING = "not any(each.state == 'RUNNING' for each in bpy.context.scene.likeness_jobs)"
STATUS_BAR_CROSS = (414, HEIGHT - 988)
# From the mouse on the button that asks, pixels right and up: the dialog's fields.
WHO, BASIS, NOTE, OK = (-74, -9), (-74, -35), (-74, -61), (-55, -92)
# The panels inside Performance while all are closed: pixels above the slider Pose.
CLOSED = {"Trim and Clean": 160, "Edit by Hand": 134, "From the 3D Scene": 108, "Overlay": 82}
_TIMELINE = (700, 300)
HALF, SMALL = 0.7, 0.878  # columns of the sidebar: a right half, an eyedropper


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
    """How many frames of the newest version are on the disk."""
    return len(list(newest_version(window.folder).glob("head_*.png")))


def newest_version(folder: Path) -> Path:
    """The folder of the head frames that were begun last."""
    return max(folder.glob("likeness/*/*/v*"))


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
    window.press("l")  # Licensed
    time.sleep(0.3)
    reactions["OK, with a note of consent"] = window.reaction(window.click(at(OK)))
    portrait = "bpy.context.scene.likeness.portraits[0]"
    assert window.ask(f"{portrait}.consent_who") == "Lisa del Giocondo"
    assert window.ask(f"{portrait}.consent_basis") == "LICENSED"
    window.shot("consent recorded")


def capture(window: Window, reactions: dict[str, float]) -> None:
    select(window, ACTOR)
    reactions["Capture Footage"] = window.reaction(window.push("likeness.capture_footage("))
    rest(window)
    assert window.ask("[each.frames for each in bpy.context.scene.likeness.takes]") == [75]


def open_panel(window: Window, name: str) -> None:
    """Make the sequencer as large as the window, and open or close a panel inside Performance.

    All of them are closed, but for those below this one.
    """
    enlarge(window)
    x, y, width, height = window.ask("sidebar()")
    window.move((x + width * 0.5, y + height * 0.5))
    window.scroll(-60)  # from the foot the panels may be out of sight above the slider
    x, y = window.find("likeness.pose", HALF)
    window.click((x, y + CLOSED[name]))
    time.sleep(1)
    window.shot(f"panel {name}")


def enlarge(window: Window) -> None:
    """Ctrl-Space over the timeline: the sequencer alone; a second time: as it was."""
    window.move(_TIMELINE)
    window.press("ctrl+space")
    time.sleep(1.5)


def number(window: Window, button: str, value: float) -> None:
    """Type a value into a number's field."""
    window.click_twice(window.find(button, HALF))
    window.press("ctrl+a")
    window.type(str(value))
    window.press("Return")
    time.sleep(0.5)


def playhead(window: Window, frame: int) -> None:
    window.click(window.ask(f"place_of_playhead({frame})"))
    assert window.ask("bpy.context.scene.frame_current") == frame
