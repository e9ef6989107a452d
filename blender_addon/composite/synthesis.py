# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 4, Composite: head frames for a range, laid over the portrait as they are made."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..animate import frames as animate
from ..errors import InputError
from ..performance import takes as performance
from ..portrait import portraits as portraits
from ..properties import (
    LikenessPortrait,
    LikenessTake,
    active_portrait,
    active_take,
    find_portrait,
    find_take,
    scene_of,
    settings,
)
from ..sequencer import head_strip, strips, timing
from ..sequencer.placement import FILE_NAME, read_placement
from ..storage import folders
from ..worker import jobs, launch, undo_steps
from . import layers_view

KIND = "synthesize"
# Between looks at what has been made: so many seconds, and so many times as long as a look takes.
SHOW_SECONDS = 2.0
_SHOW_SHARE = 20
_MUTED = "likeness_muted"  # of a portrait's strip: it was muted for its cut-out person

_due: dict[str, float] = {}  # job -> when its frames are shown next


def head_tag(portrait: LikenessPortrait, take: LikenessTake) -> str:
    """The tag of the strip on which this portrait performs this take."""
    return f"head:{portrait.uid}:{take.uid}"


def matte_tag(portrait: LikenessPortrait, take: LikenessTake) -> str:
    """The tag of the strip with the mattes of these head frames."""
    return f"matte:{portrait.uid}:{take.uid}"


def head_folder(portrait: LikenessPortrait, take: LikenessTake) -> Path:
    """Where the head frames of a portrait performing a take lie."""
    return folders.project() / portrait.slug / take.slug


def synthesize(context: bpy.types.Context) -> str:
    """Let the worker make the chosen range; frames appear on the head strip as they are made."""
    scene = versions.sequencer_scene(context)
    portrait, take = active_portrait(scene), active_take(scene)
    if running(portrait, take):
        raise InputError(f"'{portrait.name}' plays '{take.name}' is being made; cancel that first")
    span = animate.seen_span(scene, portrait, take)
    frames = timing.due(performance.timing_of(scene, take), span)
    folder = folders.writable(head_folder(portrait, take))
    job = animate.request(scene, portrait, take, folder, frames, final=True)
    kind = wanted_mattes(scene, head_strip.find(scene, matte_tag(portrait, take)))
    if kind != "off":
        job["matte"] = kind
    launch.runtime()  # where nothing can run, that is said before the test frame goes
    head_strip.remove(scene, animate.test_tag(portrait))
    notes = {
        "portrait": portrait.uid, "take": take.uid, "span": list(span),
        "sound": settings(scene).sound, "strip": animate.has_strip(scene, portrait),
        "made_of": layers_view.made_of(scene, portrait),
    }  # fmt: skip
    jobs.start(context, KIND, job, notes)
    return ""


def wanted_mattes(scene: bpy.types.Scene, strip: bpy.types.ImageStrip | None) -> str:
    """What the job is to write beside the frames. strip: the mattes' own, or None."""
    chosen = settings(scene)
    kind = str(chosen.matte_kind) if chosen.matte else "off"
    if not chosen.matte and strip is not None:
        # A matte strip that is there stays in step with the head, whatever the toggle says now.
        kind = "channels" if strip.elements[0].filename.endswith(".exr") else "face"
    return "face" if kind == "channels" and chosen.layer == "box" else kind


def running(portrait: LikenessPortrait, take: LikenessTake) -> bool:
    """Is this portrait's performance of this take being made now?"""
    wanted = {"portrait": portrait.uid, "take": take.uid}
    for scene in bpy.data.scenes:
        for item in jobs.running(scene, KIND):
            if wanted.items() <= json.loads(item.notes).items():
                return True
    return False


def arrived(scene: bpy.types.Scene, ticket: jobs.Ticket, event: dict[str, Any]) -> None:
    """Now and then while frames are made, show those that are there, in the job's undo step."""
    now = time.monotonic()
    if event["event"] != "progress" or "stage" in event or jobs.inline():
        return
    if now < _due.get(ticket.id, 0):
        return
    windows = bpy.context.window_manager.windows
    if not windows or any(len(window.modal_operators) for window in windows):
        return
    if not (Path(ticket.request["out"]) / FILE_NAME).is_file():
        return
    notes = ticket.notes
    undo_steps.join(
        ticket.undo_step,
        partial(show, notes["portrait"], notes["take"], tuple(notes["span"]), notes["strip"]),
    )
    after = time.monotonic()
    _due[ticket.id] = after + max(SHOW_SECONDS, _SHOW_SHARE * (after - now))


def show(
    portrait_uid: str, take_uid: str, span: tuple[int, int], had_strip: bool
) -> head_strip.Laid:
    """Lay the frames that are there over the portrait.

    had_strip: the portrait had a strip when the job began; InputError when it was deleted since.
    """
    portrait, take = find_portrait(portrait_uid), find_take(take_uid)
    scene = scene_of(portrait)
    placement = read_placement(head_folder(portrait, take))
    under = animate.portrait_strip(scene, portrait, placement, take, had_strip)
    tag = head_tag(portrait, take)
    is_new = head_strip.find(scene, tag) is None
    timed = performance.timing_of(scene, take)
    name = f"{portrait.name} plays {take.name}"
    laid = head_strip.lay(scene, placement, timed, under, tag, name, span)
    head_strip.lay_matte(scene, placement, timed, laid.strip, matte_tag(portrait, take))
    _show_portrait(under, placement.layer != "person")
    if is_new:
        _mute_others(scene, portrait, laid.strip)
        head_strip.step_back(under, head_strip.find(scene, take.strip))
    return laid


