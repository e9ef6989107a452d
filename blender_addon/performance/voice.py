# SPDX-License-Identifier: GPL-3.0-or-later
"""A voice as a take: a sound strip, or a file, that makes the face speak."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..properties import LikenessTake, active_take, new_uid
from ..sequencer import head_strip
from ..storage import folders, recordings
from ..take_properties import pace_of
from ..worker import jobs
from . import takes
from .imports import add_performance

KIND = "speech"


@dataclass(frozen=True)
class Voice:
    """What speaks. start: frame of the timeline at which second `begin` of the file is heard; end:
    the last one that is heard, None: the file's. speed: seconds of sound in one of the timeline.
    """

    path: Path
    name: str
    start: float
    begin: float = 0.0
    end: float | None = None
    speed: float = 1.0


@dataclass(frozen=True)
class Manner:
    """How it is said. text: in English, or timed: a timed text's file, or neither. style, idle: as
    the worker's job has them. keep: give the active take the mouth alone.
    """

    text: str = ""
    timed: str = ""
    style: str = "plain"
    idle: float = 1.0
    keep: bool = False


def voice_of_strip(scene: bpy.types.Scene, name: str = "") -> Voice:
    """The active (or named) sound strip, over the range that is heard now."""
    strip = head_strip.named(scene, name, ("SOUND",), "a sound strip")
    if strip.sound is None or not strip.sound.filepath:
        raise InputError(f"the strip '{strip.name}' has no sound; choose its file again")
    path = folders.existing(strip.sound.filepath, f"sound of the strip '{strip.name}'")
    rate = float(takes.rate_of(scene))
    speed = _speed(scene, strip, path)
    shown, content = versions.span(strip), versions.content_start(strip)
    skipped = int(getattr(strip, "animation_offset_start", 0)) / rate
    skipped -= float(getattr(strip, "sound_offset", 0.0))
    begin = (shown[0] - content) / rate * speed + skipped
    start = float(shown[0])
    if begin < 0:  # the sound begins later than its strip
        start, begin = start - begin * rate / speed, 0.0
    end = (shown[1] - content) / rate * speed + skipped
    if end <= begin:
        raise InputError(
            f"the strip '{strip.name}' lets nothing of its sound be heard; lengthen it"
        )
    return Voice(path, strip.name, start, begin, end, speed)


def voice_of_file(scene: bpy.types.Scene, path: Path) -> Voice:
    """A sound or a movie file, from the scene's first frame on."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; choose a recording of a voice")
    return Voice(path, path.stem, scene.frame_start)


def speak(context: bpy.types.Context, voice: Voice, manner: Manner) -> str:
    """Let the worker make a take of a voice."""
    scene = versions.sequencer_scene(context)
    request: dict[str, Any] = {
        "do": KIND, "sound": str(voice.path), "begin": voice.begin, "style": manner.style,
        "idle": manner.idle,
    }  # fmt: skip
    if voice.end is not None:
        request["end"] = voice.end
    if manner.timed:
        timed = folders.existing(manner.timed, "timed text")
        request["timed"] = str(timed)
    elif manner.text.strip():
        request["text"] = manner.text
    wanted, start, pace, rate = voice.name, voice.start, 0.0, takes.rate_of(scene)
    if voice.speed != 1:
        pace = voice.speed  # the take runs in the sound's own seconds
    if manner.keep:
        actor = active_take(scene)
        wanted, start, pace = f"{actor.name} speaks", actor.start, float(actor.pace)
        request |= _kept(scene, actor, voice)
    uid, name = new_uid(), takes.free_name(scene, wanted)
    slug = f"{folders.safe_name(name)}-{uid}"
    request["rate"] = list(rate.as_integer_ratio())
    request["out"] = str(takes.take_file(slug, recordings.PERFORMANCE_SUFFIX))
    notes = {
        "uid": uid, "slug": slug, "name": name, "scene": scene.name, "start": start, "pace": pace,
    }  # fmt: skip
    jobs.start(context, KIND, request, notes)
    return ""


def apply_speech(
    _context: bpy.types.Context, scene: bpy.types.Scene, ticket: jobs.Ticket, result: dict[str, Any]
) -> str:
    """The performance becomes a take, where its sound is heard."""
    notes, path = ticket.notes, Path(ticket.request["out"])
    take = add_performance(scene, notes, path, notes["start"], notes["pace"])
    return "; ".join([f"{take.name}: {take.frames} frames", *result.get("notes", ())])


def _kept(scene: bpy.types.Scene, actor: LikenessTake, voice: Voice) -> dict[str, Any]:
    """The job's fields that let a take keep all but its mouth."""
    kind, path = takes.motion_of(actor)
    if kind != "performance":
        raise InputError(f"'{actor.name}' has no performance yet; press Update Take first")
    rate = float(takes.rate_of(scene))
    own = actor.rate[0] / max(1, actor.rate[1])
    return {
        "actor": str(path),
        "actor_at": (actor.start - voice.start) / rate * voice.speed,
        "actor_speed": own / pace_of(scene, actor) / rate * voice.speed,
    }


def _speed(scene: bpy.types.Scene, strip: Any, path: Path) -> float:
    """How fast a strip's sound runs: 2 is twice as fast."""
    keys = len(strip.retiming_keys)
    if not keys:
        return 1.0
    if keys > 2:
        raise InputError(
            f"the strip '{strip.name}' changes its speed within; clear that, or give its file"
        )
    # Blender does not say how long a sound is, but a strip that is not retimed does.
    strips = versions.strips(scene.sequence_editor)
    active = scene.sequence_editor.active_strip
    try:
        plain = strips.new_sound("likeness: length", str(path), 1, 1)
    except RuntimeError:
        raise InputError(f"{path}: Blender cannot read this sound; give another") from None
    length = versions.content_length(plain) - int(strip.animation_offset_start)
    length -= int(strip.animation_offset_end)
    sound = plain.sound
    strips.remove(plain)
    if sound is not None and not sound.users:
        bpy.data.sounds.remove(sound)
    scene.sequence_editor.active_strip = active
    # Lengths are whole frames: a speed that is nearly one in percent is that one.
    speed = length / max(1, versions.content_length(strip))
    rounded = round(speed, 2)
    return rounded if abs(length / rounded - versions.content_length(strip)) <= 1.5 else speed
