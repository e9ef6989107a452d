# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as Blender keeps them: a list on the scene, live progress beside it, results by undo steps.

A step of the work registers a `Kind` that says what to do with a result. While a job runs nothing
is written into the .blend: progress lives here, and what the job ended with is applied inside the
undo step of the button that began it. So Ctrl-Z never meets data that changed behind its back.
"""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import bpy

from .. import versions
from ..choices import chosen
from ..errors import InputError, JobError
from ..sequencer import prefetch
from . import pump, undo_steps
from .client import Event
from .launch import launch

ENDED = ("DONE", "FAILED", "CANCELLED")
_INTERRUPTED = "interrupted when the file was closed; start it again"


@dataclass(frozen=True)
class Ticket:
    """A job as its kind sees it. request: what the worker got; notes: the step's own facts.

    undo_step: name of the one that it belongs to.
    """

    id: str
    kind: str
    label: str
    request: dict[str, Any]
    notes: dict[str, Any]
    undo_step: str


@dataclass(frozen=True)
class Kind:
    """What a step does with its jobs.

    apply(context, scene, ticket, result): inside an undo step; returns the line for the list, or
    raises InputError, which marks the job as failed. arrived(scene, ticket, event): each event
    on the way, from the timer: it may refresh pictures, never change the file's data.
    ended(context, scene, ticket, state, message): it failed or was cancelled; in the undo step.
    lays_strips: what it brings is laid on strips, also on the way; nothing is prefetched meanwhile.
    """

    label: str
    apply: Callable[[bpy.types.Context, bpy.types.Scene, Ticket, dict[str, Any]], str]
    arrived: Callable[[bpy.types.Scene, Ticket, Event], None] | None = None
    ended: Callable[[bpy.types.Context, bpy.types.Scene, Ticket, str, str], None] | None = None
    lays_strips: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a job is. rate: frames a second; left_s: seconds; text: in words."""

    done: int = 0
    total: int = 0
    rate: float = 0.0
    left_s: float = 0.0
    text: str = "waiting"


@dataclass
class _Live:
    """A job that runs, or has ended and is not applied yet."""

    ticket: Ticket
    scene: int
    progress: Progress = field(default_factory=Progress)
    ending: Event | None = None


KINDS: dict[str, Kind] = {}
_live: dict[str, _Live] = {}


class LikenessJob(bpy.types.PropertyGroup):
    """One line of the scene's list; its name is the job's id."""

    kind: bpy.props.StringProperty()
    label: bpy.props.StringProperty()
    state: bpy.props.EnumProperty(
        items=[(name, name.capitalize(), "") for name in ("PENDING", "RUNNING", *ENDED)],
        default="PENDING",
    )
    message: bpy.props.StringProperty()
    request: bpy.props.StringProperty(default="{}")
    notes: bpy.props.StringProperty(default="{}")
    result: bpy.props.StringProperty(default="{}")


def listed(scene: bpy.types.Scene) -> bpy.types.bpy_prop_collection_idprop[LikenessJob]:
    """The scene's list of jobs."""
    return scene.likeness_jobs  # type: ignore[attr-defined]


def start(
    context: bpy.types.Context,
    kind: str,
    request: dict[str, Any],
    notes: dict[str, Any] | None = None,
    scene: bpy.types.Scene | None = None,
) -> str:
    """Start a job and put it on the scene's list; without a window, run it to its end.

    request: a job of the worker, or {"command": [arguments]} for a command of its Python.
    scene: None is the one whose sequencer is edited, where the panels look for its jobs.
    Returns its id. Raises InputError when it cannot be started and, without a window, JobError
    when it failed.
    """
    scene = scene or versions.sequencer_scene(context)
    name = begin(scene, kind, request, notes or {})
    if inline():
        pump.wait(name)
        settle_now(context)
        item = listed(scene)[name]
        if item.state != "DONE":
            raise JobError(item.message or f"{item.label}: {item.state.lower()}")
    return name


def inline() -> bool:
    """Does a job run to its end where it starts? Without a window there are no ticks."""
    return bool(bpy.app.background)


