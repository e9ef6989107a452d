# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 2, Performance: takes from footage and from the viewport, and how they are cleaned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..overlay.strips import size_of
from ..properties import (
    LikenessTake,
    active_take,
    find_take,
    new_uid,
    pace_of,
    scene_of,
    settings,
)
from ..sequencer import head_strip, timing
from ..sequencer.timing import Timing
from ..storage import folders, recordings
from ..worker import jobs
from . import take_overlay

CAPTURE, CLEAN = "capture", "performance"


@dataclass(frozen=True)
class Footage:
    """What is to be captured. frames: zero-based, both included; None: the whole file.

    start: frame of the timeline at which the first captured frame lies. pace: see `Timing`; 0: in
    real time. strip, clip: names of what it lies on, "" where there is none. rate: of numbered
    pictures, frames a second; None: a movie's own. crop: shares that the strip cuts off at the
    file's left, top, right and bottom; mirror: whether it then mirrors across and down.
    """

    path: Path
    name: str
    start: float
    pace: float = 0.0
    frames: tuple[int, int] | None = None
    strip: str = ""
    clip: str = ""
    rate: Fraction | None = None
    crop: tuple[float, float, float, float] = (0, 0, 0, 0)
    mirror: tuple[bool, bool] = (False, False)


def footage_of_strip(scene: bpy.types.Scene, name: str = "") -> Footage:
    """The active (or named) movie or image strip, over the range that it shows now."""
    strip = head_strip.named(scene, name, ("MOVIE", "IMAGE"), "a movie or image strip")
    if strip.type == "IMAGE":
        return _footage_of_pictures(scene, strip)
    path = folders.existing(strip.filepath, f"file of the strip '{strip.name}'")
    if strip.use_reverse_frames or len(strip.retiming_keys):
        raise InputError(
            f"the strip '{strip.name}' plays backwards or is retimed; clear that, or capture its "
            "file"
        )
    trimmed = int(getattr(strip, "animation_offset_start", 0))
    left, length = versions.content_length(strip), versions.content_length(strip)
    rate = timing.footage_rate(strip.fps)
    if rate != rate_of(scene):  # else there is a picture a frame, and the file need not be opened
        pictures, rate = _movie_facts(path)
        left = pictures - trimmed - int(getattr(strip, "animation_offset_end", 0))
    pace, real_time = timing.strip_pace(left, length, rate, rate_of(scene))
    shown, begin = versions.span(strip), versions.content_start(strip)
    inside = Timing(begin, pace, 0, left - 1)
    seen = timing.overlap(shown, inside.span())
    if seen is None:
        raise InputError(f"the strip '{strip.name}' shows none of its own pictures; lengthen it")
    first, last = timing.due(inside, seen)
    return Footage(
        path,
        strip.name,
        begin + first / pace,
        0.0 if real_time else pace,
        (first + trimmed, last + trimmed),
        strip.name,
        crop=_cropped(strip),
        mirror=(strip.use_flip_x, strip.use_flip_y),
    )


def _footage_of_pictures(scene: bpy.types.Scene, strip: Any) -> Footage:
    """An image strip's numbered pictures, one a frame of the timeline."""
    names = [element.filename for element in strip.elements]
    begin, trimmed = round(versions.content_start(strip)), int(strip.animation_offset_start)
    seen = timing.overlap(versions.span(strip), (begin, begin + len(names) - trimmed))
    if seen is None:
        raise InputError(f"the strip '{strip.name}' shows none of its own pictures; lengthen it")
    shown = names[seen[0] - begin + trimmed : seen[1] - begin + trimmed]
    numbers = [int((re.findall(r"\d+", Path(each).stem) or [-1])[-1]) for each in shown]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise InputError(
            f"the pictures of the strip '{strip.name}' are not numbered one after the other; give "
            "a sequence or a movie"
        )
    path = folders.existing(
        str(Path(strip.directory) / shown[0]), f"first picture of the strip '{strip.name}'"
    )
    frames = (0, len(shown) - 1)
    return Footage(
        path,
        strip.name,
        seen[0],
        0.0,
        frames,
        rate=rate_of(scene),
        crop=_cropped(strip),
        mirror=(strip.use_flip_x, strip.use_flip_y),
    )


