# SPDX-License-Identifier: GPL-3.0-or-later
"""When the lips touch: what the phones say, made exact by what is heard.

A recognizer's stop begins somewhere in the vowel before it and ends after its burst. The lips are
closed while hardly anything is heard, and part with the burst; for an m they are closed as long as
it hums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.speech.loudness import HOP, Loudness
from inference.speech.phones import LIP_ON_TEETH, LIPS_MEET, Phone

_BEFORE = 0.09  # seconds before a stop's phone in which its silence may begin
_SHORTEST, _LONGEST = 0.04, 0.16
_DEEP = 0.4  # share of the way from the valley to the sound around it that still is the valley


@dataclass(frozen=True)
class Closure:
    """The lips touch from `start` to `end`, seconds; teeth: lower lip and upper teeth do."""

    start: float
    end: float
    teeth: bool = False


def find_closures(phones: Sequence[Phone], loudness: Loudness) -> list[Closure]:
    """Every closure, in order; none overlaps another."""
    found: list[Closure] = []
    for phone in phones:
        if phone.name in LIP_ON_TEETH:
            new = Closure(phone.start, max(phone.end, phone.start + _SHORTEST), teeth=True)
        elif phone.name == "M":
            new = Closure(phone.start, max(phone.end, phone.start + _SHORTEST))
        elif phone.name in LIPS_MEET:
            new = Closure(*silent_part(phone, loudness))
        else:
            continue
        if found and new.start < found[-1].end:
            if found[-1].teeth == new.teeth:  # one long closure, as in "top model"
                found[-1] = Closure(found[-1].start, max(new.end, found[-1].end), new.teeth)
                continue
            new = Closure(found[-1].end, max(new.end, found[-1].end + _SHORTEST), new.teeth)
        found.append(new)
    return found


def silent_part(phone: Phone, loudness: Loudness) -> tuple[float, float]:
    """Where it is quietest in and before a stop, and how far that reaches."""
    level = loudness.level
    first = max(0, round((phone.start - _BEFORE) * HOP))
    last = min(len(level), round(phone.end * HOP) + 1)
    begin = min(max(first, round((phone.start - _BEFORE / 2) * HOP)), last - 1)
    if last - begin < 2:
        return phone.start, max(phone.end, phone.start + _SHORTEST)
    middle = begin + int(np.argmin(level[begin:last]))
    loud = float(np.max(level[first:last]))
    limit = max(level[middle], loudness.threshold - 10.0)
    limit += _DEEP * max(0.0, loud - limit)
    start = middle
    while start > first and level[start - 1] < limit and middle - start < _LONGEST * HOP:
        start -= 1
    end = middle + 1
    while end < last and level[end] < limit and end - start < _LONGEST * HOP:
        end += 1
    if end - start < _SHORTEST * HOP:
        spare = (_SHORTEST * HOP - (end - start)) / 2
        return (start - spare) / HOP, (end + spare) / HOP
    return start / HOP, end / HOP
