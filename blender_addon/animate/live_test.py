# SPDX-License-Identifier: GPL-3.0-or-later
"""The test frame follows the strengths: while it is shown, it is made again as they are now.

From the timer, so nothing is written into the .blend: the worker makes the frame in a folder
beside, and its file takes the place of the one that the strip shows.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..performance import takes as performance
from ..properties import active_portrait, active_take
from ..sequencer import head_strip
from ..sequencer.placement import read_placement
from ..storage import folders
from ..worker import jobs, pump
from . import frames

MARKS = "frames.marks"

# Of a test frame, by its tag: the choices that it was laid with, and those asked for since.
_asked: dict[str, tuple[str, str]] = {}
_running = ""  # the worker's job, while there is one


def settle() -> None:
    """Between ticks: where the test frame is of other choices than are seen now, make it again."""
    global _running
    if jobs.inline() or not bpy.context.window_manager.windows:
        return
    if _running and pump.waits(_running):
        if jobs.overview():  # what a button asked for comes first
            pump.cancel(_running)
        return
    _running = ""
    if jobs.overview():
        return
    try:
        _follow(versions.sequencer_scene(bpy.context))
    except InputError:
        return  # something is missing; the buttons say what


def _follow(scene: bpy.types.Scene) -> None:
    global _running
    portrait, take = active_portrait(scene), active_take(scene)
    tag = frames.test_tag(portrait)
    strip = head_strip.find(scene, tag)
    if strip is None or frames.CHOICES not in strip:
        return
    index = performance.timing_of(scene, take).index_at(versions.span(strip)[0])
    out = folders.cache("test", f"{portrait.uid}-{take.uid}-live")
    request = frames.request(scene, portrait, take, out, (index, index), final=False)
    choices, laid = frames.choices_of(request), str(strip[frames.CHOICES])
    before, asked = _asked.get(tag, ("", ""))
    if choices == (asked if before == laid else laid):
        return
    _asked[tag] = laid, choices
    shown = folders.absolute(strip.directory) / strip.elements[0].filename
    done = partial(_arrived, scene.session_uid, tag, shown, out / shown.name)
    _running = pump.submit(jobs.completed(request), done)


def _arrived(scene_uid: int, tag: str, shown: Path, made: Path, event: dict[str, Any]) -> None:
    """The frame is there: let the strip's file be that one, if the strip still shows it."""
    if event["event"] != "done":
        return
    scene = next((each for each in bpy.data.scenes if each.session_uid == scene_uid), None)
    strip = head_strip.find(scene, tag) if scene is not None else None
    if strip is None or folders.absolute(strip.directory) != shown.parent:
        return
    before, now = read_placement(shown.parent), read_placement(made.parent)
    if replace(now, folder=before.folder) != before:
        return  # of another size or layer: Test This Frame lays it again
    try:
        os.replace(made, shown)
        os.replace(made.parent / MARKS, shown.parent / MARKS)
    except OSError:
        return
    head_strip.refresh(strip)


def register() -> None:
    pump.settlers.append(settle)


def unregister() -> None:
    global _running
    if settle in pump.settlers:
        pump.settlers.remove(settle)
    _asked.clear()
    _running = ""