def _cropped(strip: Any) -> tuple[float, float, float, float]:
    """The shares of its picture that a strip cuts off: left, top, right, bottom."""
    crop, size = strip.crop, size_of(strip)
    if not any((crop.min_x, crop.max_x, crop.min_y, crop.max_y)):
        return 0, 0, 0, 0
    if size is None:
        raise InputError(f"Blender cannot read the strip '{strip.name}'; is its file there?")
    width, height = size
    cut = crop.min_x / width, crop.max_y / height, crop.max_x / width, crop.min_y / height
    if cut[0] + cut[2] >= 1 or cut[1] + cut[3] >= 1:
        raise InputError(f"the strip '{strip.name}' is cropped to nothing; crop it less")
    return cut


def footage_of_clip(clip: bpy.types.MovieClip) -> Footage:
    """A clip of the Movie Clip Editor, from its start frame on."""
    if clip is None:
        raise InputError("no clip is chosen; choose one of the Movie Clip Editor's")
    if clip.source != "MOVIE":
        raise InputError(f"the clip '{clip.name}' is a sequence of pictures; give a movie file")
    path = folders.existing(clip.filepath, f"file of the clip '{clip.name}'")
    skipped = max(0, clip.frame_offset)
    return Footage(
        path,
        clip.name,
        clip.frame_start,
        0.0,
        (skipped, max(skipped, clip.frame_duration - 1)),
        clip=clip.name,
    )


def footage_of_file(scene: bpy.types.Scene, path: Path) -> Footage:
    """A movie file, in real time from the scene's first frame on."""
    if path.is_dir():
        raise InputError("no movie was chosen; choose one")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; choose a movie")
    _movie_facts(path)
    return Footage(path, path.stem, scene.frame_start)


def capture(context: bpy.types.Context, footage: Footage, face: int = 0) -> str:
    """Let the worker capture footage as a new take."""
    scene = versions.sequencer_scene(context)
    uid, name = new_uid(), free_name(scene, footage.name)
    slug = f"{folders.safe_name(name)}-{uid}"
    track = take_file(slug, recordings.TRACK_SUFFIX)
    request: dict[str, Any] = {"do": CAPTURE, "footage": str(footage.path), "out": str(track)}
    if face:
        request["face"] = face
    if footage.frames:
        request["frames"] = list(footage.frames)
    if footage.rate:
        request["rate"] = list(footage.rate.as_integer_ratio())
    if any(footage.crop):
        request["crop"] = list(footage.crop)
    if any(footage.mirror):
        request["mirror"] = list(footage.mirror)
    notes = {
        "scene": scene.name, "uid": uid, "slug": slug, "name": name, "start": footage.start,
        "pace": footage.pace, "offset": footage.frames[0] if footage.frames else 0,
        "source": folders.stored(footage.path), "strip": footage.strip, "clip": footage.clip,
        "mirror": footage.mirror,
    }  # fmt: skip
    jobs.start(context, CAPTURE, request, notes)
    return ""


def apply_capture(
    context: bpy.types.Context, scene: bpy.types.Scene, ticket: jobs.Ticket, result: dict[str, Any]
) -> str:
    """The captured track becomes a take, and is cleaned at once."""
    notes = ticket.notes
    scene = bpy.data.scenes.get(notes["scene"]) or scene
    take = add_take(scene, notes["name"], Path(ticket.request["out"]), notes["start"])
    take.uid, take.slug, take.source = notes["uid"], notes["slug"], notes["source"]
    take.pace, take.strip_pace, take.offset = notes["pace"], notes["pace"], notes["offset"]
    take.mirror = notes["mirror"]
    if notes["strip"] and take.pace == 1:
        # Blender shows a picture a frame where it was not told otherwise: nobody's slow motion.
        take.real_time = True
    take.sound_leads = float(result.get("sound_leads", 0))
    gaps = int(result["gaps"])
    if notes["strip"] and (strip := _tagged_footage(scene, notes["strip"], take)) is not None:
        pace = take.strip_pace or pace_of(scene, take)
        take_overlay.show_on_strip(scene, take, strip, take.start, pace)
    clip: bpy.types.MovieClip | None = bpy.data.movieclips.get(notes.get("clip", ""))
    if clip is not None:
        take_overlay.show_on_clip(scene, take, clip)
    clean(context, take)
    said = "".join(f"; {note}" for note in result.get("notes", ()))
    own = f"; in real time, its strip plays at {_speed(scene, take)}" if _slowed(take) else ""
    return f"{notes['name']}: {result['frames']} frames, {_seen(gaps)}{own}{said}"


