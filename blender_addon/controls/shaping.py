# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of a take's controls on its Empty: how strong and how smooth each of them is."""

from __future__ import annotations

import bpy
from bpy.props import CollectionProperty, FloatProperty, IntProperty
from bpy.types import PropertyGroup

from .. import registration
from . import curves


def _moved(self: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    curves.show_shaped(self.id_data, self.name)  # type: ignore[arg-type]


class LikenessControl(PropertyGroup):
    """One control of a take; its name is the control's."""

    amplitude: FloatProperty(
        name="Amplitude",
        description="How strong this control is in the whole take: 0 still, 1 as acted, 2 twice",
        min=0,
        max=2,
        default=1,
        subtype="FACTOR",
        update=_moved,
    )
    smoothing: FloatProperty(
        name="Smooth",
        description="How much of this control's jitter is taken away in the whole take; strong "
        "values take quick moves away too, as blinks and lips that close",
        min=0,
        max=1,
        default=0,
        subtype="FACTOR",
        update=_moved,
    )


def register() -> None:
    registration.register_classes(LikenessControl)
    bpy.types.Object.likeness_controls = CollectionProperty(type=LikenessControl)  # type: ignore[attr-defined, func-returns-value]
    bpy.types.Object.likeness_control_index = IntProperty(name="Control")  # type: ignore[attr-defined, func-returns-value]


def unregister() -> None:
    for name in ("likeness_controls", "likeness_control_index"):
        if hasattr(bpy.types.Object, name):
            delattr(bpy.types.Object, name)
    registration.unregister_classes(LikenessControl)
