# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance on one Empty, to be edited by hand, and back.

The Empty has a custom property for each control, and the head's pose as its transform. What the
artist keys is an offset over the take (see `layer`); each control can be made stronger and smoother
as a whole. The dense rest stays in the performance's file, which the Empty names. Reading back
compares with that file: what was not edited keeps its bits.

Empties of an earlier Likeness hold the take itself, a key a frame. They are read as before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .. import versions
from ..errors import InputError
from ..storage import folders
from ..storage.canonical import Face
from ..storage.files import hash_of
from ..storage.recordings import Performance, load_performance, save_performance
from . import layer
from .channels import (
    Values,
    channels,
    edited,
    frames_of,
    path_of,
    shaped,
    stage_for,
    touched,
    values_of,
)
from .head_pose import Stage

SOURCE = "likeness_performance"  # custom properties of the Empty
TAKE = "likeness_take"
_KEPT = "likeness_kept"  # the curves' shape when they were loaded or kept last
_DIGEST = "likeness_digest"
_START = "likeness_start"
_PACE = "likeness_pace"
_SMOOTHEST = 0.25  # seconds, the Gaussian of a smoothing of 1
_DRAWN_SIZE = 0.18  # metres


@dataclass(frozen=True)
class _Loaded:
    """A control Empty's source and what its curves say; `values` and `expected` are (F, C + 9)."""

    performance: Performance
    stage: Stage
    values: Values
    expected: Values


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
    empty[SOURCE], empty[_DIGEST] = folders.stored(path), hash_of(path)
    empty[_START], empty[_PACE] = float(start), float(pace)
    _add_properties(empty, performance, face)
    for each in performance.names:
        shapings(empty).add().name = each  # type: ignore[attr-defined]
    layer.begin(empty)
    _show(empty, performance)
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


def shapings(empty: bpy.types.Object) -> Sequence[Any]:
    """Amplitude and smoothing of each control (`LikenessControl`); none of an earlier Likeness."""
    return empty.likeness_controls  # type: ignore[attr-defined]


def is_shaped(control: Any) -> bool:
    """Is a control to be otherwise than as acted?"""
    return bool(control.amplitude != 1 or control.smoothing > 0)


def show_shaped(empty: bpy.types.Object, name: str) -> None:
    """Let the Empty play a control as strong and smooth as it was chosen to be."""
    with contextlib.suppress(InputError):  # Keep Edits says it
        performance = _remembered(*_stamp(source_of(empty)))
        if name in performance.names and layer.is_layered(empty):
            column = _shaped_controls(empty, performance)[performance.valid]
            layer.show_channel(empty, path_of(name), column[:, performance.names.index(name)])


def show_again(empty: bpy.types.Object) -> bool:
    """Put the take back below the offsets where its track was deleted; was it?"""
    if not layer.is_layered(empty) or layer.is_shown(empty):
        return False
    _show(empty, load_performance(source_of(empty)))
    return True


def edited_frames(empty: bpy.types.Object) -> list[int]:
    """The zero-based frames of the performance that the artist's curves change, in order.

    Raises InputError when the performance's file is gone or another one by now.
    """
    loaded = _loaded(empty)
    return np.flatnonzero(touched(loaded.values, loaded.expected).any(axis=1)).tolist()


def save_curves(empty: bpy.types.Object, path: Path) -> list[int]:
    """Write the performance with the curves as they are now; returns the frames that were edited.

    All other frames, and in edited ones every number whose curve was left alone, are the source's,
    bit for bit. `path` may be the source itself where the curves hold the whole take.
    """
    loaded = _loaded(empty)
    settles = path.resolve() == source_of(empty).resolve()
    if settles and layer.is_layered(empty):
        raise InputError(f"{path}: this is what the offsets lie over; give another file")
    save_performance(edited(loaded.performance, loaded.stage, loaded.values, loaded.expected), path)
    if layer.is_layered(empty) and empty[_DIGEST] != hash_of(source_of(empty)):
        empty[_DIGEST] = hash_of(source_of(empty))  # the take was updated: the offsets stay
        _show(empty, loaded.performance)
    empty[_KEPT] = _shape(empty)
    if settles:
        settle(empty, path)
    return np.flatnonzero(touched(loaded.values, loaded.expected).any(axis=1)).tolist()


def changed_since_kept(empty: bpy.types.Object) -> bool:
    """Are the curves others than when they were loaded, or kept last? Quick enough for a panel.

    So are offsets whose take was updated since.
    """
    if empty.get(_KEPT, "") not in ("", _shape(empty)):
        return True
    if not layer.is_layered(empty) or not _has_edits(empty):
        return False
    try:
        return bool(hash_of(source_of(empty)) != empty[_DIGEST])
    except InputError:
        return False


