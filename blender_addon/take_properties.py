# SPDX-License-Identifier: GPL-3.0-or-later
"""What the .blend keeps of a captured performance."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    BoolVectorProperty,
    FloatProperty,
    IntProperty,
    IntVectorProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from .sequencer.timing import Timing, scene_rate

_RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"}


def pace_of(scene: bpy.types.Scene, take: LikenessTake) -> float:
    """The take's frames in one frame of the timeline: in real time where it has no other pace."""
    if take.pace > 0:
        return float(take.pace)
    own = Fraction(take.rate[0] or 1, max(1, take.rate[1]))
    return float(own / scene_rate(scene.render.fps, scene.render.fps_base))


def _at_index(name: str, words: str, what: str) -> Any:
    """Blender's frame at which an index of the take, kept as `name`, is seen first, or last."""
    last = name == "last"

    def timing(take: LikenessTake, index: int) -> Timing:
        return Timing(take.start, pace_of(take.id_data, take), index, index)  # type: ignore[arg-type]

    def get(take: LikenessTake) -> int:
        begin, end = timing(take, max(0, getattr(take, name))).span()
        return end - 1 if last else begin

    def set_index(take: LikenessTake, frame: int) -> None:
        whole = Timing(take.start, pace_of(take.id_data, take), 0, max(0, take.frames - 1))  # type: ignore[arg-type]
        setattr(take, name, whole.index_at(frame))

    return IntProperty(name=words, description=what, get=get, set=set_index)


class LikenessTake(PropertyGroup):
    """One captured performance."""

    uid: StringProperty()
    slug: StringProperty(description="Its files' name, which a new name of the take keeps")
    source: StringProperty(subtype="FILE_PATH", options=_RELATIVE, description="The footage")
    strip: StringProperty(description="Tag of the strip that it was captured from")
    track: StringProperty(subtype="FILE_PATH", options=_RELATIVE)
    performance: StringProperty(subtype="FILE_PATH", options=_RELATIVE)
    edited: StringProperty(
        name="Edited",
        subtype="FILE_PATH",
        options=_RELATIVE,
        description="The performance with the curves' edits",
    )
    frames: IntProperty(description="Frames of the take")
    rate: IntVectorProperty(size=2, default=(0, 1), description="Frames a second, as a fraction")
    offset: IntProperty(description="Frame of the footage that the take begins with, from 0")
    mirror: BoolVectorProperty(
        size=2, description="Whether its strip was mirrored, across and down, as it was captured"
    )
    sound_leads: FloatProperty(
        description="Seconds by which the footage's sound begins before its pictures"
    )
    gaps: IntProperty(description="Frames in which no face was seen")
    filled: IntProperty(description="Frames of gaps that were bridged")
    neutral_found: IntProperty(default=-1)
    cleaned: StringProperty(description="The choices that the performance was made with")

    start: FloatProperty(
        name="Starts At",
        description="Frame of the timeline at which the take's frame 0 lies",
        precision=2,
        default=1,
    )
    pace: FloatProperty(
        description="Frames of the take in one frame of the timeline; 0: in real time", default=0
    )
    strip_pace: FloatProperty(description="The pace of its footage's strip; 0: in real time")
    real_time: BoolProperty(
        name="Real Time",
        description="Run at the footage's own speed; off: a picture a frame, as its strip plays",
        get=lambda self: self.pace == 0,
        set=lambda self, real: setattr(self, "pace", 0 if real else self.strip_pace or 1),
    )
    first: IntProperty(description="First frame of the take used, from 0", min=0)
    last: IntProperty(description="Last frame of the take used, from 0", min=0)
    neutral: IntProperty(
        description="Frame of the take in which the actor's face is at rest, from 0; -1: find it",
        min=-1,
        default=-1,
    )
    in_frame: _at_index("first", "In", "First frame of the timeline at which the take is used")
    out_frame: _at_index("last", "Out", "Last frame of the timeline at which the take is used")
    neutral_frame: _at_index(
        "neutral", "Rest Frame", "Frame of the timeline at which the actor's face is at rest"
    )
    find_neutral: BoolProperty(
        name="Find the Rest Frame",
        description="Look through the take for a frame in which the actor's face is at rest: "
        "all motion is measured from there. Off, to choose it by eye: where a face that is found "
        "smiles or speaks, the portrait would never quite close its mouth",
        get=lambda self: self.neutral < 0,
        set=lambda self, find: setattr(self, "neutral", -1 if find else max(0, self.neutral_found)),
    )
    smooth_pose: FloatProperty(
        name="Smooth Head",
        description="Strength of smoothing of the head's motion; 0: as captured, 1: strongest",
        min=0,
        max=1,
        default=0.3,
        subtype="FACTOR",
    )
    smooth_expression: FloatProperty(
        name="Smooth Face",
        description="Strength of smoothing of the face; blinks and closed lips are kept",
        min=0,
        max=1,
        default=0.2,
        subtype="FACTOR",
    )
    fill: IntProperty(
        name="Fill Gaps",
        description="Longest gap that is bridged, in frames; longer ones stay gaps",
        min=0,
        soft_max=60,
        default=12,
    )
    lens: FloatProperty(
        name="Lens (mm)",
        description="Focal length of the actor's camera in millimetres, of a sensor 36 wide, for "
        "a face that is near or far from the middle; 0: unknown",
        min=0,
        max=1000,
        default=0,
        precision=1,
    )
