# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3, Animate: how strongly the portrait follows, and a test frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..performance import edits
from ..performance import takes as performance
from ..portrait import portraits
from ..properties import (
    LikenessPortrait,
    LikenessSettings,
    LikenessTake,
    active_portrait,
    active_take,
    find_portrait,
    find_take,
    scene_of,
    settings,
)
from ..sequencer import head_strip, plate, strips, timing
from ..sequencer.placement import Placement, read_placement
from ..storage import folders
from ..worker import jobs
from . import person, teeth

TEST = "test_frame"
CHOICES = "likeness_choices"  # of a test frame's strip: what it was made with
REGIONS = ("pose", "mouth", "eyes", "brows", "gaze")


def request(
    scene: bpy.types.Scene,
    portrait: LikenessPortrait,
    take: LikenessTake,
    out: Path,
    frames: tuple[int, int],
    final: bool,
    consent: bool = True,
) -> dict[str, Any]:
    """The worker's job for frames of the take, both included, as the scene's choices say.

    final: for output, which needs consent. consent: with its record, where there is one; the
    pictures are read for it. InputError when something is missing or gone.
    """
    chosen = settings(scene)
    pictures = portraits.checked_pictures(portrait, final)
    kind, motion = performance.motion_of(take)
    job: dict[str, Any] = {
        "do": "synthesize", "portrait": [str(path) for path in pictures], kind: str(motion),
        "out": str(out), "frames": list(frames),
        "gains": {region: getattr(chosen, region) for region in REGIONS},
        "transfer": chosen.transfer, "neutralize": chosen.neutralize,
        "format": file_format(scene, portrait, chosen.format if final else "png"),
    }  # fmt: skip
    if portrait.pictures[0].face:
        job["portrait_face"] = portrait.pictures[0].face
    record = portraits.consent_of(portrait) if consent else None
    if record is not None and (final or portraits.unchanged(portrait)):
        job["consent"] = record
    if chosen.feather > 0:
        job["feather"] = chosen.feather / 100
    job |= layer_of(chosen, portrait)
    timed = performance.timing_of(scene, take)
    if final:
        job |= teeth.teeth_of(scene, portrait, take, timed, frames)
    else:
        job |= teeth.teeth_at(scene, portrait, timed, frames[0])
    job["mark"] = chosen.mark
    job["match"], job["match_strength"] = matched_to(chosen), chosen.match_strength
    own = person.person_of(portrait)
    if own is not None and portrait.use_person:
        return {**job, "person": str(own)}
    return {**job, "tier": chosen.tier}


def file_format(scene: bpy.types.Scene, portrait: LikenessPortrait, wanted: str) -> str:
    """The format that was chosen, or 16 bits where only these can agree with the portrait's strip.

    8 bits cannot be multiplied beyond white; OpenEXR is linear, and holds no other colour space.
    """
    strip: Any = portraits.strip_of(scene, portrait)
    if strip is None:
        return wanted
    bright = strip.get(plate.BRIGHTNESS, 1.0) > 1.002
    other = strip.colorspace_settings.name != "sRGB" and not plate.is_bright(strip)
    return "png16" if (bright and wanted == "png") or (other and wanted == "exr") else wanted


def layer_of(chosen: LikenessSettings, portrait: LikenessPortrait) -> dict[str, Any]:
    """The layer, and pictures of the artist's own for it, as the job says them.

    Of a cut-out portrait it is the whole person: behind a head alone the still one would be seen.
    InputError when a picture is gone.
    """
    if portrait.pictures[0].cut_out:
        return {"layer": "person", **own_pictures(chosen)}
    if chosen.layer == "box":
        return {"box": True}
    return {"layer": chosen.layer, **own_pictures(chosen)}


def own_pictures(chosen: LikenessSettings) -> dict[str, Any]:
    """The artist's own matte and plate, as the job says them. InputError when one is gone."""
    job: dict[str, Any] = {}
    for name, own, what in (
        ("alpha", chosen.own_matte, "own matte"),
        ("plate", chosen.own_plate, "own plate"),
    ):
        if own:
            job[name] = str(folders.existing(own, what))
    return job


def matched_to(chosen: LikenessSettings) -> str:
    """What the head's colours are to agree with, as the job says it. InputError without a file."""
    if chosen.match != "picture":
        return str(chosen.match)
    path = folders.absolute(chosen.match_picture) if chosen.match_picture else None
    if path is None or not path.is_file():
        which = f"{path}: there is no such file" if path else "no picture is chosen"
        raise InputError(
            f"{which} that the head's colours could match; choose one in the step "
            "Composite, or set Match to Portrait"
        )
    return str(path)


def test_frame(context: bpy.types.Context) -> str:
    """Let the worker make the frame at the playhead, for a look; needs no consent."""
    scene = versions.sequencer_scene(context)
    portrait, take = active_portrait(scene), active_take(scene)
    timed = performance.timing_of(scene, take)
    begin, end = timed.span()
    frame = scene.frame_current
    if not begin <= frame < end:
        raise InputError(
            f"frame {frame} is outside of '{take.name}', which lies at {begin} to {end - 1}; "
            "move the playhead"
        )
    edits.keep_what_is_seen(scene, take)
    index = timed.index_at(frame)
    out = folders.cache("test", f"{portrait.uid}-{take.uid}")
    job = request(scene, portrait, take, out, (index, index), final=False)
    notes = {
        "portrait": portrait.uid, "take": take.uid, "frame": frame, "index": index,
        "strip": has_strip(scene, portrait),
    }  # fmt: skip
    jobs.start(context, TEST, job, notes)
    return ""


