# SPDX-License-Identifier: GPL-3.0-or-later
"""A take that was recorded elsewhere: a phone's file, or another project's performance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..properties import LikenessTake, new_uid, settings
from ..storage import folders, recordings
from ..worker import jobs
from . import takes

KIND = "import"
ENDINGS = (".csv", recordings.PERFORMANCE_SUFFIX)


def import_take(context: bpy.types.Context, path: Path) -> str:
    """Let the worker read a phone's CSV or a performance as a new take, at the scene's start."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; choose a phone's CSV or a performance")
    if not path.name.lower().endswith(ENDINGS):
        raise InputError(f"{path}: no take; choose a phone's CSV or a *{ENDINGS[1]}")
    scene = versions.sequencer_scene(context)
    uid, name = new_uid(), takes.free_name(scene, path.name.partition(".")[0])
    slug = f"{folders.safe_name(name)}-{uid}"
    out = takes.take_file(slug, recordings.PERFORMANCE_SUFFIX)
    command = ["-m", "inference", "take", str(path), "--out", str(out)]
    notes = {"uid": uid, "slug": slug, "name": name, "out": str(out), "scene": scene.name}
    jobs.start(context, KIND, {"command": command}, notes)
    return ""


def apply_import(
    _context: bpy.types.Context, scene: bpy.types.Scene, ticket: jobs.Ticket, _result: Any
) -> str:
    """The performance becomes a take, at the scene's start."""
    take = add_performance(scene, ticket.notes, Path(ticket.notes["out"]))
    rate = take.rate[0] / take.rate[1]
    return f"{take.name}: {take.frames} frames at {rate:.4g} a second"


def add_performance(
    scene: bpy.types.Scene,
    notes: dict[str, Any],
    path: Path,
    start: float | None = None,
    pace: float = 0.0,
) -> LikenessTake:
    """A performance as a take, used as it is: there is no footage to clean it from.

    notes: the job's; its `scene` counts where that is still there. start: frame of the timeline;
    None: the scene's first.
    """
    scene = bpy.data.scenes.get(notes["scene"]) or scene
    performance = recordings.load_performance(path)
    take = settings(scene).takes.add()
    take.name, take.uid, take.slug = notes["name"], notes["uid"], notes["slug"]
    take.performance = folders.stored(path)
    take.frames, take.last = len(performance), len(performance) - 1
    take.rate = performance.rate.numerator, performance.rate.denominator
    take.start, take.pace = scene.frame_start if start is None else start, pace
    take.gaps = int((~performance.valid).sum())
    settings(scene).take_index = len(settings(scene).takes) - 1
    return take
