# SPDX-License-Identifier: GPL-3.0-or-later
"""Live in Blender without a window: a strip drives the portrait, and leaves a take."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon.live import drawing, session
from blender_addon.live.feed import Feed
from blender_addon.live.operators import wait_for_picture
from blender_addon.live.panels import words_on
from blender_addon.worker import jobs
from inference.track import save_track
from tests.blender.performances import real_track
from tests.blender.shoot import Shoot, absolute, ops, refused, reopened
from tests.blender.windowed import as_in_a_window, ticks

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


def test_another_file_ends_the_run(shoot: Shoot) -> None:
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    scene.likeness_live.source = "STRIP"
    scene.sequence_editor.active_strip = scene.sequence_editor.strips["actor"]
    bpy.ops.wm.save_mainfile()
    ops.live_start()
    run = session.current()
    assert run is not None
    bpy.context.scene.likeness_live.mirror = True
    reopened()
    assert session.current() is None
    assert not run.feed.path.exists()
    ops.live_start()  # not 'is on already'
    ops.live_stop()
    assert session.current() is None


@pytest.fixture
def recorded(scene: Any, samples: Path, tmp_path: Path) -> Iterator[Callable[..., session.Session]]:
    """A run of this scene, with a recording or without, that is on now."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))

    def run(name: str, seconds: int | None = 1, **how: Any) -> session.Session:
        record = tmp_path / f"{name}.track.npz"
        if seconds:
            save_track(real_track(samples, 30 * seconds), record)
        here = bpy.context.scene.session_uid
        feed = Feed(tmp_path / f"{name}.pictures")
        session._now = session.Session(name, feed, here, name, "", record, name, name, **how)
        return session._now

    yield run
    session._now = None


def test_each_live_take_is_an_undo_step(
    recorded: Callable[..., session.Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_in_a_window(monkeypatch)
    for count, name in enumerate(("live", "live 2"), 1):
        recorded(name)
        session._heard({"event": "done", "id": name})
        assert len(bpy.context.scene.likeness.takes) == count - 1  # not in the middle of anything
        ticks(lambda: not session._recorded and not jobs.overview())
    assert [take.name for take in bpy.context.scene.likeness.takes] == ["live", "live 2"]
    assert all(take.performance for take in bpy.context.scene.likeness.takes)
    bpy.ops.ed.undo()
    assert [take.name for take in bpy.context.scene.likeness.takes] == ["live"]


def test_how_a_run_ended_is_said_after_stop_too(
    recorded: Callable[..., session.Session],
) -> None:
    late = time.monotonic() - 10
    run = recorded("saves", None, records=True, asked=late)
    session.tick()
    assert not run.killed  # it gets the time to save its take
    session._heard({"event": "error", "id": "saves", "message": "the disk is full"})
    assert session.last_words() == "the disk is full"
    assert not run.feed.path.exists()
    with pytest.raises(ValueError, match="closed"):
        _ = run.feed.serial

    run = recorded("hangs", None, asked=late)
    session.tick()
    assert run.killed
    run.records = True
    session._heard({"event": "cancelled", "id": "hangs"})
    assert "did not stop" in session.last_words() and "lost" in session.last_words()

    run = recorded("broken")
    run.record.write_bytes(b"no track")
    session._heard({"event": "done", "id": "broken"})
    assert "broken.track.npz" in session.last_words()
    assert len(bpy.context.scene.likeness.takes) == 0


def test_a_picture_that_cannot_be_drawn_is_said_once_a_run(
    recorded: Callable[..., session.Session], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        run = recorded(name, None)
        struct.pack_into("<III", run.feed._map, 8, 2, 2, 1)  # there is a picture, and no window
        drawing.draw()
        drawing.draw()
        assert capsys.readouterr().err.count("live is not drawn") == 1


@pytest.mark.only_blender("5.0")
def test_beyond_this_machine_blender_must_be_allowed_online(shoot: Shoot) -> None:
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    scene.likeness_live.source, scene.likeness_live.host = "PHONE", "0.0.0.0"
    if not bpy.app.online_access:
        assert "Allow Online Access" in refused(ops.live_start)
