# SPDX-License-Identifier: GPL-3.0-or-later
"""What Likeness keeps in the .blend: portraits with their consent, takes, and the choices made.

Everything hangs on the scene whose sequencer is edited, as `scene.likeness`. Every property has a
default, so that files of an older version open. Paths are kept as `folders.stored` gives them;
strips are known by a tag of their own, which survives a new name, a copy and undo.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from . import registration
from .errors import InputError
from .items import (
    BASES,
    CONSENT_NOTE,
    FORMATS,
    LAYERS,
    MATCHES,
    MATTES,
    NO_BASIS,
    RANGES,
    SOURCES,
    TIERS,
    TRANSFERS,
)
from .take_properties import LikenessTake as LikenessTake
from .take_properties import pace_of as pace_of

MOST_PICTURES = 32

_RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"}


class LikenessFace(PropertyGroup):
    """One face of a picture, as the worker found it."""

    number: IntProperty(description="From left to right, beginning with 1")
    box: IntVectorProperty(size=4, description="Left, top, width and height in pixels")
    crop: IntVectorProperty(
        size=4, description="The part that is made again: left, top, width and height in pixels"
    )
    thumbnail: StringProperty(subtype="FILE_PATH", options=_RELATIVE)
    points: StringProperty(
        subtype="FILE_PATH", options=_RELATIVE, description="Landmarks, in pixels of the picture"
    )
    shows: StringProperty(description="How it is held and what it does")


class LikenessPicture(PropertyGroup):
    """One picture of a person."""

    path: StringProperty(subtype="FILE_PATH", options=_RELATIVE)
    sha256: StringProperty()
    size: IntVectorProperty(size=2, description="Width and height in pixels")
    cut_out: BoolProperty(description="A part of it is transparent")
    faces: CollectionProperty(type=LikenessFace)
    face: IntProperty(
        name="Face",
        description="Which face is meant, counted from left to right; 0 while none is chosen",
        min=0,
    )
    use: BoolProperty(
        name="Use", description="Let frames take from this picture what it shows best", default=True
    )


def _name_of_part(portrait: LikenessPortrait) -> str:
    takes = settings(scene_of(portrait)).takes
    return next((take.name for take in takes if take.uid == portrait.part), "")


def _set_part(portrait: LikenessPortrait, name: str) -> None:
    take = settings(scene_of(portrait)).takes.get(name)
    portrait.part = take.uid if take is not None else ""


class LikenessPortrait(PropertyGroup):
    """A person: pictures, the first of which leads, and the permission to animate them."""

    uid: StringProperty()
    slug: StringProperty(description="Its folder's name, which a new name of the portrait keeps")
    pictures: CollectionProperty(type=LikenessPicture)
    picture_index: IntProperty(
        name="Picture", description="Pictures of one person; the first leads"
    )

    consent_who: StringProperty(
        name="Whose Face", description="Name of the person who is shown", default=""
    )
    consent_basis: EnumProperty(
        name="Basis",
        description="On what ground this face may be animated",
        items=BASES,
        default=NO_BASIS,
    )
    consent_note: StringProperty(name="Note", description=CONSENT_NOTE)
    consent_sha256: StringProperty(description="Hashes of the pictures that the note speaks of")
    consent_date: StringProperty()

    in_cast: BoolProperty(
        name="Make", description="Make this portrait too with Synthesize All", default=True
    )
    part: StringProperty(description="Tag of the take that it performs; empty: the active one")
    plays: StringProperty(
        name="Plays",
        description="The take that this portrait performs with Synthesize All; empty: the one that "
        "is active in the step Performance",
        get=_name_of_part,
        set=_set_part,
    )

    layers_of: StringProperty(description="What the words on its matte were said of")
    layers_words: StringProperty(description="What is to be looked at in its matte")

    person: StringProperty(
        name="Personalized",
        subtype="DIR_PATH",
        options=_RELATIVE,
        description="Folder of the personalized model",
    )
    use_person: BoolProperty(
        name="Use Personalized Model",
        description="Synthesize with the model that was fine-tuned on this person's pictures",
        default=True,
    )


def _gain(name: str, what: str) -> Any:
    return FloatProperty(
        name=name,
        description=f"How strongly {what} follows the actor: 0 not at all, 1 as acted, 2 twice",
        min=0,
        max=2,
        default=1,
        subtype="FACTOR",
    )


class LikenessSettings(PropertyGroup):
    """The choices of the four steps."""

    portraits: CollectionProperty(type=LikenessPortrait)
    portrait_index: IntProperty(name="Portrait")
    takes: CollectionProperty(type=LikenessTake)
    take_index: IntProperty(name="Take")

    source: EnumProperty(
        name="Source", description="What the performance is captured from", items=SOURCES
    )
    clip: PointerProperty(name="Clip", type=bpy.types.MovieClip)
    capture_face: IntProperty(
        name="Face Number",
        min=0,
        description="Which face of the footage: from left to right as they come into the picture",
    )
    largest_face: BoolProperty(
        name="Largest Face",
        description="Capture the face that is largest in the footage",
        get=lambda self: self.capture_face == 0,
        set=lambda self, largest: setattr(self, "capture_face", 0 if largest else 1),
    )

    pose: _gain("Pose", "the head")
    mouth: _gain("Mouth", "the mouth")
    eyes: _gain("Eyes", "blinking and widening of the eyes")
    brows: _gain("Brows", "the brows")
    gaze: _gain("Gaze", "the direction of the look")
    teeth_seen: FloatProperty(
        name="Teeth",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
        description="How far teeth are seen where the portrait shows none; 0: a dark mouth",
    )
    teeth_brightness: FloatProperty(
        name="Brightness",
        min=0.3,
        max=1.5,
        default=1,
        description="Light on these teeth; 1: by the portrait's skin and lips",
    )
    teeth_warmth: FloatProperty(
        name="Warmth",
        min=-1,
        max=1,
        default=0,
        description="Tint of these teeth, from bluish to yellow; 0: as the whites of the eyes",
    )
    teeth_size: FloatProperty(
        name="Tooth Size",
        min=0.7,
        max=1.3,
        default=1,
        description="Size of these teeth; 1: a mean adult's in a face of this size",
    )
    teeth_gap: FloatProperty(
        name="Gap (mm)",
        min=0,
        max=4,
        default=0,
        description="Gap between the two front teeth, in millimetres",
    )
    teeth_picture: IntProperty(
        name="From Picture",
        min=0,
        max=MOST_PICTURES,
        default=0,
        description="Number of the portrait's picture that lends its teeth to all frames; 0: by "
        "itself",
    )
    own_teeth: StringProperty(
        name="Own Teeth",
        subtype="FILE_PATH",
        options=_RELATIVE,
        description="A painted plate of teeth, as Export Template writes it, in place of those "
        "that are drawn; empty: none",
    )
    transfer: EnumProperty(name="Performs", items=TRANSFERS)
    neutralize: BoolProperty(
        name="Relax the Portrait",
        description="Take the portrait's own expression away before it performs. For a portrait "
        "that smiles, speaks or frowns: else its smile stays under all that the actor does, and "
        "its lips never quite close. A face at rest needs it off",
    )
    tier: EnumProperty(name="Quality", items=TIERS)

    range: EnumProperty(name="Range", description="Which frames are made", items=RANGES)
    layer: EnumProperty(name="Layer", description="What the frames hold", items=LAYERS)
    own_matte: StringProperty(
        name="Own Matte",
        subtype="FILE_PATH",
        options=_RELATIVE,
        description="A matte of the person in the portrait, grey or with alpha, in place of the "
        "one that is made; empty: none",
    )
    own_plate: StringProperty(
        name="Own Plate",
        subtype="FILE_PATH",
        options=_RELATIVE,
        description="A picture of what lies behind the person, in place of the one that is made; "
        "empty: none",
    )
    format: EnumProperty(name="Format", description="Files of the head frames", items=FORMATS)
    feather: FloatProperty(
        name="Feather",
        description="Softness of the strip's edge in percent of its width; 0: as narrow as it is",
        min=0,
        max=25,
        default=0,
        subtype="PERCENTAGE",
    )
    match: EnumProperty(
        name="Match Colours",
        description="What the head's colours agree with",
        items=MATCHES,
        default="portrait",
    )
    match_picture: StringProperty(
        name="Picture",
        subtype="FILE_PATH",
        options=_RELATIVE,
        description="A graded still of the shot, best with a face in it, that the head is to match",
    )
    match_strength: FloatProperty(
        name="Match Strength",
        description="How far the head's colours are led there",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
    )
    mark: FloatProperty(
        name="Invisible Mark",
        description="Strength of the mark in the skin by which frames are known again; 0 is off, "
        "which is kept with the frames",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
    )
    matte: BoolProperty(
        name="Matte",
        description="Also lay mattes above the head, muted, as masks for grading and compositing",
    )
    matte_kind: EnumProperty(name="Matte Of", description="What is masked", items=MATTES)
    sound: BoolProperty(
        name="Add Sound",
        description="Put the footage's sound beside the head strip, in step with it, once",
        default=True,
    )


def settings(scene: bpy.types.Scene) -> LikenessSettings:
    """The scene's LikenessSettings."""
    return scene.likeness  # type: ignore[attr-defined]


