# SPDX-License-Identifier: GPL-3.0-or-later
"""The modifiers of a strip on another one: the same grade on both."""

from __future__ import annotations

from typing import Any

import bpy

_OWN = {"rna_type", "name", "type", "is_active"}


def copy_modifiers(source: bpy.types.Strip, target: bpy.types.Strip) -> None:
    """Give `target` the modifiers of `source`, in place of its own."""
    for modifier in list(target.modifiers):
        target.modifiers.remove(modifier)
    for modifier in source.modifiers:
        made: Any = target.modifiers.new(modifier.name, modifier.type)
        if made is not None:  # a kind that a strip can have once
            _copy(modifier, made)


def _copy(source: Any, target: Any) -> None:
    for each in source.bl_rna.properties:
        name = each.identifier
        if name in _OWN:
            continue
        value = getattr(source, name)
        if isinstance(value, bpy.types.CurveMapping):
            _copy_curves(value, getattr(target, name))
        elif not each.is_readonly:
            setattr(target, name, value)
        elif isinstance(value, bpy.types.bpy_struct):
            _copy(value, getattr(target, name))


def _copy_curves(source: bpy.types.CurveMapping, target: bpy.types.CurveMapping) -> None:
    for name in ("black_level", "white_level", "clip_min_x", "clip_min_y", "clip_max_x",
                 "clip_max_y", "use_clip", "extend", "tone"):  # fmt: skip
        setattr(target, name, getattr(source, name))
    for old, new in zip(source.curves, target.curves, strict=True):
        while len(new.points) > len(old.points):
            new.points.remove(new.points[-1])
        while len(new.points) < len(old.points):
            new.points.new(1, 1)
        for one, other in zip(old.points, new.points, strict=True):
            other.location, other.handle_type = one.location, one.handle_type
    target.update()