def begin(scene: bpy.types.Scene, kind: str, request: dict[str, Any], notes: dict[str, Any]) -> str:
    """Queue a job and put it on the scene's list; ticks do the rest. Raises InputError."""
    if "command" in request:
        started = launch(*request["command"])
        name = pump.command(started, lambda event: _arrived(name, event))
    else:
        request = completed(request)
        name = pump.submit(request, lambda event: _arrived(name, event))
    ticket = Ticket(name, kind, KINDS[kind].label, request, notes, undo_steps.current())
    _live[name] = _Live(ticket, scene.session_uid)
    if KINDS[kind].lays_strips:
        prefetch.begin(name)
    item = listed(scene).add()
    item.name, item.kind, item.label = name, kind, ticket.label
    item.request, item.notes = json.dumps(request), json.dumps(notes)
    item.state = "RUNNING"
    return name


def note_failed(
    scene: bpy.types.Scene, kind: str, message: str, notes: dict[str, Any]
) -> LikenessJob:
    """Put on the list what could not even be started, beside the others of its press."""
    item = listed(scene).add()
    item.name, item.kind, item.label = f"refused {uuid4().hex[:8]}", kind, KINDS[kind].label
    item.state, item.message, item.notes = "FAILED", message, json.dumps(notes)
    return item


def again(context: bpy.types.Context, name: str) -> str:
    """Start a job of the list once more, with the same request. Raises as `start` does."""
    scene, item = _find(name)
    if item is None:
        raise InputError("that job is not on the list any more")
    if item.kind not in KINDS:
        raise InputError(f"{item.label}: this version of Likeness has no such job")
    kind, request, notes = item.kind, json.loads(item.request), json.loads(item.notes)
    listed(scene).remove(listed(scene).find(name))
    return start(context, kind, request, notes, scene)


def cancel(name: str) -> None:
    """End a job; it leaves the list as CANCELLED when it has stopped."""
    if name in _live and _live[name].ending is None:
        live = _live[name]
        live.progress = Progress(live.progress.done, live.progress.total, text="cancelling")
        pump.cancel(name)


def state(item: LikenessJob) -> str:
    """The state that really holds: an undo may bring back a job that runs no more."""
    return "PENDING" if item.state == "RUNNING" and item.name not in _live else str(item.state)


def progress(item: LikenessJob) -> Progress | None:
    """How far a running job is; None for one that does not run."""
    live = _live.get(item.name)
    return live.progress if live else None


def running(scene: bpy.types.Scene, kind: str | None = None) -> list[LikenessJob]:
    """The list's jobs that wait or run now, the oldest first."""
    items = [item for item in listed(scene) if item.name in _live]
    return [item for item in items if kind is None or item.kind == kind]


def at_work(scene: bpy.types.Scene | None = None) -> str | None:
    """The id of the oldest job that has not ended, of a scene or, as in the status bar, of any."""
    for name, live in _live.items():
        if live.ending is None and (scene is None or live.scene == scene.session_uid):
            return name
    return None


def overview() -> list[tuple[str, str, Progress]]:
    """(id, label, progress) of every job that waits or runs, in any scene; for the status bar."""
    return [(name, live.ticket.label, live.progress) for name, live in _live.items()]


def settle() -> None:
    """Between ticks: end jobs whose line was undone, apply what has ended in its undo step."""
    for name, live in list(_live.items()):
        if _find(name)[1] is None:
            pump.cancel(name)
            if live.ending is not None:
                _forget(name)
    steps = dict.fromkeys(live.ticket.undo_step for live in _live.values() if live.ending)
    if not steps:
        return
    if not undo_steps.can_join():
        return
    if inline():  # without any undo step to join Blender crashes
        settle_now(bpy.context)
        return
    for step in steps:
        undo_steps.join(step, partial(settle_now, bpy.context, step))


def settle_now(context: bpy.types.Context, step: str = "") -> None:
    """Apply what every ended job brought, or those alone that belong to an undo step.

    Never raises: a fault is the job's one line.
    """
    ended = [(name, live) for name, live in _live.items() if live.ending]
    for name, live in ended:
        if step and live.ticket.undo_step != step:
            continue
        with prefetch.still():
            _forget(name)
            _apply(context, name, live)