def _slowed(take: LikenessTake) -> bool:
    """Does the take run in real time while its footage's strip does not?"""
    return bool(take.strip_pace > 0 and take.real_time)


def _speed(scene: bpy.types.Scene, take: LikenessTake) -> str:
    """How fast its footage's strip plays, in percent."""
    own = take.rate[0] / max(1, take.rate[1])
    return f"{100 * take.strip_pace * float(rate_of(scene)) / own:.0f}%"


def add_take(scene: bpy.types.Scene, name: str, track: Path, start: float) -> LikenessTake:
    """A new take from a landmark track that exists; it becomes the active one."""
    recorded = recordings.load_track(track)
    take = settings(scene).takes.add()
    take.name, take.uid = name, new_uid()
    take.slug = f"{folders.safe_name(name)}-{take.uid}"
    take.track = folders.stored(track)
    take.frames, take.last = len(recorded), len(recorded) - 1
    take.rate = recorded.rate.numerator, recorded.rate.denominator
    take.start = start
    take.gaps = int((~recorded.valid).sum())
    settings(scene).take_index = len(settings(scene).takes) - 1
    return take


def clean(context: bpy.types.Context, take: LikenessTake) -> str:
    """Let the worker make the take's performance again: neutral, smoothing, gaps filled."""
    if not take.track:
        raise InputError(f"'{take.name}' was recorded elsewhere and is used as it is")
    track = folders.existing(take.track, f"track of '{take.name}'")
    out = take_file(take.slug, recordings.PERFORMANCE_SUFFIX)
    if take.neutral >= take.frames:
        raise InputError(f"the neutral frame must be 0 to {take.frames - 1}, or -1 to find it")
    request = {
        "do": CLEAN, "track": str(track), "out": str(out),
        "neutral": take.neutral if take.neutral >= 0 else None,
        "smooth_pose": take.smooth_pose, "smooth_expression": take.smooth_expression,
        "fill": take.fill, "lens": take.lens,
    }  # fmt: skip
    jobs.start(context, CLEAN, request, {"take": take.uid, "cleaning": cleaning(take)})
    return ""


def cleaning(take: LikenessTake) -> str:
    """The choices that `clean` works with, to be compared."""
    smoothing = f"{take.smooth_pose:.4f} {take.smooth_expression:.4f}"
    return f"{take.neutral} {smoothing} {take.fill} {take.lens:.2f}"


def needs_update(take: LikenessTake) -> bool:
    """Were the take's sliders moved since it was cleaned?"""
    return bool(take.cleaned) and take.cleaned != cleaning(take)


def apply_clean(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    result: dict[str, Any],
) -> str:
    """The take gets its performance."""
    take = find_take(ticket.notes["take"])
    take.performance = folders.stored(Path(ticket.request["out"]))
    take.cleaned = ticket.notes.get("cleaning", "")
    aside = "; its edited curves are not in it yet" if take.edited else ""
    take.edited = ""
    take.gaps, take.filled = int(result["gaps"]), int(result["filled"])
    used = [int(frame) for frame in result.get("neutral") or ()]
    take.neutral_found = used[0] if used else -1
    take_overlay.refresh(scene_of(take), take)
    bridged = f", {take.filled} bridged" if take.filled else ""
    return f"{take.name}: {_seen(take.gaps)}{bridged}{aside}"


def recorded(path: Path, first: int, rate: Fraction) -> None:
    """What was captured from the viewport becomes a take: a track at once, a movie by detection."""
    context = bpy.context
    scene = versions.sequencer_scene(context)
    name = free_name(scene, path.name.partition(".")[0])
    if path.suffix == ".mp4":
        capture(context, Footage(path, name, first, 1.0))
        return
    take = add_take(scene, name, path, first)
    take.pace = 0.0 if rate == rate_of(scene) else 1.0
    clean(context, take)


def remove_take(scene: bpy.types.Scene) -> str:
    """Forget the active take; its files and strips stay."""
    take = active_take(scene)
    name = take.name
    take_overlay.hide(scene, take)
    takes = settings(scene).takes
    takes.remove(settings(scene).take_index)
    settings(scene).take_index = max(0, min(settings(scene).take_index, len(takes) - 1))
    return f"'{name}' was removed; its files stay"


