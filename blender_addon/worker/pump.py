# SPDX-License-Identifier: GPL-3.0-or-later
"""The pump: one timer that carries the worker's events into Blender, and never raises.

Blender's data belongs to its main thread, so events wait in the client's queue until the timer
takes them. It holds while Blender renders or saves. In the background there are no timers: there
`wait` does the same until a job has ended.
"""

from __future__ import annotations

import atexit
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import bpy

from .. import choices
from .client import Client, Event, Launch
from .launch import worker_launch

INTERVAL = 0.1
_MOST_EVENTS = 64
_WAIT_SECONDS = 0.02
# How often the bars move. Each drawing takes the processor from the worker; where there is no
# graphics card, much of it.
_DRAW_SECONDS = 0.5
# A save that failed without telling anybody must not hold the pump for ever.
_LONGEST_SAVE = 60.0
# Where something of ours is shown: area -> the regions in it.
_SHOWN = {
    "SEQUENCE_EDITOR": ("UI",), "CLIP_EDITOR": ("UI",), "VIEW_3D": ("UI",),
    "PREFERENCES": ("WINDOW",),
}  # fmt: skip

OnEvent = Callable[[Event], None]


class _State:
    """What lives as long as the add-on is registered."""

    def __init__(self) -> None:
        self.client = Client(worker_launch)
        self.listeners: dict[str, OnEvent] = {}
        self.epoch = 0
        self.saving_since: float | None = None
        self.renew = False
        self.drawn_at = 0.0
        self.to_draw = False


_state: _State | None = None
# Called after the events of a tick were given out: what must happen between ticks, not in a draw.
settlers: list[Callable[[], None]] = []


def submit(job: dict[str, Any], on_event: OnEvent) -> str:
    """Queue a job of the worker; `on_event` gets its events. Returns its id.

    Raises InputError when the worker cannot be started.
    """
    state = _here()
    if state.renew and not state.client.unfinished:
        state.client.stop_if_idle(0)
        state.renew = False
    name = _new_id(state)
    state.client.submit(name, job)
    state.listeners[name] = on_event
    return name


def command(launch: Launch, on_event: OnEvent) -> str:
    """Run a command in a process of its own, like a job. Raises InputError."""
    state = _here()
    name = _new_id(state)
    state.client.command(name, launch)
    state.listeners[name] = on_event
    return name


def cancel(name: str) -> None:
    """End a job; its "cancelled" event comes when it has ended. Unknown ids are passed over."""
    _here().client.cancel(name)


def waits(name: str) -> bool:
    """Is the end of this job still to come?"""
    return _state is not None and name in _state.listeners


def busy() -> bool:
    """Does a job wait or run?"""
    return _state is not None and bool(_state.client.unfinished)


def worker_pid() -> int | None:
    """The worker's process, None while there is none."""
    return _here().client.worker_pid


def renew_worker() -> None:
    """The next job starts a worker with the preferences as they are then."""
    if _state is not None:
        _state.renew = True


def wait(name: str) -> None:
    """Give events out until the job has ended; for Blender without a window."""
    state = _here()
    try:
        while name in state.listeners:
            if not _give_out(state):
                time.sleep(_WAIT_SECONDS)
    except KeyboardInterrupt:
        state.client.cancel(name)
        raise


def forget() -> None:
    """Drop every job: another file is opened, and what still comes is not for it."""
    state = _here()
    state.epoch += 1
    for name in state.client.unfinished:
        state.client.cancel(name)
    state.listeners.clear()


def tick() -> float:
    """One turn of the timer. Returns the seconds until the next."""
    try:
        _turn()
    except Exception:  # a timer that raises is removed, and all jobs would hang
        traceback.print_exc(file=sys.stderr)
    return INTERVAL


def _turn() -> None:
    state = _here()
    if _held(state):
        return
    news = _give_out(state)
    for settle in settlers:
        settle()
    state.to_draw = state.to_draw or bool(news)
    only_progress = news <= {"progress", "line"}
    waited = time.monotonic() - state.drawn_at
    if state.to_draw and (waited > _DRAW_SECONDS or not only_progress):
        redraw()
    state.client.stop_if_idle(60 * choices.chosen().idle_minutes)


def _give_out(state: _State) -> set[str]:
    """Hand the events that came to their listeners; returns the kinds of those that came."""
    events = state.client.drain(_MOST_EVENTS)
    for event in events:
        name = event["id"]
        ended = event["event"] in ("done", "error", "cancelled")
        listener = state.listeners.pop(name, None) if ended else state.listeners.get(name)
        if listener is None:  # of a file that was closed
            continue
        try:
            listener(event)
        except Exception:
            traceback.print_exc(file=sys.stderr)
    return {str(event["event"]) for event in events}


def _held(state: _State) -> bool:
    """Blender renders or saves: its data must stay as it is."""
    if bpy.app.is_job_running("RENDER"):
        return True
    since = state.saving_since
    return since is not None and time.monotonic() - since < _LONGEST_SAVE


def redraw() -> None:
    """Draw again what shows jobs: the sidebars, the preferences and the status bar."""
    if bpy.app.background:
        return
    if _state is not None:
        _state.to_draw, _state.drawn_at = False, time.monotonic()
    manager = bpy.context.window_manager
    quiet = True
    for window in manager.windows:
        quiet = quiet and not len(window.modal_operators)
        for area in window.screen.areas:
            for region in area.regions:
                if region.type in _SHOWN.get(area.type, ()):
                    region.tag_redraw()
    # The status bar is in no screen. An operator's own text there must not be wiped.
    if quiet and manager.windows:
        manager.windows[0].workspace.status_text_set_internal(None)


def _new_id(state: _State) -> str:
    return f"{state.epoch}-{uuid4().hex[:12]}"


def _here() -> _State:
    assert _state is not None, "Likeness is not registered"
    return _state


@bpy.app.handlers.persistent
def _save_begins(*_: Any) -> None:
    if _state is not None:
        _state.saving_since = time.monotonic()


@bpy.app.handlers.persistent
def _save_ends(*_: Any) -> None:
    if _state is not None:
        _state.saving_since = None


@bpy.app.handlers.persistent
def _file_goes(*_: Any) -> None:
    if _state is not None:
        forget()


_HANDLERS = (
    ("save_pre", _save_begins),
    ("save_post", _save_ends),
    ("save_post_fail", _save_ends),
    ("load_pre", _file_goes),
)


def stop() -> None:
    """End every process; also when Python ends, which does not always unregister add-ons."""
    if _state is not None:
        _state.client.stop()


def register() -> None:
    global _state
    if _state is None:
        _state = _State()
        atexit.register(stop)
        # The worker that runs was started with the old choice; the next job starts another.
        choices.on_change.append(renew_worker)
        choices.at_work.append(busy)
    for name, handler in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if handler not in handlers:
            handlers.append(handler)
    if not bpy.app.background and not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=INTERVAL, persistent=True)


def unregister() -> None:
    global _state
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    for name, handler in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if handler in handlers:
            handlers.remove(handler)
    stop()
    atexit.unregister(stop)
    if _state is not None:
        choices.on_change.remove(renew_worker)
        choices.at_work.remove(busy)
    _state = None
