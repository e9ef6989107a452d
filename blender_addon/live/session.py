# SPDX-License-Identifier: GPL-3.0-or-later
"""The one live run: a process of its own, its feed, and the take that it leaves.

A timer looks for new pictures and asks the preview to draw itself; nothing is written into the
.blend until the end, when a recording becomes a take in one undo step.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import bpy

from .. import versions
from ..errors import InputError, JobError
from ..performance import takes
from ..portrait.portraits import checked_pictures, tag
from ..properties import active_portrait, settings
from ..storage import folders, recordings
from ..worker import jobs, pump, undo_steps
from ..worker.launch import launch
from .choices import chosen
from .feed import Feed

STEP = "Live"  # the undo step in which a take appears, with the take's name
_TICK = 1 / 60
_FIGURES = 0.5  # seconds between two drawings of the panel
# A process that was asked to end and did not so long after is ended: one that has a take to save
# gets the time for it.
_PATIENCE, _SAVING = 5.0, 120.0


@dataclass
class Session:
    """A run. strip: tag of the strip that it is drawn over. records: was a take wished for, at any
    time? words: its last line. asked: when it was asked to end. killed: it did not.
    """

    job: str
    feed: Feed
    scene: int
    name: str
    strip: str
    record: Path
    slug: str
    uid: str
    records: bool = False
    words: str = "Starting"
    asked: float | None = None
    killed: bool = False
    drawn: int = 0
    told: float = 0.0


_now: Session | None = None
_ended = ""  # what the last run said
_recorded: list[Session] = []  # runs that have ended, whose recordings are no takes yet


def current() -> Session | None:
    """The run, None while there is none."""
    return _now


def last_words() -> str:
    """How the last run ended, "" where it ended well."""
    return _ended


def start(context: bpy.types.Context) -> str:
    """Begin with the active portrait and what is chosen. Raises InputError."""
    global _now, _ended
    if _now is not None:
        raise InputError("a live run is on already; stop it first")
    scene = versions.sequencer_scene(context)
    portrait, choices = active_portrait(scene), chosen(scene)
    picture = checked_pictures(portrait, final=False)[0]
    face = portrait.pictures[0].face
    uid = uuid4().hex[:8]
    name = takes.free_name(scene, "live")
    slug = f"{folders.safe_name(name)}-{uid}"
    record = takes.take_file(slug, recordings.TRACK_SUFFIX)
    place = _place(scene)
    feed = Feed(folders.cache("live") / f"{os.getpid()}-{uid}.pictures")
    feed.wish(choices.mirror, choices.smooth, choices.record)
    command = [
        "-m", "inference", "live", "--portrait", str(picture), *place, "--to",
        f"shared:{feed.path}", "--record", str(record), "--tier", settings(scene).tier,
    ]  # fmt: skip
    if face:
        command += ["--portrait-face", str(face)]
    if choices.idle:
        command.append("--idle")
    try:
        job = pump.command(launch(*command), _heard)
    except InputError:
        feed.remove()
        raise
    _ended = ""
    _now = Session(
        job, feed, scene.session_uid, name, tag(portrait), record, slug, uid, choices.record
    )
    if not bpy.app.background and not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=_TICK)
    return ""


def _place(scene: bpy.types.Scene) -> list[str]:
    """Where the motion comes from, as the command has it."""
    choices = chosen(scene)
    if choices.source == "CAMERA":
        return ["--from", f"camera:{choices.camera}"]
    if choices.source == "STRIP":
        return ["--from", str(takes.footage_of_strip(scene).path), "--loop"]
    host = choices.host.strip() or "127.0.0.1"
    if host not in ("127.0.0.1", "localhost", "::1") and not bpy.app.online_access:
        raise InputError(
            "Blender is not allowed to go online: Preferences, System, Allow Online Access; or "
            "listen at 127.0.0.1"
        )
    kind = "udp" if choices.source == "PHONE" else "tcp"
    key = ["--key", bpy.path.abspath(choices.key)] if choices.key and kind == "tcp" else []
    return ["--from", f"{kind}:{host}:{choices.port}", *key]


def stop() -> None:
    """Ask the run to end; its take comes when it has."""
    if _now is not None and _now.asked is None:
        _now.asked, _now.words = time.monotonic(), "Stopping"
        if _now.feed.serial:
            _now.feed.stop()
        else:  # the portrait is still made ready: nothing is lost
            pump.cancel(_now.job)
        _redraw(panel=True)  # the preview is as it was at once


def recenter() -> None:
    """What the driver does now is their rest."""
    if _now is not None:
        _now.feed.recenter()


def wish(context: bpy.types.Context) -> None:
    """Let the run hear what was changed in the panel."""
    scene = versions.sequencer_scene(context)
    if _now is not None and scene is not None:
        choices = chosen(scene)
        _now.feed.wish(choices.mirror, choices.smooth, choices.record)
        _now.records = _now.records or choices.record


def tick() -> float | None:
    """Blender's timer: draw where a new picture is there. None ends it."""
    session = _now
    if session is None:
        return None
    now = time.monotonic()
    if session.asked is not None and now - session.asked > _patience(session):
        session.killed = True
        pump.cancel(session.job)
    if bpy.app.is_job_running("RENDER"):
        return 0.2
    is_new = session.feed.serial != session.drawn
    tell = now - session.told > _FIGURES
    if is_new or tell:
        session.drawn = session.feed.serial
        session.told = now if tell else session.told
        _redraw(panel=tell)
    return _TICK