def set_from_playhead(scene: bpy.types.Scene, what: str) -> str:
    """Set in, out or neutral of the active take to the frame that is due now."""
    take = active_take(scene)
    timed = Timing(take.start, pace_of(scene, take), 0, take.frames - 1)
    if not timed.span()[0] <= scene.frame_current < timed.span()[1]:
        begin, end = timed.span()
        raise InputError(
            f"frame {scene.frame_current} is outside of the take, which lies at {begin} to "
            f"{end - 1}; move the playhead"
        )
    index = timed.index_at(scene.frame_current)
    if what == "IN":
        take.first, take.last = index, max(take.last, index)
    elif what == "OUT":
        take.last, take.first = index, min(take.first, index)
    else:
        take.neutral = index
    return ""


def timing_of(scene: bpy.types.Scene, take: LikenessTake) -> Timing:
    """Where the take lies on the scene's timeline, with its in and out."""
    if take.frames < 1:
        raise InputError(f"the take '{take.name}' has no frames yet; capture it again")
    last = min(take.last, take.frames - 1)
    return Timing(take.start, pace_of(scene, take), min(take.first, last), last)


def rate_of(scene: bpy.types.Scene) -> Fraction:
    """The scene's frames a second."""
    return timing.scene_rate(scene.render.fps, scene.render.fps_base)


def motion_of(take: LikenessTake) -> tuple[str, Path]:
    """The job field and the file that hold the take's motion: edited, cleaned, or as captured."""
    if take.edited:
        return "performance", folders.existing(take.edited, f"edited curves of '{take.name}'")
    if take.performance:
        return "performance", folders.existing(take.performance, f"performance of '{take.name}'")
    return "track", folders.existing(take.track, f"track of '{take.name}'")


def _seen(gaps: int) -> str:
    if not gaps:
        return "a face in every frame"
    return f"{gaps} frame{'s' * (gaps != 1)} without a face"


def drop_curves(take: LikenessTake) -> str:
    """Use the take as it was cleaned again."""
    if not take.edited:
        raise InputError(f"'{take.name}' has no edited curves")
    take.edited = ""
    take_overlay.refresh(scene_of(take), take)
    return ""


def _tagged_footage(
    scene: bpy.types.Scene, name: str, take: LikenessTake
) -> bpy.types.Strip | None:
    """The strip that it was, from now on known for its sound; None where it is gone meanwhile."""
    editor = scene.sequence_editor
    strip = versions.all_strips(editor).get(name) if editor is not None else None
    if strip is None or strip.type != "MOVIE":
        return None
    take.strip = strip.get(head_strip.TAG) or f"footage:{take.uid}"
    strip[head_strip.TAG] = take.strip
    return strip


def _movie_facts(path: Path) -> tuple[int, Fraction]:
    """Pictures and rate of a movie, as Blender reads it."""
    try:
        clip = bpy.data.movieclips.load(str(path))
    except RuntimeError:
        raise InputError(f"{path}: Blender cannot read this movie; give another") from None
    pictures, fps = clip.frame_duration, clip.fps
    bpy.data.movieclips.remove(clip)
    if pictures < 1 or fps <= 0:
        raise InputError(f"{path}: no movie that Blender can read; give e.g. H.264 in MP4")
    return pictures, timing.footage_rate(fps)


def free_name(scene: bpy.types.Scene, wanted: str) -> str:
    """A name that no take has yet, from the footage's."""
    movie = wanted.lower().endswith((".mp4", ".mov", ".avi", ".mkv"))
    stem = Path(wanted).stem if movie else wanted
    taken = {take.name for take in settings(scene).takes}
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem} {number}"
    return name


def take_file(slug: str, suffix: str) -> Path:
    """A file of a take, beside the .blend."""
    return folders.writable(folders.project() / "takes") / f"{slug}{suffix}"


def new_take_file(slug: str, what: str, suffix: str) -> Path:
    """A file of a take that is not there yet: what an undo or another .blend may use stays."""
    path, number = take_file(slug, f".{what}{suffix}"), 1
    while path.exists():
        number += 1
        path = take_file(slug, f".{what}-{number}{suffix}")
    return path
