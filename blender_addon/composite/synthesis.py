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
from ..performance import edits
from ..performance import takes as performance
from ..portrait import portraits as portraits
from ..properties import (
    LikenessPortrait,
    LikenessTake,
    active_portrait,
    active_take,
    find_portrait,
    find_take,
    pace_of,
    scene_of,
    settings,
)
from ..sequencer import following, grade, head_strip, strips, timing
from ..sequencer.placement import FILE_NAME, read_placement
from ..storage import folders, version_folders
from ..worker import jobs, launch, undo_steps
from . import layers_view
from .changes import changes

KIND, CAST = "synthesize", "synthesize_cast"  # of one portrait; of one of several
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


def compare_tag(portrait: LikenessPortrait, take: LikenessTake) -> str:
    """The tag of the strip that shows another version of these head frames."""
    return f"compare:{portrait.uid}:{take.uid}"


def home(portrait: LikenessPortrait, take: LikenessTake) -> Path:
    """Where new versions of a portrait performing a take are put."""
    return folders.project() / portrait.slug / take.slug


def homes(scene: bpy.types.Scene, portrait: LikenessPortrait, take: LikenessTake) -> list[Path]:
    """Where versions lie: `home`, and where the strip's are, if the .blend was saved elsewhere."""
    found, strip = [home(portrait, take)], head_strip.find(scene, head_tag(portrait, take))
    if strip is not None:
        folder = folders.absolute(strip.directory)
        found.append(folder if folder.name == take.slug else folder.parent)
    return list(dict.fromkeys(found))


def head_folder(
    scene: bpy.types.Scene, portrait: LikenessPortrait, take: LikenessTake
) -> Path | None:
    """The version that the head strip shows; without one the newest; None: there is none."""
    strip = head_strip.find(scene, head_tag(portrait, take))
    if strip is not None:
        return folders.absolute(strip.directory)
    newest = version_folders.listed(homes(scene, portrait, take))
    return newest[0].folder if newest else None


def synthesize(context: bpy.types.Context) -> str:
    """Let the worker make the chosen range; frames appear on the head strip as they are made."""
    scene = versions.sequencer_scene(context)
    return start(context, scene, active_portrait(scene), active_take(scene))


def start(
    context: bpy.types.Context,
    scene: bpy.types.Scene,
    portrait: LikenessPortrait,
    take: LikenessTake,
    kind: str = KIND,
    also: dict[str, Any] | None = None,
) -> str:
    """The same of a portrait and a take. kind: of the job; also: more of its notes."""
    if running(portrait, take):
        raise InputError(f"'{portrait.name}' plays '{take.name}' is being made; cancel that first")
    span = animate.seen_span(scene, portrait, take)
    frames = timing.due(performance.timing_of(scene, take), span)
    launch.runtime()  # where nothing can run, that is said before anything is made or goes
    base = head_folder(scene, portrait, take)
    request(scene, portrait, take, frames, final=True)  # so is what is missing
    updated = _use_what_is_seen(context, scene, take)
    job = request(scene, portrait, take, frames, final=True)
    folders.writable(home(portrait, take))
    job["out"] = str(version_folders.reserve([home(portrait, take), *homes(scene, portrait, take)]))
    # Its own folder where there is none yet: each run of the same button goes on in it.
    job["base"] = str(base or job["out"])
    known = version_folders.asked(base) if base is not None else {}
    news = [*changes(job, known), *(["take updated"] if updated else [])]
    job["note"] = ", ".join(dict.fromkeys(news)) if known else "first version"
    head_strip.remove(scene, animate.test_tag(portrait))
    end_comparison(scene, portrait, take)
    notes = {
        "portrait": portrait.uid, "take": take.uid, "span": list(span),
        "sound": settings(scene).sound, "strip": animate.has_strip(scene, portrait),
        "made_of": layers_view.made_of(scene, portrait), **(also or {}),
    }  # fmt: skip
    try:
        jobs.start(context, kind, job, notes)
    except InputError:
        version_folders.release(Path(job["out"]))
        raise
    return ""


def changed_since(
    scene: bpy.types.Scene, portrait: LikenessPortrait, take: LikenessTake
) -> list[str]:
    """What has been changed since the version was made that the head strip shows, in words."""
    strip = head_strip.find(scene, head_tag(portrait, take))
    if strip is None or running(portrait, take):
        return []
    known = version_folders.asked(folders.absolute(strip.directory))
    try:
        found = changes(request(scene, portrait, take, (0, 0), final=False), known)
    except InputError:
        return []  # the buttons say what is missing
    if edits.has_unkept(scene, take):
        found.append("curves edited")
    if performance.needs_update(take):
        found.append("take's sliders")
    return list(dict.fromkeys(found))