def _patience(session: Session) -> float:
    return _SAVING if session.records else _PATIENCE


def _redraw(panel: bool) -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type != "SEQUENCE_EDITOR":
                continue
            for region in area.regions:
                if region.type == "PREVIEW" or (panel and region.type == "UI"):
                    region.tag_redraw()


def _heard(event: dict[str, Any]) -> None:
    """What the process says, line by line, and that it has ended."""
    global _now, _ended
    session = _now
    if session is None:
        return
    if event["event"] == "line":
        session.words = str(event["line"]).strip()
        return
    if event["event"] not in ("done", "error", "cancelled"):
        return
    is_saved = session.record.is_file()
    if event["event"] == "error":
        _ended = str(event.get("message", "")) or session.words
    elif session.killed:
        lost = "; its recording is lost" if session.records and not is_saved else ""
        _ended = f"live did not stop within {_patience(session):.0f} s and was ended{lost}"
    _now = None
    session.feed.remove()
    _redraw(panel=True)
    if is_saved:
        _recorded.append(session)
        if jobs.inline():
            settle()


def settle() -> None:
    """Between ticks: each recording becomes a take, in an undo step of its own."""
    if jobs.inline():
        while _recorded:
            _take(_recorded.pop(0))
    while _recorded and undo_steps.can_join():
        session = _recorded.pop(0)
        undo_steps.join(f"{STEP}: {session.name}", partial(_take, session))


def _take(session: Session) -> None:
    """The recording becomes a take, and is cleaned like any other; what is amiss is shown."""
    global _ended
    scene = next((each for each in bpy.data.scenes if each.session_uid == session.scene), None)
    try:
        if scene is None:
            raise InputError(f"{session.record}: recorded, but its scene was removed meanwhile")
        take = takes.add_take(scene, session.name, session.record, scene.frame_start)
        take.uid, take.slug = session.uid, session.slug
        takes.clean(bpy.context, take)
    except (InputError, JobError) as error:
        _ended = str(error)
        _redraw(panel=True)


@bpy.app.handlers.persistent
def _let_go(*_: Any) -> None:
    """Another file is opened, or the add-on goes: so does the run, whose process the pump ends."""
    global _now, _ended
    if _now is not None:
        _now.feed.stop()
        _now.feed.remove()
    _now, _ended = None, ""
    _recorded.clear()


def register() -> None:
    bpy.app.handlers.load_pre.append(_let_go)
    pump.settlers.append(settle)


def unregister() -> None:
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    if settle in pump.settlers:
        pump.settlers.remove(settle)
    if _let_go in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_let_go)
    _let_go()
