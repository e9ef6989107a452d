# SPDX-License-Identifier: GPL-3.0-or-later
"""The grade of a portrait's strip, taken on by the head's: else the head shows as a patch.

Colour space, saturation, multiply, opacity and modifiers, in the order in which Blender applies
them. A head strip that an artist graded by hand keeps that grade.
"""

from __future__ import annotations

import json
from typing import Any

import bpy

from .. import versions
from . import following, plate

_TAKEN, _FROM = "likeness_grade", "likeness_grade_from"  # on a head strip: its own grade as it was
# copied last, and the portrait's that it was copied from.
SPACE = "likeness_space"  # on a head strip: the colour space of its frames, but for OpenEXR
_OPACITY = "Likeness opacity"
_SKIPPED = {"rna_type", "name", "type", "is_active", "show_expanded"}


def take_on(portrait: Any, head: Any) -> bool:
    """Give the head's strip the colour space and the grade of the portrait's; did it change?

    What was graded on the head itself since it was laid stays, and nothing is taken on then.
    """
    scene, wanted = head.id_data, _facts(portrait)
    if head.get(_FROM, _PLAIN) == wanted or head.get(_TAKEN, _PLAIN) != _facts(head):
        return False
    head[SPACE] = _PLAIN_SPACE
    if not plate.is_bright(portrait):
        head[SPACE] = portrait.colorspace_settings.name
        if not plate.is_bright(head):
            head.colorspace_settings.name = head[SPACE]
    head.color_saturation = portrait.color_saturation
    head.color_multiply = portrait.color_multiply * portrait.get(plate.BRIGHTNESS, 1.0)
    copy_modifiers(portrait, head)
    if _opacity(portrait) < 1:
        # Opacity darkens what lies over black. A head that faded would show its portrait twice.
        fade = versions.new_modifier(scene, head, _OPACITY, "COLOR_BALANCE")
        fade.color_balance.gain = (_opacity(portrait),) * 3
    head[_TAKEN], head[_FROM] = _facts(head), wanted
    return True


def copy_modifiers(source: Any, target: Any) -> None:
    """Give a strip another one's modifiers, in place of its own."""
    versions.set_linear_modifiers(target, versions.linear_modifiers(source))
    while target.modifiers:
        target.modifiers.remove(target.modifiers[0])
    for modifier in source.modifiers:
        made = versions.new_modifier(target.id_data, target, modifier.name, modifier.type)
        _copy(modifier, made)


def _facts(strip: Any) -> str:
    """A strip's grade as text, to be compared."""
    facts = {
        "space": _PLAIN_SPACE if plate.is_bright(strip) else strip.colorspace_settings.name,
        "brightness": round(strip.get(plate.BRIGHTNESS, 1.0), 5),
        "saturation": round(strip.color_saturation, 5),
        "multiply": round(strip.color_multiply, 5),
        "opacity": round(_opacity(strip), 5),
        "linear": versions.linear_modifiers(strip),
        "modifiers": [[each.type, each.name, _values(each)] for each in strip.modifiers],
    }
    return json.dumps(facts, sort_keys=True)


_PLAIN_SPACE = "sRGB"
_PLAIN = json.dumps(
    {
        "space": _PLAIN_SPACE, "saturation": 1.0, "multiply": 1.0, "opacity": 1.0, "linear": False,
        "modifiers": [], "brightness": 1.0,
    },
    sort_keys=True,
)  # fmt: skip


def _opacity(strip: Any) -> float:
    """A strip's opacity, 1 where it is animated: that the head's strip follows by its drivers."""
    if following.is_animated(strip.id_data, strip, "blend_alpha"):
        return 1.0
    return float(strip.blend_alpha)


def _values(data: Any) -> Any:
    """The values of a modifier, and of what it holds."""
    values: dict[str, Any] = {}
    for name, kind in _properties(data):
        value = getattr(data, name)
        if isinstance(value, bpy.types.CurveMapping):
            values[name] = _points(value)
        elif kind == "POINTER":
            own = isinstance(value, bpy.types.bpy_struct) and not _is_named(value)
            values[name] = _values(value) if own else getattr(value, "name", None)
        elif kind in ("FLOAT", "INT", "BOOLEAN") and hasattr(value, "__len__"):
            values[name] = [round(float(each), 5) for each in value]
        else:
            values[name] = round(value, 5) if isinstance(value, float) else value
    return values


def _points(mapping: Any) -> list[list[list[Any]]]:
    """The points of every curve: x, y, and how they are joined."""
    return [
        [[*(round(x, 5) for x in point.location), point.handle_type] for point in curve.points]
        for curve in mapping.curves
    ]


def _copy(source: Any, target: Any) -> None:
    """Give a modifier the values of another one of its type."""
    for name, kind in _properties(source):
        value = getattr(source, name)
        if isinstance(value, bpy.types.CurveMapping):
            _copy_curves(value, getattr(target, name))
        elif kind == "POINTER" and value is not None and not _is_named(value):
            _copy(value, getattr(target, name))
        elif not source.bl_rna.properties[name].is_readonly:
            setattr(target, name, value)


def _properties(data: Any) -> list[tuple[str, str]]:
    return [
        (each.identifier, each.type)
        for each in data.bl_rna.properties
        if each.identifier not in _SKIPPED and each.type != "COLLECTION"
    ]


def _is_named(value: Any) -> bool:
    """Is it another strip, or data of the file, which is pointed at and not copied?"""
    return isinstance(value, bpy.types.ID | bpy.types.Strip)


def _copy_curves(source: bpy.types.CurveMapping, target: bpy.types.CurveMapping) -> None:
    for given, made in zip(source.curves, target.curves, strict=True):
        while len(made.points) > 2:
            made.points.remove(made.points[1])
        while len(made.points) < len(given.points):
            made.points.new(0, 0)
        for point, own in zip(given.points, made.points, strict=True):
            own.location, own.handle_type = point.location, point.handle_type
    for name in ("use_clip", "clip_min_x", "clip_max_x", "clip_min_y", "clip_max_y", "extend"):
        setattr(target, name, getattr(source, name))
    target.update()
