# SPDX-License-Identifier: GPL-3.0-or-later
"""Syntheses one after the other while Blender prefetches, as its template Video Editing has it.

Blender must outlive them, and the person's Prefetch Frames must be as it was. How many:

    python -m pytest tests/window/test_prefetch.py --syntheses 50
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.window.artist import PORTRAIT, RESTING, head_pictures, states
from tests.window.window import Window

pytestmark = [pytest.mark.window, pytest.mark.timeout(7200)]

FRAMES = 12
CHANGES = 60  # without care Blender died at the first strip that was taken away
CANCELLED = 5  # each fifth synthesis is ended in the middle
TIMELINE = (700, 300)


@pytest.fixture
def syntheses(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--syntheses"))


def test_blender_outlives_syntheses(template_window: Window, syntheses: int) -> None:
    prepare(template_window)
    loop(template_window, syntheses, lambda: time.sleep(0.3))
    template_window.shot("after the syntheses")


def test_blender_outlives_syntheses_while_it_plays_and_is_scrubbed(
    template_window: Window, syntheses: int
) -> None:
    prepare(template_window)
    loop(template_window, syntheses, lambda: play_and_scrub(template_window))
    template_window.shot("after scrubbing")


def test_blender_outlives_strips_that_come_and_go(template_window: Window) -> None:
    prepare(template_window)
    assert synthesize(template_window, 0.5) == "DONE"
    template_window.ask(f"loop_inside.begin_changes({CHANGES})")
    template_window.wait("loop_inside.changes_left() == 0", 600)
    time.sleep(1)
    assert template_window.ask("loop_inside.prefetches()") == [True]


def prepare(window: Window) -> None:
    """The portrait, its consent and a short take; Prefetch Frames is on."""
    assert window.ask(f"loop_inside.prepare({FRAMES})") == [True]
    for button, how in (
        ("portrait_from_strip", {"strip": PORTRAIT}),
        (
            "consent_record",
            {"who": "Lisa del Giocondo", "basis": "LICENSED"},
        ),
        ("capture_footage", {"source": "STRIP", "strip": "actor.mp4"}),
    ):
        assert window.ask(f"loop_inside.press({button!r}, **{how!r})") == ["FINISHED"]
        window.wait(RESTING)
    assert window.ask("[each.frames for each in bpy.context.scene.likeness.takes]") == [FRAMES]


def loop(window: Window, count: int, meanwhile: Callable[[], None]) -> None:
    for k in range(count):
        cancelled = k % CANCELLED == CANCELLED - 1
        ended = synthesize(window, 0.3 + 0.02 * (k % 80), meanwhile, cancelled)
        assert ended == "DONE" or cancelled, f"synthesis {k + 1}"
        assert window.ask("loop_inside.prefetches()") == [True]
        if ended == "DONE":
            assert head_pictures(window) == FRAMES
            assert len(set(window.ask("loop_inside.head_files()"))) == FRAMES
        print(f"synthesis {k + 1} of {count}: {ended}", flush=True)


def synthesize(
    window: Window, mouth: float, meanwhile: Callable[[], None] | None = None, cancel: bool = False
) -> str:
    """One synthesis; how it ended. Nothing is prefetched before that."""
    assert window.ask(f"loop_inside.synthesize({mouth})") == ["FINISHED"]
    still = "loop_inside.prefetches() == [False]"
    assert window.ask(f"{still} or {RESTING}")
    if cancel:
        window.wait("any(p.done for _i, _l, p in the_jobs().overview()) or " + RESTING, 120)
        window.ask("loop_inside.press('job_cancel')")
    while not window.ask(RESTING):
        if meanwhile is not None:
            meanwhile()
    return states(window)["Synthesize"]


def play_and_scrub(window: Window) -> None:
    """Drag the playhead over the frames, then let it play a little."""
    begin, end = (window.ask(f"place_of_playhead({frame})") for frame in (1, FRAMES))
    window.drag(begin, end[0] - begin[0], 0)
    window.move(TIMELINE)
    window.press("space")
    time.sleep(0.6)
    window.press("space")
