# SPDX-License-Identifier: GPL-3.0-or-later
"""What else is done with a voice: loudness alone, and nine held mouth shapes by Rhubarb's rules.

Both give how far the lips are apart, in eye distances, at given times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.speech.loudness import HOP, Loudness
from inference.speech.phones import SILENCE, Phone

Array = NDArray[np.float64]

_WIDEST = 0.2  # the loudest voice's
_GAPS = {
    "A": 0.0,
    "B": 0.03,
    "C": 0.1,
    "D": 0.2,
    "E": 0.1,
    "F": 0.05,
    "G": 0.03,
    "H": 0.1,
    "X": 0.0,
}
_SHAPES = {
    "AO": "E", "ER": "E", "AA": "D", "IY": "B", "IH": "B", "EH": "C", "AE": "C", "UW": "F",
    "UH": "F", "AH": "C", "P": "A", "B": "A", "M": "A", "F": "G", "V": "G", "W": "F", "L": "H",
}  # fmt: skip
_GLIDES = {
    "EY": ("C", "B"), "AY": ("C", "B"), "OW": ("E", "F"), "AW": ("C", "E"), "OY": ("E", "B"),
}  # fmt: skip
_PAUSE = 0.35  # seconds: a shorter one is no reason to close the mouth
_SHORTEST = 0.07  # seconds of a shape
_OCCLUDED = (0.04, 0.12)  # seconds before a plosive, half of the phone before at most


def by_loudness(loudness: Loudness, times: Array) -> Array:
    """The louder, the wider; closed below the threshold of speech."""
    share = (loudness.level - loudness.threshold) / max(6.0, loudness.voice - loudness.threshold)
    fine = np.arange(len(share)) / HOP
    return np.interp(times, fine, _WIDEST * np.clip(share, 0, 1), 0.0, 0.0)


def by_nine_shapes(phones: Sequence[Phone], times: Array) -> Array:
    """Rhubarb Lip Sync's published rules (MIT), without tweens: shapes that are held."""
    cues: list[tuple[float, str]] = [(0.0, "X")]
    for index, phone in enumerate(phones):
        length = phone.end - phone.start
        if phone.name in _GLIDES:
            first, second = _GLIDES[phone.name]
            cues += [(phone.start, first), (phone.start + 0.6 * length, second)]
        elif phone.name == SILENCE:
            cues += [(phone.start, "X")] if length > _PAUSE else []
        else:
            shape = _SHAPES.get(phone.name, "B")
            if phone.name == "L" and length < 0.2:
                shape = "B"
            start = phone.start
            if phone.name in ("P", "B") and index:
                half = (phones[index - 1].end - phones[index - 1].start) / 2
                start -= float(np.clip(half, *_OCCLUDED))
            cues.append((start, shape))
    for one, after in zip(phones, [*phones[1:], None], strict=True):
        if after is None or after.start - one.end > _PAUSE:
            cues.append((one.end, "X"))
    cues.sort(key=lambda cue: cue[0])
    held: list[tuple[float, str]] = []
    for start, shape in cues:
        while held and start - held[-1][0] < _SHORTEST and held[-1][1] != "A" and len(held) > 1:
            held.pop()
        if not held or held[-1][1] != shape:
            held.append((start, shape))
    starts = np.array([start for start, _ in held])
    at = np.searchsorted(starts, times, side="right") - 1
    return np.array([_GAPS[held[max(0, index)][1]] for index in at])
