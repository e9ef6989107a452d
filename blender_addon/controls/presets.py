# SPDX-License-Identifier: GPL-3.0-or-later
"""Small performances that an animator adds at the playhead: a blink, a smile, a nod, a viseme.

Each is a few keys of offset, which begin and end at nothing; the take goes on below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy

from .. import versions
from . import curves, layer
from .channels import path_of

# Seconds before or after the playhead, and how far it is done then.
Envelope = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Preset:
    """What is added. goals: what controls are to reach, whatever the take does at the playhead.

    added: what controls get on top of what they do. pitch: radians of the head, down, per share.
    """

    label: str
    words: str
    envelope: Envelope
    goals: dict[str, float]
    added: dict[str, float]
    pitch: float = 0.0


_LIDS: Envelope = ((-0.09, 0), (0, 1), (0.04, 1), (0.2, 0))
_LONG: Envelope = ((-0.4, 0), (0, 1), (0.8, 1), (1.4, 0))
_NOD: Envelope = ((-0.25, 0), (0, 1), (0.25, -0.3), (0.5, 0))
_SOUND: Envelope = ((-0.09, 0), (0, 1), (0.05, 1), (0.16, 0))
_MOUTH = ("jaw_open", "lips_together", "mouth_wide", "mouth_narrow", "upper_lip_raise")


def _viseme(label: str, letters: str, **goals: float) -> Preset:
    words = f"The mouth as for {letters} at the playhead, whatever the take does there"
    return Preset(f"Mouth: {label}", words, _SOUND, dict.fromkeys(_MOUTH, 0.0) | goals, {})


PRESETS: dict[str, Preset] = {
    "BLINK": Preset(
        "Blink", "Both lids close at the playhead", _LIDS, {"blink_left": 1.0, "blink_right": 1.0},
        {},
    ),
    "SMILE": Preset(
        "Smile", "A smile that comes, stays for most of a second, and goes; words stay readable",
        _LONG, {},
        {"smile_left": 0.6, "smile_right": 0.6, "cheek_raise": 0.35, "mouth_wide": 0.15},
    ),
    "NOD": Preset(
        "Nod", "The head goes down to the playhead and up again", _NOD, {}, {}, math.radians(9)
    ),
    "AH": _viseme("ah", "'father'", jaw_open=0.7, mouth_wide=0.1),
    "EE": _viseme("ee", "'see'", jaw_open=0.15, mouth_wide=0.6, upper_lip_raise=0.15),
    "EH": _viseme("eh", "'bed'", jaw_open=0.4, mouth_wide=0.35, upper_lip_raise=0.1),
    "OH": _viseme("oh", "'go'", jaw_open=0.45, mouth_narrow=0.55),
    "OO": _viseme("oo", "'you' and 'we'", jaw_open=0.15, mouth_narrow=0.95),
    "MBP": _viseme("m, b, p", "m, b and p: lips on each other", lips_together=0.7),
    "FV": _viseme("f, v", "f and v: the lower lip at the teeth", lips_together=0.25, jaw_open=0.08,
                  upper_lip_raise=0.4),
    "L": _viseme("l, n, t, d", "l, n, t and d: a little open", jaw_open=0.25, mouth_wide=0.15),
    "SZ": _viseme("s, z", "s and z: teeth close", jaw_open=0.06, mouth_wide=0.35,
                  upper_lip_raise=0.2),
}  # fmt: skip


BACK = "TAKE"  # no preset: where offsets are, the take alone goes on from here


def back_to_take(empty: bpy.types.Object, frame: int) -> None:
    """Key every offset that there is to nothing at Blender's frame."""
    bag = versions.channelbag(empty)
    for curve in bag.fcurves if bag is not None else ():
        if not curve.is_empty:
            now = curve.evaluate(frame)
            layer.add_keys(empty, curve.data_path, curve.array_index, "", {frame: -now})


def add(empty: bpy.types.Object, name: str, frame: int, rate: float) -> None:
    """Key a preset into the Empty's offsets at Blender's frame. rate: the scene's, frames a second.

    InputError where the take cannot be read, or the Empty's layers are not as they were set up.
    """
    preset = PRESETS[name]
    # The whole take is read for it.
    now = curves.values_at(empty, frame) if preset.goals else {}
    peaks = {control: goal - now[control] for control, goal in preset.goals.items()}
    for control, peak in {**peaks, **preset.added}.items():
        if empty.get(control) is not None and abs(peak) > 1e-3:
            keys = _keys(preset.envelope, frame, rate, peak)
            layer.add_keys(empty, path_of(control), 0, "Controls", keys)
    if preset.pitch:
        # Around x, a face that looks along -y looks down by more.
        keys = _keys(preset.envelope, frame, rate, preset.pitch)
        layer.add_keys(empty, "rotation_euler", 0, "Head", keys)


def _keys(envelope: Envelope, frame: int, rate: float, peak: float) -> dict[int, float]:
    """Frames, each at least one after the other, and the offset there."""
    middle = next(k for k, (seconds, _) in enumerate(envelope) if seconds == 0)
    frames = [frame + round(seconds * rate) for seconds, _ in envelope]
    for k in range(middle - 1, -1, -1):
        frames[k] = min(frames[k], frames[k + 1] - 1)
    for k in range(middle + 1, len(frames)):
        frames[k] = max(frames[k], frames[k - 1] + 1)
    return {at: share * peak for at, (_, share) in zip(frames, envelope, strict=True)}