def portrait_moved(scene: bpy.types.Scene, portrait: LikenessPortrait, take: LikenessTake) -> bool:
    """Was the portrait's strip placed otherwise, or animated, since the head was laid over it?"""
    head, under = (
        head_strip.find(scene, head_tag(portrait, take)), portraits.strip_of(scene, portrait)
    )  # fmt: skip
    return head is not None and under is not None and following.has_moved(scene, under, head)


def _use_what_is_seen(
    context: bpy.types.Context, scene: bpy.types.Scene, take: LikenessTake
) -> bool:
    """Edited curves are kept, and a take whose sliders were moved is cleaned first; was it?

    Not over edits by hand, which an update sets aside: that is the artist's to ask for.
    """
    edits.keep_what_is_seen(scene, take)
    if not performance.needs_update(take) or take.edited:
        return False
    waiting = (json.loads(item.notes) for item in jobs.running(scene, performance.CLEAN))
    if all(notes.get("take") != take.uid for notes in waiting):  # else another portrait's did it
        performance.clean(context, take)
    return True


def request(
    scene: bpy.types.Scene,
    portrait: LikenessPortrait,
    take: LikenessTake,
    frames: tuple[int, int],
    final: bool,
) -> dict[str, Any]:
    """The worker's job as the scene's choices say, but for where its frames go.

    final: for output, which needs consent; else to be compared: quick enough for a panel.
    InputError when something is missing or gone.
    """
    job = animate.request(scene, portrait, take, Path(), frames, final, consent=final)
    job["format"] = animate.file_format(scene, portrait, settings(scene).format)
    kind = wanted_mattes(scene, head_strip.find(scene, matte_tag(portrait, take)))
    return job | {"matte": kind} if kind != "off" else job


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
        for item in jobs.running(scene):
            if item.kind not in (KIND, CAST):
                continue
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
    if not undo_steps.can_join():
        return
    folder = _worked_in(ticket)
    if folder is None:
        return
    undo_steps.join(ticket.undo_step, partial(show, ticket.notes, folder))
    after = time.monotonic()
    _due[ticket.id] = after + max(SHOW_SECONDS, _SHOW_SHARE * (after - now))


def show(notes: dict[str, Any], folder: Path) -> head_strip.Laid:
    """Lay the frames that are there in a version's folder over the portrait.

    notes: the job's. InputError when the portrait's strip was deleted since the job began.
    """
    portrait, take = find_portrait(notes["portrait"]), find_take(notes["take"])
    scene, span = scene_of(portrait), (notes["span"][0], notes["span"][1])
    placement = read_placement(folder)
    under = animate.portrait_strip(scene, portrait, placement, take, notes["strip"])
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
    version_folders.release(Path(ticket.request["out"]))
    laid = show(notes, Path(result.get("out") or ticket.request["out"]))
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
    version_folders.release(Path(ticket.request["out"]))
    folder = _worked_in(ticket)
    if folder is not None and any(folder.glob("*_[0-9]*.???")):
        show(ticket.notes, folder)


def _worked_in(ticket: jobs.Ticket) -> Path | None:
    """The version that a job adds to: a new one as soon as it has begun one, else its base."""
    named = (Path(ticket.request[key]) for key in ("out", "base") if key in ticket.request)
    return next((folder for folder in named if (folder / FILE_NAME).is_file()), None)


def align(scene: bpy.types.Scene) -> str:
    """Lay the head strip over the portrait strip again, as that is placed now."""
    portrait, take = active_portrait(scene), active_take(scene)
    head = head_strip.find(scene, head_tag(portrait, take))
    under = portraits.strip_of(scene, portrait)
    if head is None or under is None:
        raise InputError("there is no head strip over a portrait strip yet; synthesize first")
    placement = read_placement(folders.absolute(head.directory))
    strips.follow_portrait(scene, placement, under, head)
    grade.take_on(under, head)
    matte = head_strip.find(scene, matte_tag(portrait, take))
    if matte is not None:
        head_strip.place_like(scene, head, matte)
    return ""


def end_comparison(scene: bpy.types.Scene, portrait: LikenessPortrait, take: LikenessTake) -> None:
    """Take the compared version's strip away; the head strip is seen again."""
    if not head_strip.remove(scene, compare_tag(portrait, take)):
        return
    head = head_strip.find(scene, head_tag(portrait, take))
    if head is not None:
        head.mute = False


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
    begin = take.start - take.offset / pace_of(scene, take)
    begin -= take.sound_leads * float(performance.rate_of(scene))  # Blender plays it from its start
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
        for strip in versions.all_strips(scene.sequence_editor)
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
    for strip in versions.all_strips(scene.sequence_editor):
        earlier = str(strip.get(head_strip.TAG, "")).startswith(f"head:{portrait.uid}:")
        if earlier and strip != newest and timing.overlap(span, versions.span(strip)):
            strip.mute = True
