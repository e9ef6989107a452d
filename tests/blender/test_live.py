# SPDX-License-Identifier: GPL-3.0-or-later
"""Live in Blender without a window: a strip drives the portrait, and leaves a take."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from blender_addon.live import session
from blender_addon.live.operators import wait_for_picture
from blender_addon.live.panels import words_on
from tests.blender.shoot import Shoot, absolute, ops, refused

pytestmark = [pytest.mark.blender, pytest.mark.footage]


def test_a_strip_drives_the_portrait_and_leaves_a_take(shoot: Shoot) -> None:
    scene = shoot.scene()
    assert "no portrait" in refused(ops.live_start)
    ops.portrait_from_strip(strip="lisa.jpg")
    choices = scene.likeness_live
    choices.source, choices.record = "STRIP", True
    scene.sequence_editor.active_strip = scene.sequence_editor.strips["actor"]
    ops.live_start()
    assert "is on already" in refused(ops.live_start)
    run = session.current()
    assert run is not None
    assert wait_for_picture(90), session.last_words()
    first = run.feed.picture()
    assert first is not None
    assert first.shape[2] == 4
    assert 0.1 < float(first[..., :3].mean()) < 0.9
    assert (first[..., 3] == 1).all()
    # The lowest row comes first, as a texture takes it: the hands are below.
    ops.live_recenter()
    choices.mirror = True
    moved = []
    begun = run.feed.serial
    while run.feed.serial < begun + 5:
        picture = run.feed.picture()
        assert picture is not None
        moved.append(float(np.abs(picture - first).mean()))
    assert max(moved) > 0.001
    assert "a second" in words_on(run)
    ops.live_stop()
    assert session.current() is None
    assert not run.feed.path.exists()
    [take] = scene.likeness.takes
    assert take.name == "live"
    assert take.frames > 3
    assert absolute(take.track).is_file() and take.performance
    assert tuple(take.rate) == (30, 1)


@pytest.mark.only_blender("5.0")
def test_beyond_this_machine_blender_must_be_allowed_online(shoot: Shoot) -> None:
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    scene.likeness_live.source, scene.likeness_live.host = "PHONE", "0.0.0.0"
    if not bpy.app.online_access:
        assert "Allow Online Access" in refused(ops.live_start)