def new_uid() -> str:
    """A tag that no other portrait, take or strip has."""
    return uuid4().hex[:8]


def active_portrait(scene: bpy.types.Scene) -> LikenessPortrait:
    """The chosen portrait. InputError when there is none."""
    found = settings(scene).portraits
    if not found:
        raise InputError("there is no portrait yet; add one in the step Portrait")
    return found[min(max(settings(scene).portrait_index, 0), len(found) - 1)]


def active_take(scene: bpy.types.Scene) -> LikenessTake:
    """The chosen take. InputError when there is none."""
    found = settings(scene).takes
    if not found:
        raise InputError("there is no performance yet; capture one in the step Performance")
    return found[min(max(settings(scene).take_index, 0), len(found) - 1)]


def find_portrait(uid: str) -> LikenessPortrait:
    """The portrait with this tag, wherever its scene is now. InputError when it is gone."""
    for scene in bpy.data.scenes:
        for portrait in settings(scene).portraits:
            if portrait.uid == uid:
                return portrait
    raise InputError("the portrait that this was for was removed meanwhile; nothing was changed")


def find_take(uid: str) -> LikenessTake:
    """The take with this tag, wherever its scene is now. InputError when it is gone."""
    for scene in bpy.data.scenes:
        for take in settings(scene).takes:
            if take.uid == uid:
                return take
    raise InputError("the take that this was for was removed meanwhile; nothing was changed")


def scene_of(thing: LikenessPortrait | LikenessTake) -> bpy.types.Scene:
    """The scene that holds a portrait or a take."""
    return thing.id_data  # type: ignore[return-value]


CLASSES = (LikenessFace, LikenessPicture, LikenessPortrait, LikenessTake, LikenessSettings)


def register() -> None:
    """Register the properties on the scene."""
    registration.register_classes(*CLASSES)
    bpy.types.Scene.likeness = PointerProperty(type=LikenessSettings)  # type: ignore[attr-defined, func-returns-value]


def unregister() -> None:
    """Take them away again; what files hold of them stays."""
    if hasattr(bpy.types.Scene, "likeness"):
        del bpy.types.Scene.likeness
    registration.unregister_classes(*CLASSES)