def _apply(context: bpy.types.Context, name: str, live: _Live) -> None:
    scene, item = _find(name)
    if item is None or live.ending is None:
        return
    outcome, message = _outcome(context, scene, live.ticket, live.ending)
    _, item = _find(name)  # adding to the list while applying moves its items
    if item is not None:
        item.state, item.message = outcome, message
        item.result = json.dumps(live.ending.get("result", {}))


def _forget(name: str) -> None:
    del _live[name]
    prefetch.end(name)


def _outcome(
    context: bpy.types.Context, scene: bpy.types.Scene, ticket: Ticket, ending: Event
) -> tuple[str, str]:
    kind = KINDS.get(ticket.kind)
    if kind is None:
        return "FAILED", f"{ticket.label}: this version of Likeness has no such job"
    outcome, message = "FAILED", str(ending.get("message", ""))
    try:
        if ending["event"] == "done":
            return "DONE", kind.apply(context, scene, ticket, ending["result"])
        if ending["event"] == "cancelled":
            outcome = "CANCELLED"
        if kind.ended is not None:
            kind.ended(context, scene, ticket, outcome, message)
    except (InputError, JobError) as error:
        outcome, message = "FAILED", str(error)
    except Exception as error:  # a fault of ours: the trace for the console, one line for people
        traceback.print_exc(file=sys.stderr)
        outcome, message = "FAILED", f"{ticket.label}: {type(error).__name__}: {error}"
    return outcome, message


def _arrived(name: str, event: Event) -> None:
    live = _live.get(name)
    if live is None:
        return
    if event["event"] in ("done", "error", "cancelled"):
        live.ending = event
        return
    before = live.progress
    if event["event"] == "progress":
        text = before.text if before.text == "cancelling" else _stage(event)
        live.progress = Progress(
            event["done"], event["total"], event["rate"], event["left_s"], text
        )
    elif event["event"] == "started" and before.text == "waiting":
        live.progress = Progress(text="starting")
    elif event["event"] == "line" and event["line"] and before.text != "cancelling":
        # "step 20/200": how far a command is
        counted = re.search(r"\b(\d+)/(\d+)\b", event["line"])
        done, total = map(int, counted.groups()) if counted else (before.done, before.total)
        live.progress = Progress(done, total, text=event["line"][:80])
    kind = KINDS.get(live.ticket.kind)
    scene, item = _find(name)
    if kind is not None and kind.arrived is not None and item is not None:
        kind.arrived(scene, live.ticket, event)


def _stage(event: Event) -> str:
    """What is done before the first frame, in words; "" when frames are made."""
    if event.get("stage") != "preparing":
        return ""
    return f"preparing matte and plate, {100 * event['done'] // max(1, event['total'])}%"


def completed(request: dict[str, Any]) -> dict[str, Any]:
    """The request with the preferences' provider where the job takes one."""
    if request.get("do") in ("synthesize", "check"):
        return {"provider": chosen().provider, **request}
    return request


def _find(name: str) -> tuple[bpy.types.Scene | None, LikenessJob | None]:
    """The scene and the line of a job, resolved again each time; (None, None) if it is gone."""
    live = _live.get(name)
    for scene in bpy.data.scenes:
        if live is None or scene.session_uid == live.scene:
            item = listed(scene).get(name)
            if item is not None:
                return scene, item
    return None, None


@bpy.app.handlers.persistent
def _file_came(*_: Any) -> None:
    """What ran when the file was saved runs no more."""
    _live.clear()
    for scene in bpy.data.scenes:
        if scene.library is not None:
            continue
        for item in listed(scene):
            if item.state in ("PENDING", "RUNNING"):
                item.state, item.message = "FAILED", _INTERRUPTED


def register() -> None:
    bpy.utils.register_class(LikenessJob)
    bpy.types.Scene.likeness_jobs = bpy.props.CollectionProperty(type=LikenessJob)  # type: ignore[attr-defined, func-returns-value]
    bpy.app.handlers.load_post.append(_file_came)
    pump.settlers.append(settle)


def unregister() -> None:
    pump.settlers.remove(settle)
    bpy.app.handlers.load_post.remove(_file_came)
    _live.clear()
    del bpy.types.Scene.likeness_jobs  # type: ignore[attr-defined]
    bpy.utils.unregister_class(LikenessJob)
