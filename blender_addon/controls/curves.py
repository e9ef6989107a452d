# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance as F-curves on one Empty, and back.

The Empty has a custom property for each control, and the head's pose as its transform: one key a
frame, none in gaps. The dense rest stays in the performance's file, which the Empty names. Reading
back compares with that file: what was not edited keeps its bits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import versions
from ..errors import InputError
from ..storage import folders
from ..storage.canonical import EYE_DISTANCE, Face
from ..storage.recordings import Performance, load_performance, save_performance
from .head_pose import Stage, from_eulers, moved_on_stage, stage_of, to_eulers, to_stage

SOURCE = "likeness_performance"  # custom properties of the Empty
_KEPT = "likeness_kept"  # the curves' shape when they were loaded or kept last
_DIGEST = "likeness_digest"
_START = "likeness_start"
_PACE = "likeness_pace"
_POSE = (("location", 3), ("rotation_euler", 3), ("scale", 3))
# A value read back counts as edited from here on: single precision and the way through angles
# cost less, and it is far below what a picture shows (metres, radians, shares of a control).
_TOUCHED = 2e-6
_BEZIER, _AUTO_CLAMPED = 2, 4  # Blender's numbers of its enums, for foreach_set
_DRAWN_SIZE = 0.18  # metres


@dataclass(frozen=True)
class _Loaded:
    """A control Empty's source and what its curves say; `values` and `expected` are (F, C + 9)."""

    performance: Performance
    stage: Stage
    values: NDArray[np.float64]
    expected: NDArray[np.float64]


def load_curves(
    scene: bpy.types.Scene,
    path: Path,
    name: str = "",
    start: float = 1,
    pace: float = 1.0,
    face: Face | None = None,
) -> bpy.types.Object:
    """Make the control Empty of a performance; returns it.

    start: Blender's frame of the performance's frame 0. pace: frames of the scene in one frame of
    the performance. face: for the controls' ranges. Raises InputError when the file is not one.
    """
    performance = load_performance(path)
    if pace <= 0:
        raise InputError(f"a pace of {pace:g} frames cannot be; give more than 0")
    empty = bpy.data.objects.new(name or path.name.partition(".")[0], None)
    empty.empty_display_type = "SPHERE"
    empty.empty_display_size = _DRAWN_SIZE
    empty.rotation_mode = "XYZ"
    scene.collection.objects.link(empty)
    empty[SOURCE], empty[_DIGEST] = folders.stored(path), _digest(path)
    empty[_START], empty[_PACE] = float(start), float(pace)
    _add_properties(empty, performance, face)

    keep = performance.valid
    frames = _frames(performance, start, pace)[keep]
    values = _values(performance, _stage(performance))[keep]
    bag = versions.new_channelbag(empty, f"{empty.name} curves")
    for (data_path, index, group), column in zip(
        _channels(performance.names), values.T, strict=True
    ):
        _add_curve(bag, data_path, index, group, frames, column)
    empty[_KEPT] = _shape(empty)
    return empty


