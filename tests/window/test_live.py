# SPDX-License-Identifier: GPL-3.0-or-later
"""Live in Blender's window: a strip as camera drives the portrait over the preview."""

from __future__ import annotations

import time

import pytest

from tests.window.artist import ACTOR, open_tab, select, take_portrait
from tests.window.window import Window

pytestmark = [pytest.mark.window, pytest.mark.timeout(1500)]

MOST_MS = 8.0  # of the processor in the main thread, a picture


def test_a_strip_drives_the_portrait_in_the_preview(
    window: Window, reactions: dict[str, float]
) -> None:
    open_tab(window)
    take_portrait(window, reactions)
    select(window, ACTOR)
    window.ask("live_as(source='STRIP', record=True)")
    window.ask("bpy.ops.likeness.live_start() and None")
    window.wait("live_now() is not None and live_now().feed.serial > 2", 120)
    for second in range(8):
        window.shot(f"live {second}")
        time.sleep(0.5)
    window.ask("bpy.ops.likeness.live_recenter() and None")
    window.ask("live_as(mirror=True)")
    time.sleep(3)
    costs = window.ask("live_costs()")
    print(f"processor ms of the main thread: {costs[0]:.1f}, 99th percentile {costs[1]:.1f}")
    window.ask("bpy.ops.wm.save_mainfile() and None")  # saving while it runs
    begun = window.ask("live_now().feed.serial")
    window.wait(f"live_now().feed.serial > {begun}", 60)
    before = time.monotonic()
    window.ask("bpy.ops.likeness.live_stop() and None")
    window.wait("live_now() is None", 30)
    print(f"stopped within {time.monotonic() - before:.2f} s")
    window.wait("len(bpy.context.scene.likeness.takes) == 1", 60)
    window.wait("not any(e.state == 'RUNNING' for e in bpy.context.scene.likeness_jobs)", 120)
    window.shot("live became a take")
    assert costs[0] < MOST_MS
    window.press("ctrl+z")
    window.wait("len(bpy.context.scene.likeness.takes) == 0", 20)
