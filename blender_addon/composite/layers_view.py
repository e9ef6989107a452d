# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait's matte, the person cut out, and the plate, laid over the portrait for a look."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..animate import frames as animate
from ..errors import InputError
from ..portrait import portraits
from ..properties import LikenessPortrait, active_portrait, find_portrait, scene_of, settings
from ..sequencer import head_strip
from ..sequencer.placement import Placement
from ..storage import folders
from ..worker import jobs

KIND = "layers"
VIEWS = (
    ("matte", "Matte", "White is the person"),
    ("person", "Person", "The person alone, cut out"),
    ("plate", "Plate", "What lies behind the person, filled in"),
)


def view_tag(portrait: LikenessPortrait) -> str:
    """The tag of the strip that shows one of a portrait's layers."""
    return f"view:{portrait.uid}"


def shown(scene: bpy.types.Scene, portrait: LikenessPortrait) -> str:
    """Which of `VIEWS` lies over the portrait; "" for none."""
    strip = head_strip.find(scene, view_tag(portrait))
    return str(strip.get("likeness_view", "")) if strip is not None else ""


def toggle(context: bpy.types.Context, view: str) -> str:
    """Show a layer over the portrait, or take it away where it is shown."""
    scene = versions.sequencer_scene(context)
    portrait = active_portrait(scene)
    if shown(scene, portrait) == view:
        head_strip.remove(scene, view_tag(portrait))
        return ""
    if portraits.strip_of(scene, portrait) is None:
        raise InputError(
            f"'{portrait.name}' does not lie on the sequencer; make it from a strip, or synthesize"
        )
    path = portraits.checked_pictures(portrait, final=False)[0]
    out = folders.cache("views", portrait.uid)
    job: dict[str, Any] = {"do": KIND, "portrait": str(path), "out": str(out)}
    if portrait.pictures[0].face:
        job["portrait_face"] = portrait.pictures[0].face
    job |= animate.own_pictures(settings(scene))
    notes = {"portrait": portrait.uid, "view": view, "made_of": made_of(scene, portrait)}
    jobs.start(context, KIND, job, notes)
    return ""


def apply(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    result: dict[str, Any],
) -> str:
    """Lay the picture over the portrait, and keep what was said of the matte."""
    notes = ticket.notes
    portrait, view = find_portrait(notes["portrait"]), notes["view"]
    scene = scene_of(portrait)
    keep_words(portrait, notes["made_of"], result["fallback"] or result["words"])
    if result["fallback"]:
        raise InputError(f"there is no matte to show: {result['fallback']}")
    under = portraits.strip_of(scene, portrait)
    if under is None:
        raise InputError(f"the strip of '{portrait.name}' was deleted meanwhile")
    path, size = Path(result[view]), tuple(portrait.pictures[0].size)
    placement = Placement(
        path.parent, path, size, (0, 0, *size), Fraction(25), 0, 1, path.name, "full", "straight"
    )
    strip = head_strip.lay_over(scene, placement, path, under, view_tag(portrait))
    strip.name = f"{portrait.name} {view}"
    strip["likeness_view"] = view
    if view == "person":  # before the portrait itself nobody would see what was cut
        strip.blend_type = "REPLACE"
    return portrait.layers_words or "Nothing stands out in the matte"


def made_of(scene: bpy.types.Scene, portrait: LikenessPortrait) -> str:
    """What a portrait's layers are made of, to tell whether words are of these."""
    chosen, picture = settings(scene), portrait.pictures[0]
    own = [] if chosen.layer == "box" else [chosen.own_matte, chosen.own_plate]
    return json.dumps([picture.sha256, picture.face, *own])


def keep_words(portrait: LikenessPortrait, made_of: str, words: str) -> None:
    """Remember what is to be looked at in a portrait's matte."""
    portrait.layers_of, portrait.layers_words = made_of, words


def words_of(scene: bpy.types.Scene, portrait: LikenessPortrait) -> str | None:
    """What is to be looked at in the matte as it is now; None: it was not made yet."""
    if not portrait.pictures or portrait.layers_of != made_of(scene, portrait):
        return None
    return str(portrait.layers_words)
