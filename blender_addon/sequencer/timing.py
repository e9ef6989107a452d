# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frame of a performance is due at which frame of the timeline. No bpy.

Frames of the timeline are Blender's numbers; frames of a take are zero-based indices. A take's
index 0 lies at `start`, and `pace` indices pass in one frame of the timeline: the take's rate over
the scene's where it is to run at its own speed, whatever the two rates are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ..errors import InputError

_HAIR = 1e-4  # of an index: a product that should be whole may come out just below


@dataclass(frozen=True)
class Timing:
    """start: frame of the timeline, also between two. pace: above 0. first, last: in and out."""

    start: float
    pace: float
    first: int
    last: int

    def index_at(self, frame: int) -> int:
        """The take's index that is due at a frame, kept between in and out."""
        index = math.floor((frame - self.start) * self.pace + _HAIR)
        return min(max(index, self.first), self.last)

    def span(self) -> tuple[int, int]:
        """The frames [begin, end) of the timeline in which the take is seen."""
        begin = math.ceil(self.start + (self.first - _HAIR) / self.pace)
        end = math.ceil(self.start + (self.last + 1 - _HAIR) / self.pace)
        return begin, max(begin + 1, end)


def scene_rate(fps: int, fps_base: float) -> Fraction:
    """Frames a second of a scene: 30 over 1.001 is 30000/1001, not the nearest decimal."""
    return (Fraction(fps) / Fraction(fps_base).limit_denominator(10_000)).limit_denominator(10**6)


def footage_rate(fps: float) -> Fraction:
    """A movie's rate from Blender's number for it: 29.97003 is 30000/1001."""
    drop = Fraction(round(fps * 1.001) * 1000, 1001)
    return drop if abs(float(drop) - fps) < 1e-3 else Fraction(fps).limit_denominator(1000)


def overlap(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int] | None:
    """What two spans [begin, end) share, or None."""
    begin, end = max(one[0], other[0]), min(one[1], other[1])
    return (begin, end) if begin < end else None


def due(timing: Timing, span: tuple[int, int]) -> tuple[int, int]:
    """First and last index that are seen in a span [begin, end)."""
    return timing.index_at(span[0]), timing.index_at(span[1] - 1)


def strip_pace(pictures: int, length: int, rate: Fraction, scene: Fraction) -> tuple[float, bool]:
    """Pictures of a movie that pass in a frame of the timeline, and whether that is real time.

    pictures: in the file. length: of the strip's whole content on the timeline, in frames. Blender
    either shows one picture a frame, or stretches the strip so that it plays in real time.
    """
    if pictures < 1 or length < 1:
        raise InputError("the strip has no content; is its file still there?")
    own = float(rate / scene)
    stretched, as_it_is = abs(length - pictures / own), abs(length - pictures)
    if min(stretched, as_it_is) > 1:
        return pictures / length, False
    return (own, True) if stretched <= as_it_is else (1.0, False)
