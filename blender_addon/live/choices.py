# SPDX-License-Identifier: GPL-3.0-or-later
"""What is chosen in the panel Live."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..registration import register_classes, unregister_classes

SOURCES = (
    ("CAMERA", "Camera", "A camera of this machine"),
    ("STRIP", "Movie Strip", "The file of the active movie strip, played at its own pace, again "
     "and again: a rehearsal"),
    ("PHONE", "Phone", "Live Link Face or VMC, which send to an address of this machine"),
    ("STREAM", "Stream", "Another machine's `send`, which connects to an address of this one"),
)  # fmt: skip


def _changed(_self: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    from . import session  # it stands on these choices

    session.wish(context)


class LikenessLive(bpy.types.PropertyGroup):
    """Who drives, and how."""

    source: EnumProperty(name="Source", items=SOURCES, description="Who drives the portrait")
    camera: IntProperty(name="Camera", min=0, max=99, description="0 is the first one")
    host: StringProperty(
        name="Address",
        default="127.0.0.1",
        description="This machine's address at which it listens: 127.0.0.1 is heard from this "
        "machine alone, its address in your network from there, 0.0.0.0 from everywhere",
    )
    port: IntProperty(
        name="Port",
        default=11111,
        min=1,
        max=65535,
        description="11111 is Live Link Face's, 39539 VMC's; a stream's as the other end says",
    )
    key: StringProperty(
        name="Key",
        subtype="FILE_PATH",
        description="The stream's key.pem, the same at both ends; not needed from this machine",
    )
    mirror: BoolProperty(name="Mirror", update=_changed, description="Left becomes right")
    smooth: FloatProperty(
        name="Smoothing",
        default=0.4,
        min=0,
        max=1,
        update=_changed,
        description="0 shows every tremble of the tracker; 1 is calm, and late by a frame",
    )
    record: BoolProperty(
        name="Record",
        update=_changed,
        description="Keep what is performed; with Stop it becomes a take. Sound is not recorded",
    )
    idle: BoolProperty(
        name="Idle", description="Blink and breathe while nobody is seen; from the next start on"
    )


def chosen(scene: bpy.types.Scene) -> LikenessLive:
    """What is chosen in this scene."""
    return scene.likeness_live  # type: ignore[attr-defined]


def register() -> None:
    register_classes(LikenessLive)
    bpy.types.Scene.likeness_live = bpy.props.PointerProperty(type=LikenessLive)  # type: ignore[attr-defined, func-returns-value]


def unregister() -> None:
    if hasattr(bpy.types.Scene, "likeness_live"):
        del bpy.types.Scene.likeness_live
    unregister_classes(LikenessLive)
