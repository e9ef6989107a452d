# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's offsets over a take: few keys in an action that is added to it.

The take itself lies below, as a locked strip of Blender's NLA with a key a frame, so that the Empty
shows the sum, and a value that is keyed becomes an offset. Nothing is read back from that strip:
it only shows the performance's file.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import versions
from ..errors import InputError
from .channels import Values, channels

TRACK = "Likeness Take"
LAYERED = "likeness_layered"  # custom property of the Empty: what is keyed there is an offset
_BEZIER, _AUTO_CLAMPED = 2, 4  # Blender's numbers of its enums, for foreach_set


def begin(empty: bpy.types.Object) -> None:
    """Give the Empty an action of offsets without a key, over what `show_take` shows."""
    versions.new_channelbag(empty, f"{empty.name} offsets")
    empty[LAYERED] = True
    data = empty.animation_data
    assert data is not None
    data.action_blend_type, data.action_extrapolation = "ADD", "HOLD"


def show_take(
    empty: bpy.types.Object, names: tuple[str, ...], frames: Values, values: Values
) -> None:
    """Let the Empty play a take below its offsets; (F,) and (F, C + 9), without gaps."""
    track, data = _track(empty), empty.animation_data or empty.animation_data_create()
    if track is None:
        track = data.nla_tracks.new()
        track.name, track.lock = TRACK, True
    before = [strip.action for strip in track.strips]
    for strip in list(track.strips):
        track.strips.remove(strip)
    for action in before:
        if action is not None and not action.users:
            bpy.data.actions.remove(action)
    action, slot, bag = versions.new_action(empty, f"{empty.name} take")
    for (data_path, index, group), column in zip(channels(names), values.T, strict=True):
        curve = bag.fcurves.new(data_path, index=index)
        curve.group = bag.groups.get(group) or bag.groups.new(group)
        _set_keys(curve, frames, column)
    strip = track.strips.new(TRACK, math.floor(frames[0]), action)
    strip.action_slot = slot
    strip.action_frame_start, strip.action_frame_end = float(frames[0]), float(frames[-1])
    strip.frame_start, strip.frame_end = float(frames[0]), float(frames[-1])


def show_channel(empty: bpy.types.Object, data_path: str, values: NDArray[np.floating]) -> None:
    """Let one channel of the take that is shown hold other values, (F,), at the same frames.

    InputError where the take is not shown any more.
    """
    strip = _shown(empty)
    bag = versions.bag_of(strip.action, strip.action_slot)
    curve = bag.fcurves.find(data_path) if bag is not None else None
    if curve is None or len(curve.keyframe_points) != len(values):
        return
    places = np.empty(2 * len(values), np.float32)
    curve.keyframe_points.foreach_get("co", places)
    places[1::2] = values
    curve.keyframe_points.foreach_set("co", places)
    curve.update()
    empty.update_tag()


def is_layered(empty: bpy.types.Object) -> bool:
    """Do its curves hold offsets? Of files of an earlier Likeness they hold the whole take."""
    return empty.get(LAYERED) is not None or _track(empty) is not None


def is_shown(empty: bpy.types.Object) -> bool:
    """Is the take still below the offsets? Its track in the NLA can be deleted, or renamed."""
    track = _track(empty)
    return track is not None and len(track.strips) > 0


def offsets(empty: bpy.types.Object, names: tuple[str, ...], frames: Values) -> Values:
    """What the artist's curves add at Blender's frames (F,): (F, C + 9).

    InputError where the Empty's layers are set up so that it shows something else than that sum.
    """
    _shown(empty)
    data = empty.animation_data
    if data.use_tweak_mode:
        raise InputError(f"'{empty.name}': leave the NLA's tweak mode first (Tab in its editor)")
    if data.action is not None and data.action_blend_type != "ADD":
        raise InputError(f"'{empty.name}': set the blending of its action back to Add in the NLA")
    others = [t for t in data.nla_tracks if t.name != TRACK and not t.mute and len(t.strips)]
    if others:
        raise InputError(
            f"'{empty.name}': the NLA track '{others[0].name}' is not a part of its take; mute it, "
            "or make its action the active one"
        )
    found = np.zeros((len(frames), len(channels(names))))
    bag = versions.channelbag(empty)
    if bag is None:
        return found
    for column, (data_path, index, _) in enumerate(channels(names)):
        curve = bag.fcurves.find(data_path, index=index)
        if curve is not None and not curve.mute and not curve.is_empty:
            found[:, column] = [curve.evaluate(frame) for frame in frames.tolist()]
    return found * data.action_influence


def add_keys(
    empty: bpy.types.Object, data_path: str, index: int, group: str, added: dict[int, float]
) -> None:
    """Add so much to the offset of a channel at Blender's frames; between them it goes smoothly.

    Keys of the artist's in between stay, with what is added there on top.
    """
    bag = versions.channelbag(empty)
    if bag is None:
        begin(empty)
        bag = versions.channelbag(empty)
        assert bag is not None
    curve: Any = bag.fcurves.find(data_path, index=index)
    if curve is None:
        curve = bag.fcurves.new(data_path, index=index)
        curve.group = bag.groups.get(group) or bag.groups.new(group)
    frames = sorted(added)
    wanted = {
        frame: float(np.interp(frame, frames, [added[each] for each in frames]))
        + (0.0 if curve.is_empty else curve.evaluate(frame))
        for frame in {*frames, *_keyed(curve, frames[0], frames[-1])}
    }
    for frame, value in sorted(wanted.items()):
        key = curve.keyframe_points.insert(frame, value, options={"FAST"})
        key.interpolation = "BEZIER"
        key.handle_left_type = key.handle_right_type = "AUTO_CLAMPED"
    curve.update()


def shape(empty: bpy.types.Object) -> str:
    """A hash over all that the artist's curves hold."""
    bag, digest, layered = versions.channelbag(empty), hashlib.sha256(), is_layered(empty)
    read = ("co", "handle_left", "handle_right") if layered else ("co",)
    for curve in bag.fcurves if bag is not None else ():
        if layered and curve.is_empty:
            continue
        about = f"{curve.data_path} {curve.array_index} {curve.mute} {len(curve.modifiers)} "
        digest.update(about.encode())
        places = np.empty(2 * len(curve.keyframe_points), np.float32)
        for name in read:
            curve.keyframe_points.foreach_get(name, places)
            digest.update(places.tobytes())
    if layered:
        digest.update(f"{empty.animation_data.action_influence:.6f}".encode())
    return digest.hexdigest()


def _keyed(curve: bpy.types.FCurve, first: float, last: float) -> list[float]:
    """Frames strictly between two at which a curve has keys."""
    return [key.co[0] for key in curve.keyframe_points if first < key.co[0] < last]


def _shown(empty: bpy.types.Object) -> Any:
    """The strip that shows the take."""
    if not is_shown(empty):
        raise InputError(
            f"'{empty.name}': its NLA track '{TRACK}' is gone; press Edit as Curves again, which "
            "puts it back"
        )
    return _track(empty).strips[0]


def _track(empty: bpy.types.Object) -> Any:
    data = empty.animation_data
    return data.nla_tracks.get(TRACK) if data is not None else None


def _set_keys(curve: bpy.types.FCurve, frames: Values, values: NDArray[np.floating]) -> None:
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
    curve.update()
