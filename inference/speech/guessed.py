# SPDX-License-Identifier: GPL-3.0-or-later
"""Phones guessed from loudness and spectrum alone, where there is no recognizer.

It knows no words and few phones: open, wide and round vowels, hiss, and lips that may have met in a
short silence. Enough for a mouth that is in step; not for one that is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference.speech.loudness import HOP, Array, Loudness
from inference.speech.phones import Phone

_PIECE = 0.11  # seconds: about a phone
_HISS, _ROUND, _WIDE = (
    0.35,
    0.8,
    0.22,
)  # shares of the power: above 4 kHz, below 500 Hz, from 1.2 kHz
_DIP = 14.0  # dB below the sound around it: a stop
_STOPS = (0.03, 0.15)  # seconds


def guess_phones(loudness: Loudness, parts: Sequence[tuple[float, float]]) -> list[Phone]:
    """Phones of the parts of a sound in which somebody may be speaking."""
    phones: list[Phone] = []
    for begin, end in parts:
        first, last = round(begin * HOP), max(round(begin * HOP) + 1, round(end * HOP))
        level = loudness.level[first:last]
        around = np.array([level[max(0, i - 15) : i + 16].max() for i in range(len(level))])
        for a, b, dips in _runs(level < around - _DIP):
            long_enough = _STOPS[0] * HOP <= b - a <= _STOPS[1] * HOP
            if dips and long_enough and a > 0:
                phones.append(Phone("P", begin + a / HOP, begin + b / HOP))
                continue
            pieces = max(1, round((b - a) / HOP / _PIECE))
            edges = np.linspace(a, b, pieces + 1).round().astype(int)
            for i, j in zip(edges, edges[1:], strict=False):
                if j > i:
                    name = _named(loudness.bands[first + i : first + j])
                    phones.append(Phone(name, begin + i / HOP, begin + j / HOP))
    return phones


def _runs(flags: np.ndarray) -> list[tuple[int, int, bool]]:
    edges = [0, *(np.flatnonzero(np.diff(flags.astype(np.int8))) + 1).tolist(), len(flags)]
    return [(a, b, bool(flags[a])) for a, b in zip(edges, edges[1:], strict=False) if b > a]


def _named(bands: Array) -> str:
    low, middle, high, higher, hiss = bands.mean(axis=0)
    if hiss > _HISS:
        return "S"
    if low > _ROUND:
        return "UW" if middle < 0.12 else "AO"
    if high + higher > _WIDE:
        return "IY" if middle < 0.15 else "EH"
    return "AA" if middle > 0.3 else "AH"
