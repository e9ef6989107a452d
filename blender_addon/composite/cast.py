# SPDX-License-Identifier: GPL-3.0-or-later
"""Several portraits at once: one take on many, or a dialogue in which each has a take of its own.

Each portrait that is ticked gets a job of its own; together they have one progress, and one line
for each that could not be made. What one lacks holds up no other.
"""

from __future__ import annotations

import json

import bpy

from .. import versions
from ..errors import InputError, JobError
from ..portrait import portraits
from ..properties import (
    LikenessPortrait,
    LikenessTake,
    active_take,
    find_take,
    new_uid,
    settings,
)
from ..worker import jobs
from . import synthesis
from .synthesis import CAST as KIND

_TOGETHER = "together"  # in the notes: what was started by one press


def take_of(scene: bpy.types.Scene, portrait: LikenessPortrait) -> LikenessTake:
    """The take that a portrait is to perform: its own, else the active one. InputError: none."""
    if portrait.part:
        try:
            return find_take(portrait.part)
        except InputError:
            raise InputError(f"the take of '{portrait.name}' was removed; choose one") from None
    return active_take(scene)


def members(scene: bpy.types.Scene) -> list[LikenessPortrait]:
    """The portraits that are ticked."""
    return [portrait for portrait in settings(scene).portraits if portrait.in_cast]


def without_consent(scene: bpy.types.Scene) -> list[LikenessPortrait]:
    """Those of them of which nothing may be rendered yet."""
    return [portrait for portrait in members(scene) if portraits.consent_missing(portrait)]


def synthesize(context: bpy.types.Context) -> str:
    """Let the worker make the range of every portrait that is ticked, one after the other.

    JobError without a window, where some could not be made, once all others are.
    """
    scene = versions.sequencer_scene(context)
    names = [portrait.uid for portrait in members(scene)]
    if not names:
        raise InputError("no portrait is ticked; tick those that are to be made")
    together, failed, started = new_uid(), [], 0
    for uid in names:
        portrait = next(each for each in settings(scene).portraits if each.uid == uid)
        name = portrait.name
        try:
            take = take_of(scene, portrait)
            synthesis.start(context, scene, portrait, take, KIND, {_TOGETHER: together})
            started += 1
        except InputError as error:
            jobs.note_failed(scene, KIND, str(error), {"portrait": uid, _TOGETHER: together})
            failed.append(f"{name}: {error}")
        except JobError as error:  # without a window: it ran, and is on the list
            failed.append(f"{name}: {error}")
    if failed and (jobs.inline() or not started):
        raise JobError(f"{len(failed)} of {len(names)} were not made: {'; '.join(failed)}")
    return f"{started} of {len(names)} portraits are being made"


def progress(scene: bpy.types.Scene) -> jobs.Progress | None:
    """How far all of them together are, in frames; None when none runs."""
    alive = jobs.running(scene, KIND)
    if not alive:
        return None
    together = json.loads(alive[-1].notes).get(_TOGETHER)
    done = total = 0
    rate = 0.0
    for item in _last(scene, together):
        first, last = json.loads(item.request).get("frames", (0, -1))
        count, now = last - first + 1, jobs.progress(item)
        total += count
        if now is None:
            done += count
        elif now.total and not now.text:
            done += round(count * now.done / now.total)
            rate = now.rate
    left = (total - done) / rate if rate > 0 else 0.0
    return jobs.Progress(done, total, rate, left)


def failures(scene: bpy.types.Scene) -> list[str]:
    """Why those of the last press that have ended were not made, a line each."""
    items = [item for item in jobs.listed(scene) if item.kind == KIND]
    if not items:
        return []
    names = {portrait.uid: portrait.name for portrait in settings(scene).portraits}
    found = []
    for item in _last(scene, json.loads(items[-1].notes).get(_TOGETHER)):
        if jobs.progress(item) is None and jobs.state(item) != "DONE":
            name = names.get(json.loads(item.notes).get("portrait"), "a portrait that was removed")
            found.append(f"{name}: {item.message or jobs.state(item).lower()}")
    return found


def cancel(scene: bpy.types.Scene) -> str:
    """End what is not made yet; finished frames are kept."""
    for item in jobs.running(scene, KIND):
        jobs.cancel(item.name)
    return ""


def _last(scene: bpy.types.Scene, together: str | None) -> list[jobs.LikenessJob]:
    return [
        item
        for item in jobs.listed(scene)
        if item.kind == KIND and json.loads(item.notes).get(_TOGETHER) == together
    ]