def control_empties(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The scene's Empties that carry a performance's curves."""
    return [
        thing for thing in scene.objects if thing.type == "EMPTY" and thing.get(SOURCE) is not None
    ]


def find_controls(
    scene: bpy.types.Scene, name: str = "", active: bpy.types.Object | None = None
) -> bpy.types.Object:
    """The control Empty of that name; without one the active object, else the scene's only one."""
    found = control_empties(scene)
    if name:
        thing: bpy.types.Object | None = scene.objects.get(name)
        if thing not in found:
            raise InputError(
                f"{name}: not an Empty with a take's curves; press Edit as Curves first"
            )
        return thing
    if active in found:
        return active
    if not found:
        raise InputError("There are no control curves in the scene; press Edit as Curves first")
    if len(found) > 1:
        raise InputError("There are several performances in the scene; select one's Empty")
    return found[0]


def source_of(empty: bpy.types.Object) -> Path:
    """The performance's file that the Empty was made from."""
    return folders.absolute(empty[SOURCE])


def span_of(empty: bpy.types.Object) -> tuple[float, float]:
    """Blender's frame of the performance's frame 0, and frames of the scene in one of its own."""
    return float(empty[_START]), float(empty[_PACE])


def edited_frames(empty: bpy.types.Object) -> list[int]:
    """The zero-based frames of the performance that the artist's curves change, in order.

    Raises InputError when the performance's file is gone or another one by now.
    """
    loaded = _loaded(empty)
    return np.flatnonzero(_touched(loaded).any(axis=1)).tolist()


def save_curves(empty: bpy.types.Object, path: Path) -> list[int]:
    """Write the performance with the curves as they are now; returns the frames that were edited.

    All other frames, and in edited ones every number whose curve was left alone, are the source's,
    bit for bit. `path` may be the source itself.
    """
    loaded = _loaded(empty)
    touched = _touched(loaded)
    save_performance(_edited(loaded, touched), path)
    empty[_KEPT] = _shape(empty)
    if path.resolve() == source_of(empty).resolve():
        settle(empty, path)
    return np.flatnonzero(touched.any(axis=1)).tolist()


def changed_since_kept(empty: bpy.types.Object) -> bool:
    """Are the curves others than when they were loaded, or kept last? Quick enough for a panel."""
    return empty.get(_KEPT, "") not in ("", _shape(empty))


def settle(empty: bpy.types.Object, path: Path) -> None:
    """From now on the Empty's edits are counted from `path`, which holds its curves as they are."""
    empty[SOURCE], empty[_DIGEST] = folders.stored(path), _digest(path)


def _edited(loaded: _Loaded, touched: NDArray[np.bool_]) -> Performance:
    p, count = loaded.performance, len(loaded.performance.names)
    controls = np.where(touched[:, :count], loaded.values[:, :count], p.controls)
    place, turn, size = (slice(count + i, count + i + 3) for i in (0, 3, 6))
    move = np.where(touched[:, place], loaded.values[:, place] - loaded.expected[:, place], 0)
    moved = moved_on_stage(move, loaded.stage)
    # Adding a zero would turn -0 into 0: only what moved is touched.
    translation = np.where(moved != 0, p.translation + moved, p.translation)
    turned = touched[:, turn].any(axis=1)
    rotation = p.rotation.copy()
    rotation[turned] = from_eulers(loaded.values[turned, turn])
    sized = touched[:, size].any(axis=1)
    scale = p.scale.copy()
    scale[sized] = (
        loaded.values[sized, size].mean(axis=1) * EYE_DISTANCE / loaded.stage.metres_per_pixel
    )
    if (scale[p.valid] <= 0).any():
        first = int(np.flatnonzero(p.valid & (scale <= 0))[0])
        raise InputError(f"The head's scale is not above 0 at frame {first} of the performance")
    return replace(
        p,
        controls=controls.astype(np.float32),
        translation=translation,
        rotation=rotation,
        scale=scale,
    )


def _loaded(empty: bpy.types.Object) -> _Loaded:
    path = source_of(empty)
    performance = load_performance(path)
    if _digest(path) != empty[_DIGEST]:
        raise InputError(
            f"{path}: this file is another one than the curves were loaded from; load them again"
        )
    stage = _stage(performance)
    start, pace = span_of(empty)
    # What the keys hold is in single precision, their frames too.
    expected = _values(performance, stage).astype(np.float32).astype(np.float64)
    values = expected.copy()
    bag = versions.channelbag(empty)
    keep = np.flatnonzero(performance.valid)
    frames = _frames(performance, start, pace)[keep].astype(np.float32).tolist()
    for column, (data_path, index, _) in enumerate(_channels(performance.names)):
        curve = bag.fcurves.find(data_path, index=index) if bag is not None else None
        if curve is not None and not curve.mute:
            values[keep, column] = [curve.evaluate(frame) for frame in frames]
        else:  # without its curve a control stands still
            values[keep, column] = _standing(empty, data_path, index)
    return _Loaded(performance, stage, values, expected)


def _touched(loaded: _Loaded) -> NDArray[np.bool_]:
    allowed = _TOUCHED * np.maximum(1, np.abs(loaded.expected))
    with np.errstate(invalid="ignore"):
        touched = np.abs(loaded.values - loaded.expected) > allowed
    return np.asarray(touched & loaded.performance.valid[:, None])


def _standing(empty: bpy.types.Object, data_path: str, index: int) -> float:
    if data_path.startswith("["):
        return float(empty.get(data_path[2:-2], 0.0))
    return float(getattr(empty, data_path)[index])


def _stage(performance: Performance) -> Stage:
    return stage_of(performance.size, performance.scale[performance.valid])


def _frames(performance: Performance, start: float, pace: float) -> NDArray[np.float64]:
    return np.asarray(start + np.arange(len(performance)) * pace, np.float64)


def _values(performance: Performance, stage: Stage) -> NDArray[np.float64]:
    """What the curves hold, (F, C + 9): controls, location, XYZ angles, scale; NaN in gaps."""
    p = performance
    size = p.scale * stage.metres_per_pixel / EYE_DISTANCE
    angles = np.full((len(p), 3), np.nan)
    angles[p.valid] = to_eulers(p.rotation[p.valid])
    return np.column_stack([p.controls, to_stage(p.translation, stage), angles, size, size, size])


def _channels(names: tuple[str, ...]) -> list[tuple[str, int, str]]:
    """Data path, index and group of each curve, in the order of `_values`."""
    controls = [(f'["{name}"]', 0, "Controls") for name in names]
    return controls + [(path, i, "Head") for path, count in _POSE for i in range(count)]


def _add_properties(empty: bpy.types.Object, performance: Performance, face: Face | None) -> None:
    ranges = {}
    if face is not None:
        ranges = dict(zip(face.names, zip(face.low, face.high, strict=True), strict=True))
    for name in performance.names:
        low, high = ranges.get(name, (-1.0 if name.startswith("gaze") else 0.0, 1.0))
        empty[name] = 0.0
        # Soft: a driver may go beyond what most people do.
        limits: Any = empty.id_properties_ui(name)  # type: ignore[func-returns-value]
        limits.update(min=-2.0, max=2.0, soft_min=float(low), soft_max=float(high), default=0.0)
        # Otherwise a library override of the character could not be animated.
        empty.property_overridable_library_set(f'["{name}"]', True)


def _add_curve(
    bag: bpy.types.ActionChannelbag,
    data_path: str,
    index: int,
    group: str,
    frames: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    curve = bag.fcurves.new(data_path, index=index)
    curve.group = bag.groups.get(group) or bag.groups.new(group)
    points, count = curve.keyframe_points, len(frames)
    points.add(count)
    points.foreach_set("co", np.column_stack([frames, values]).astype(np.float32).ravel())
    # Keys that are added in bulk have free handles at the origin.
    for name, number in (
        ("interpolation", _BEZIER),
        ("handle_left_type", _AUTO_CLAMPED),
        ("handle_right_type", _AUTO_CLAMPED),
    ):
        points.foreach_set(name, np.full(count, number, np.int32))
    # New keys are selected: a first G would move all of them.
    for name in ("select_control_point", "select_left_handle", "select_right_handle"):
        points.foreach_set(name, np.zeros(count, np.bool_))
    curve.select = False
    curve.update()


def _shape(empty: bpy.types.Object) -> str:
    """A hash over all that the curves hold."""
    bag, digest = versions.channelbag(empty), hashlib.sha256()
    for curve in bag.fcurves if bag is not None else ():
        places = np.empty(2 * len(curve.keyframe_points), np.float32)
        curve.keyframe_points.foreach_get("co", places)
        about = f"{curve.data_path} {curve.array_index} {curve.mute} {len(curve.modifiers)} "
        digest.update(about.encode() + places.tobytes())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise InputError(f"{path}: there is no such performance; choose it again") from None
