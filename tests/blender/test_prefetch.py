# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's Prefetch Frames while jobs run; LIKENESS_SYNTHESES: how many one after the other.

Without a window Blender draws no preview, so it prefetches nothing: the switch is what can be
looked at here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest

import blender_addon
from blender_addon.sequencer import head_strip, output, prefetch
from blender_addon.worker import jobs, pump
from tests.blender.shoot import Shoot, head_of, ops, reopened, strip_facts
from tests.blender.windowed import as_in_a_window, press, some_are_made, ticks

pytestmark = [
    pytest.mark.blender,
    pytest.mark.footage,
    pytest.mark.timeout(3600),
]

COUNT = int(os.environ.get("LIKENESS_SYNTHESES", "2"))


def test_prefetching_stands_still_and_comes_back(
    shoot: Shoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strips change only while nothing is prefetched; the person's choice is always back."""
    saved, crashed = tmp_path / "saved.blend", tmp_path / "crashed.blend"
    scene = shoot.prepared(until=22)
    as_in_a_window(monkeypatch)
    scene.sequence_editor.use_prefetch = True
    seen: list[bool] = []
    for name in ("lay", "remove"):
        monkeypatch.setattr(head_strip, name, _watched(getattr(head_strip, name), seen))
    bpy.ops.ed.undo_push(message="before")

    press(ops.synthesize)
    ticks(some_are_made)
    assert not _on()
    bpy.ops.wm.save_as_mainfile(filepath=str(saved), copy=True)
    assert not _on()
    bpy.ops.ed.undo_push(message="the artist's own")
    ticks()
    assert _last_state() == "DONE" and _on()
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()  # to a step from the middle of the job
    assert _on()
    bpy.ops.ed.redo()
    assert _on()

    bpy.context.scene.likeness.mouth = 0.5
    press(ops.synthesize)
    ticks(some_are_made)
    press(ops.job_cancel)
    ticks()
    assert _last_state() == "CANCELLED" and _on()
    bpy.context.scene.likeness.mouth = 0.6
    press(ops.synthesize)
    ticks(some_are_made)
    worker = pump.worker_pid()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    ticks()
    assert _last_state() == "FAILED" and _on()
    bpy.context.scene.frame_current = 14
    press(ops.test_frame)
    ticks()
    press(ops.test_clear)
    assert seen and not any(seen)

    # As an automatic save leaves it, which tells nobody, before Blender crashes.
    assert head_of(bpy.context.scene) is not None
    bpy.app.handlers.save_pre.remove(prefetch._file_is_written)
    with prefetch.still():
        bpy.ops.wm.save_as_mainfile(filepath=str(crashed), copy=True)
    bpy.app.handlers.save_pre.append(prefetch._file_is_written)
    for path in (crashed, saved):
        reopened(path)
        assert _on(), path
    prefetch.begin("a job")
    assert not _on()
    blender_addon.unregister()
    assert _on()
    reopened(saved)
    assert _on()
    blender_addon.register()
    bpy.context.scene.sequence_editor.use_prefetch = False
    with prefetch.still():
        pass
    assert not _on()


def test_syntheses_with_rendering_between(shoot: Shoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other as in a window, a frame rendered while each runs and after."""
    scene = shoot.prepared()
    as_in_a_window(monkeypatch)
    scene.sequence_editor.use_prefetch = True
    scene.likeness.tier = "draft"
    still = shoot.folder / "still.png"
    for k in range(COUNT):
        bpy.context.scene.likeness.mouth = 0.3 + 0.02 * (k % 80)
        press(ops.synthesize)
        ticks(lambda: some_are_made() or not jobs.overview())
        output.render_still(bpy.context.scene, still, 12 + k % 6)
        ticks()
        output.render_still(bpy.context.scene, still, 12 + k % 6)
        files = strip_facts(bpy.context.scene)["head"]["files"]
        assert (_last_state(), _on(), len(set(files))) == ("DONE", True, 6), k


def _on() -> bool:
    return bool(bpy.context.scene.sequence_editor.use_prefetch)


def _last_state() -> str:
    return str(bpy.context.scene.likeness_jobs[-1].state)


def _watched(real: Callable[..., Any], seen: list[bool]) -> Callable[..., Any]:
    def watched(*arguments: Any) -> Any:
        seen.append(_on())
        return real(*arguments)

    return watched