def apply_test(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    _result: dict[str, Any],
) -> str:
    """Show the frame at its place on the timeline, above the portrait."""
    portrait = find_portrait(ticket.notes["portrait"])
    scene, frame, index = scene_of(portrait), ticket.notes["frame"], ticket.notes["index"]
    placement = read_placement(Path(ticket.request["out"]))
    take = find_take(ticket.notes["take"])
    under = portrait_strip(scene, portrait, placement, take, ticket.notes["strip"])
    strip = head_strip.lay_still(scene, placement, index, under, test_tag(portrait), frame)
    strip[CHOICES] = choices_of(ticket.request)
    head_strip.step_back(under, head_strip.find(scene, take.strip))
    return f"Frame {frame} is shown; the cross takes it away"


def choices_of(request: dict[str, Any]) -> str:
    """What decides a frame's pixels in a job's request, to be compared."""
    where = {"out", "frames", "provider"}
    return json.dumps({k: v for k, v in request.items() if k not in where}, sort_keys=True)


def clear_test(scene: bpy.types.Scene) -> str:
    """Take the test frame off the sequencer."""
    if not head_strip.remove(scene, test_tag(active_portrait(scene))):
        raise InputError("there is no test frame to clear")
    return ""


def test_tag(portrait: LikenessPortrait) -> str:
    """The tag of the strip that shows a portrait's test frame."""
    return f"test:{portrait.uid}"


def has_strip(scene: bpy.types.Scene, portrait: LikenessPortrait) -> bool:
    """Does the portrait lie on the sequencer?"""
    return portraits.strip_of(scene, portrait) is not None


def portrait_strip(
    scene: bpy.types.Scene,
    portrait: LikenessPortrait,
    placement: Placement,
    take: LikenessTake,
    had_strip: bool,
) -> strips.PictureStrip:
    """The strip below the head: the portrait's own, or a new one as long as the take.

    had_strip: there was one when the job began. InputError when that was deleted, and when the
    strip shows a picture of another size than the frames were made for.
    """
    strip = portraits.strip_of(scene, portrait)
    if strip is None and had_strip:
        raise InputError(
            f"the strip of '{portrait.name}' was deleted meanwhile; its frames are kept: press "
            "the button again to lay them over a new one"
        )
    if strip is None:
        if not placement.portrait.is_file():
            raise InputError(f"{placement.portrait}: the portrait is not there any more")
        begin, end = performance.timing_of(scene, take).span()
        strip = strips.add_still(scene, placement.portrait, (begin, end), portrait.name)
        strip[head_strip.TAG] = portraits.tag(portrait)
    size = _shown_size(strip, placement.portrait)
    if size != placement.portrait_size:
        raise InputError(
            f"the strip '{strip.name}' shows {size[0]} x {size[1]} pixels, the portrait has "
            f"{placement.portrait_size[0]} x {placement.portrait_size[1]}; put the same picture on "
            "the strip, or make the portrait from the strip again"
        )
    return strip


def _shown_size(strip: strips.PictureStrip, portrait: Path) -> tuple[int, int]:
    """Width and height of the strip's picture in pixels."""
    element = strip.elements[0]
    noted = element.orig_width, element.orig_height
    if not isinstance(strip, bpy.types.ImageStrip):
        return noted
    path = folders.absolute(strip.directory) / element.filename
    if path == portrait:
        return noted
    # Blender notes the size when the strip is made, not when the artist gives it another file.
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError:
        raise InputError(
            f"{path}: the picture of the strip '{strip.name}' cannot be read; put it back or "
            "choose another"
        ) from None
    size = image.size[0], image.size[1]
    bpy.data.images.remove(image)
    return size if all(size) else noted


def seen_span(
    scene: bpy.types.Scene, portrait: LikenessPortrait, take: LikenessTake
) -> tuple[int, int]:
    """Frames [begin, end) of the timeline that the chosen range and the take share."""
    whole = performance.timing_of(scene, take).span()
    wanted, words = whole, "take"
    kind = settings(scene).range
    if kind == "PREVIEW":
        if not scene.use_preview_range:
            raise InputError("no preview range is set; press P over the timeline to draw one")
        wanted, words = (scene.frame_preview_start, scene.frame_preview_end + 1), "preview range"
    elif kind == "SCENE":
        wanted, words = (scene.frame_start, scene.frame_end + 1), "scene's range"
    elif kind == "STRIP" and (strip := portraits.strip_of(scene, portrait)) is not None:
        wanted, words = versions.span(strip), f"strip '{strip.name}'"
    shared = timing.overlap(whole, wanted)
    if shared is None:
        raise InputError(
            f"the {words} ({wanted[0]} to {wanted[1] - 1}) and the take ({whole[0]} to "
            f"{whole[1] - 1}) share no frame; move one of them or choose another range"
        )
    return shared
