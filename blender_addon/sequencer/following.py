# SPDX-License-Identifier: GPL-3.0-or-later
"""The head strip follows a portrait that is animated: by drivers, so that later edits count too.

A still portrait's placement is copied, and the artist may move the head. What is keyed or driven on
the portrait (transform, crop, mirroring, opacity) is driven on the head, by plain expressions that
need no permission to run scripts. What the artist has keyed on the head itself is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from .. import versions

_MARK = "portrait"  # name of the first variable of the drivers that are ours
_PLACED = ("transform.offset_x", "transform.offset_y", "transform.scale_x", "transform.scale_y",
           "transform.rotation")  # fmt: skip
_COPIED = ("transform.scale_x", "transform.scale_y", "transform.rotation", "use_flip_x",
           "use_flip_y", "blend_alpha")  # fmt: skip
_CROPPED = ("crop.min_x", "crop.max_x", "crop.min_y", "crop.max_y")
_FOLLOWED = {*_PLACED, *_COPIED, *_CROPPED, "transform.origin"}
_SEEN = "likeness_portrait_seen"  # the portrait's placement when the head was laid over it


@dataclass(frozen=True)
class Shift:
    """From the portrait's placement to the head's, in pixels, x right and y up.

    centre: from the portrait's centre to the head's, unscaled. slip: what rounding adds. pivot: the
    portrait's size over the head's. crop: what is taken off min_x, max_x, min_y, max_y.
    """

    centre: tuple[float, float]
    slip: tuple[float, float]
    pivot: tuple[float, float]
    crop: dict[str, int]


def follow(
    scene: bpy.types.Scene, portrait: bpy.types.Strip, head: bpy.types.Strip, shift: Shift
) -> None:
    """Drive what is animated on the portrait's strip on the head's, in place of earlier drivers."""
    unlink(scene, head)
    head[_SEEN] = _placement(portrait)
    animated, own = _animated(scene, portrait), _animated(scene, head)
    if animated & {*_PLACED}:
        across, up = shift.centre
        placed = {"x": "scale_x", "y": "scale_y", "r": "rotation"}
        for axis, expression in (
            ("x", f"cos(r) * {across:.6f} * x - sin(r) * {up:.6f} * y + {shift.slip[0]:.6f}"),
            ("y", f"sin(r) * {across:.6f} * x + cos(r) * {up:.6f} * y + {shift.slip[1]:.6f}"),
        ):
            path = f"transform.offset_{axis}"
            if path not in own:
                others = {name: f"transform.{what}" for name, what in placed.items()}
                _drive(scene, portrait, head, path, -1, f"{_MARK} + {expression}", others)
    for path in _COPIED:
        if path in animated - own:
            _drive(scene, portrait, head, path, -1, _MARK, {})
    if "transform.origin" in animated - own:
        for index, share in enumerate(shift.pivot):
            expression = f"0.5 + ({_MARK} - 0.5) * {share:.6f}"
            _drive(scene, portrait, head, "transform.origin", index, expression, {})
    for name, less in shift.crop.items():
        if f"crop.{name}" in animated - own:
            _drive(scene, portrait, head, f"crop.{name}", -1, f"max(0, {_MARK} - {less})", {})


def follow_like(scene: bpy.types.Scene, head: bpy.types.Strip, other: bpy.types.Strip) -> None:
    """Give a strip that lies exactly as the head's the same drivers."""
    unlink(scene, other)
    for curve in list(_drivers(scene, head)):
        if not _is_ours(curve):
            continue
        path = curve.data_path.removeprefix(f"{head.path_from_id()}.")
        index = curve.array_index if path == "transform.origin" else -1
        made = _new_driver(other, path, index, curve.driver.expression)
        for variable in curve.driver.variables:
            _add_variable(scene, made, variable.name, variable.targets[0].data_path)


def unlink(scene: bpy.types.Scene, head: bpy.types.Strip) -> None:
    """Take the drivers that are ours off a strip."""
    for curve in [each for each in _drivers(scene, head) if _is_ours(each)]:
        scene.animation_data.drivers.remove(curve)


def is_linked(scene: bpy.types.Scene, head: bpy.types.Strip) -> bool:
    """Does the head follow the portrait's animation by itself?"""
    return any(_is_ours(curve) for curve in _drivers(scene, head))


def is_animated(scene: bpy.types.Scene, strip: bpy.types.Strip, path: str) -> bool:
    """Is a property of a strip keyed or driven, by us or by the artist?"""
    whole = f"{strip.path_from_id()}.{path}"
    driven = any(curve.data_path == whole for curve in _drivers(scene, strip))
    return driven or path in _animated(scene, strip)


def has_moved(scene: bpy.types.Scene, portrait: bpy.types.Strip, head: bpy.types.Strip) -> bool:
    """Was the portrait placed otherwise, or animated, since the head was laid over it?"""
    if _animated(scene, portrait) & _FOLLOWED:
        return not is_linked(scene, head) and not _animated(scene, head)
    seen, now = head.get(_SEEN), _placement(portrait)
    if seen is None:
        return False
    return any(abs(a - b) > 1e-4 for a, b in zip(seen, now, strict=False))


def _placement(strip: Any) -> list[float]:
    transform, crop = strip.transform, strip.crop
    values = [transform.offset_x, transform.offset_y, transform.scale_x, transform.scale_y,
              transform.rotation, *transform.origin, crop.min_x, crop.max_x, crop.min_y,
              crop.max_y, strip.use_flip_x, strip.use_flip_y]  # fmt: skip
    return [float(value) for value in values]


def _animated(scene: bpy.types.Scene, strip: bpy.types.Strip) -> set[str]:
    """What of a strip is keyed or driven, ours excepted, as paths from the strip on."""
    prefix = f"{strip.path_from_id()}."
    bag = versions.channelbag(scene)
    keyed = bag.fcurves if bag is not None else ()
    curves = [*keyed, *(each for each in _drivers(scene, strip) if not _is_ours(each))]
    return {
        curve.data_path.removeprefix(prefix)
        for curve in curves
        if curve.data_path.startswith(prefix)
    }


def _drivers(scene: bpy.types.Scene, strip: bpy.types.Strip) -> Iterator[bpy.types.FCurve]:
    prefix = f"{strip.path_from_id()}."
    for curve in scene.animation_data.drivers if scene.animation_data is not None else ():
        if curve.data_path.startswith(prefix):
            yield curve


def _is_ours(curve: bpy.types.FCurve) -> bool:
    variables = curve.driver.variables
    return len(variables) > 0 and variables[0].name == _MARK


def _drive(
    scene: bpy.types.Scene,
    portrait: bpy.types.Strip,
    head: bpy.types.Strip,
    path: str,
    index: int,
    expression: str,
    others: dict[str, str],
) -> None:
    """others: further variables of the expression, by the path of the portrait's property."""
    driver = _new_driver(head, path, index, expression)
    read = path if index < 0 else f"{path}[{index}]"
    for name, what in {_MARK: read, **others}.items():
        _add_variable(scene, driver, name, f"{portrait.path_from_id()}.{what}")


def _new_driver(strip: bpy.types.Strip, path: str, index: int, expression: str) -> Any:
    owner: Any = strip
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    driver = owner.driver_add(name, index).driver
    driver.type, driver.expression = "SCRIPTED", expression
    return driver


def _add_variable(scene: bpy.types.Scene, driver: Any, name: str, path: str) -> None:
    variable = driver.variables.new()
    variable.name, variable.type = name, "SINGLE_PROP"
    target = variable.targets[0]
    target.id_type, target.id, target.data_path = "SCENE", scene, path