def settle(empty: bpy.types.Object, path: Path) -> None:
    """From now on the Empty's edits are counted from `path`, which holds its curves as they are.

    For curves that hold the whole take. Offsets lie over what they were made over.
    """
    assert not layer.is_layered(empty)
    empty[SOURCE], empty[_DIGEST] = folders.stored(path), hash_of(path)


def values_at(empty: bpy.types.Object, frame: float) -> dict[str, float]:
    """What each control is at Blender's frame, as acted, shaped and edited; in a gap 0."""
    loaded = _loaded(empty)
    start, pace = span_of(empty)
    index = min(max(round((frame - start) / pace), 0), len(loaded.performance) - 1)
    # The head's channels come after the controls.
    pairs = zip(loaded.performance.names, loaded.values[index].tolist(), strict=False)
    return {name: value if np.isfinite(value) else 0.0 for name, value in pairs}


def _show(empty: bpy.types.Object, performance: Performance) -> None:
    """Let the Empty play the performance below the artist's offsets."""
    keep = performance.valid
    values = values_of(performance, stage_for(performance))
    values[:, : len(performance.names)] = _shaped_controls(empty, performance)
    frames = frames_of(performance, *span_of(empty))
    layer.show_take(empty, performance.names, frames[keep], values[keep])


def _shaped_controls(empty: bpy.types.Object, performance: Performance) -> Values:
    """The performance's controls as strong and as smooth as the Empty's list says, (F, C)."""
    found = performance.controls.astype(np.float64)
    for control in shapings(empty):
        if is_shaped(control) and control.name in performance.names:
            column = performance.names.index(control.name)
            sigma = control.smoothing * _SMOOTHEST * float(performance.rate)
            found[:, column] = shaped(found[:, column], control.amplitude, sigma)
    return found


def _loaded(empty: bpy.types.Object) -> _Loaded:
    path, layered = source_of(empty), layer.is_layered(empty)
    performance = load_performance(path)
    if not layered and hash_of(path) != empty[_DIGEST]:
        raise InputError(
            f"{path}: this file is another one than the curves were loaded from; load them again"
        )
    stage = stage_for(performance)
    frames = frames_of(performance, *span_of(empty)).astype(np.float32).astype(np.float64)
    if layered:
        expected = values_of(performance, stage)
        values = expected + layer.offsets(empty, performance.names, frames)
        count = len(performance.names)
        values[:, :count] += _shaped_controls(empty, performance) - expected[:, :count]
        return _Loaded(performance, stage, values, expected)
    # What the keys hold is in single precision, their frames too.
    expected = values_of(performance, stage).astype(np.float32).astype(np.float64)
    values = expected.copy()
    bag = versions.channelbag(empty)
    keep = np.flatnonzero(performance.valid)
    for column, (data_path, index, _) in enumerate(channels(performance.names)):
        curve = bag.fcurves.find(data_path, index=index) if bag is not None else None
        if curve is not None and not curve.mute:
            values[keep, column] = [curve.evaluate(frame) for frame in frames[keep].tolist()]
        else:  # without its curve a control stands still
            values[keep, column] = _standing(empty, data_path, index)
    return _Loaded(performance, stage, values, expected)


def _standing(empty: bpy.types.Object, data_path: str, index: int) -> float:
    if data_path.startswith("["):
        return float(empty.get(data_path[2:-2], 0.0))
    return float(getattr(empty, data_path)[index])


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
        empty.property_overridable_library_set(path_of(name), True)


def _has_edits(empty: bpy.types.Object) -> bool:
    bag = versions.channelbag(empty)
    keyed = bag is not None and any(not curve.is_empty for curve in bag.fcurves)
    return keyed or any(is_shaped(control) for control in shapings(empty))


def _shape(empty: bpy.types.Object) -> str:
    """All that the artist chose, to be compared."""
    chosen = [
        f" {each.name} {each.amplitude:.4f} {each.smoothing:.4f}"
        for each in shapings(empty)
        if is_shaped(each)
    ]
    return layer.shape(empty) + "".join(chosen)


def _stamp(path: Path) -> tuple[Path, int, int]:
    try:
        about = path.stat()
    except OSError:
        raise InputError(f"{path}: there is no such performance; choose it again") from None
    return path, about.st_mtime_ns, about.st_size


@lru_cache(maxsize=2)
def _remembered(path: Path, _changed: int, _size: int) -> Performance:
    return load_performance(path)