def apply(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    result: dict[str, Any],
) -> str:
    """All frames are there: lay them, and put the sound beside them."""
    _due.pop(ticket.id, None)
    notes = ticket.notes
    laid = show(notes["portrait"], notes["take"], tuple(notes["span"]), notes["strip"])
    if "made_of" in notes:
        layers_view.keep_words(
            find_portrait(notes["portrait"]), notes["made_of"], result.get("words", "")
        )
    take = find_take(notes["take"])
    scene = scene_of(find_portrait(notes["portrait"]))
    sounded = notes["sound"] and add_sound(scene, take, laid.strip)
    kept = f", {result['kept']} kept," if result["kept"] else ""
    frames = "frame" if result["made"] == 1 else "frames"
    return (
        f"{result['made']} {frames} made{kept} on {result['provider'].upper()}"
        f"{', sound added' if sounded else ''}"
        f"{'; ' + result['words'] if result.get('words') else ''}"
    )


def ended(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    _state: str,
    _message: str,
) -> None:
    """Cancelled or failed: what is whole is shown and kept."""
    _due.pop(ticket.id, None)
    folder = Path(ticket.request["out"])
    if (folder / FILE_NAME).is_file() and any(folder.glob("*_[0-9]*.???")):
        notes = ticket.notes
        show(notes["portrait"], notes["take"], tuple(notes["span"]), notes["strip"])


def align(scene: bpy.types.Scene) -> str:
    """Lay the head strip over the portrait strip again, as that is placed now."""
    portrait, take = active_portrait(scene), active_take(scene)
    head = head_strip.find(scene, head_tag(portrait, take))
    under = portraits.strip_of(scene, portrait)
    if head is None or under is None:
        raise InputError("there is no head strip over a portrait strip yet; synthesize first")
    strips.follow_portrait(scene, read_placement(head_folder(portrait, take)), under, head)
    matte = head_strip.find(scene, matte_tag(portrait, take))
    if matte is not None:
        head_strip.place_like(head, matte)
    return ""


def add_sound(scene: bpy.types.Scene, take: LikenessTake, head: bpy.types.Strip) -> bool:
    """The footage's sound on a free channel above the head, in step with it. Was it added?

    Not where the sequencer has that sound already, where the footage has none, or where the take
    is not played in real time.
    """
    if not take.source or (take.pace > 0 and not _is_real_time(scene, take)):
        return False
    path = folders.absolute(take.source)
    if not path.is_file() or _has_sound(scene, path):
        return False
    editor = scene.sequence_editor
    begin = take.start - take.offset / performance.pace_of(scene, take)
    top = strips.CHANNELS
    sound = versions.strips(editor).new_sound(
        name=f"{take.name} sound", filepath=str(path), channel=top, frame_start=round(begin)
    )
    if versions.content_length(sound) <= 1:  # a movie without sound
        data = sound.sound
        versions.strips(editor).remove(sound)
        if data is not None and not data.users:
            bpy.data.sounds.remove(data)
        return False
    span = timing.overlap(versions.span(sound), versions.span(head))
    if span is not None:
        versions.set_span(sound, *span)
    sound.channel = strips.free_channel(scene, *versions.span(sound), head.channel)
    sound[head_strip.TAG] = f"sound:{take.uid}"
    return True


def _is_real_time(scene: bpy.types.Scene, take: LikenessTake) -> bool:
    own = take.rate[0] / max(1, take.rate[1]) / float(performance.rate_of(scene))
    return abs(take.pace - own) < 1e-3


def _has_sound(scene: bpy.types.Scene, path: Path) -> bool:
    return any(
        strip.type == "SOUND"
        and strip.sound is not None
        and folders.absolute(strip.sound.filepath) == path
        for strip in versions.strips(scene.sequence_editor)
    )


def _show_portrait(under: bpy.types.Strip, shown: bool) -> None:
    """The cut-out person replaces the portrait: its strip is muted, and shown again afterwards."""
    if not shown and not under.mute:
        under.mute = True
        under[_MUTED] = True
    elif shown and under.get(_MUTED):
        under.mute = False
        del under[_MUTED]


def _mute_others(
    scene: bpy.types.Scene, portrait: LikenessPortrait, newest: bpy.types.Strip
) -> None:
    """Two heads on one neck: earlier takes of this portrait step back where they overlap."""
    span = versions.span(newest)
    for strip in versions.strips(scene.sequence_editor):
        earlier = str(strip.get(head_strip.TAG, "")).startswith(f"head:{portrait.uid}:")
        if earlier and strip != newest and timing.overlap(span, versions.span(strip)):
            strip.mute = True
