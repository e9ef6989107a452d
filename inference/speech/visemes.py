# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mouth wants for each phone, in the controls of the canonical face, and how much it minds.

The proportions between phones follow the published viseme tables (JALI, the fifteen visemes of
Oculus on ARKit's shapes); the sizes are those of people who talk, in units of our controls, whose 1
is the strong end of real people. The lips' closing is not here, see `closures`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.speech.phones import CONSONANTS, VOWELS

# What phones shape. The jaw is opened by loudness, the others by the phone alone.
CHANNELS = (
    "jaw_open", "mouth_wide", "mouth_narrow", "upper_lip_raise", "lower_lip_drop", "lips_together",
)  # fmt: skip
JAW = 0
_NARROW = CHANNELS.index("mouth_narrow")


@dataclass(frozen=True)
class Viseme:
    """target: (6,) of CHANNELS. weight: (6,), how strongly each is wanted, 0 to 1.
    begins, ends: (6,) seconds by which the shape reaches beyond the phone, before and after.
    """

    target: NDArray[np.float64]
    weight: NDArray[np.float64]
    begins: NDArray[np.float64]
    ends: NDArray[np.float64]


# jaw, wide, narrow, upper lip, lower lip, together
_TARGETS = {
    "AA": (0.38, 0.05, 0.00, 0.11, 0.25, 0.00), "AE": (0.34, 0.18, 0.00, 0.22, 0.29, 0.00),
    "AH": (0.25, 0.05, 0.00, 0.09, 0.18, 0.00), "AO": (0.32, 0.00, 0.50, 0.07, 0.18, 0.00),
    "EH": (0.27, 0.16, 0.00, 0.16, 0.25, 0.00), "ER": (0.16, 0.00, 0.38, 0.11, 0.22, 0.00),
    "IH": (0.16, 0.16, 0.00, 0.18, 0.22, 0.00), "IY": (0.10, 0.29, 0.00, 0.22, 0.25, 0.00),
    "UH": (0.15, 0.00, 0.55, 0.05, 0.14, 0.00), "UW": (0.10, 0.00, 0.95, 0.04, 0.09, 0.00),
    "CH": (0.09, 0.00, 0.55, 0.29, 0.36, 0.00), "SH": (0.09, 0.00, 0.60, 0.29, 0.36, 0.00),
    "S": (0.05, 0.16, 0.00, 0.16, 0.25, 0.00), "TH": (0.12, 0.06, 0.00, 0.11, 0.18, 0.00),
    "T": (0.09, 0.08, 0.00, 0.11, 0.18, 0.00), "K": (0.14, 0.05, 0.00, 0.09, 0.14, 0.00),
    "L": (0.16, 0.07, 0.00, 0.09, 0.18, 0.00), "R": (0.11, 0.00, 0.52, 0.09, 0.18, 0.00),
    "W": (0.07, 0.00, 1.00, 0.02, 0.04, 0.00), "Y": (0.10, 0.24, 0.00, 0.14, 0.18, 0.00),
    "HH": (0.17, 0.03, 0.00, 0.05, 0.11, 0.00), "F": (0.05, 0.14, 0.00, 0.20, 0.00, 0.50),
    "P": (0.04, 0.03, 0.00, 0.00, 0.00, 0.45),
}  # fmt: skip
_LIKE = {
    "B": "P", "M": "P", "V": "F", "D": "T", "N": "T", "G": "K", "NG": "K", "Z": "S", "ZH": "SH",
    "JH": "CH", "DH": "TH",
}  # fmt: skip
# Diphthongs are two shapes, 60 to 40.
GLIDES = {
    "AY": ("AA", "IH"), "AW": ("AA", "UH"), "EY": ("EH", "IY"), "OW": ("AO", "UW"),
    "OY": ("AO", "IH"),
}  # fmt: skip
GLIDES_AT = 0.6

_ROUND = frozenset(["UW", "W", "AO", "UH", "R", "SH", "ZH", "CH", "JH"])
_SHORT = 0.1  # seconds; a shorter obstruent or nasal leaves the jaw to its vowels
_OBSTRUENTS = frozenset(
    [
        "T",
        "D",
        "K",
        "G",
        "S",
        "Z",
        "SH",
        "ZH",
        "CH",
        "JH",
        "TH",
        "DH",
        "F",
        "V",
        "P",
        "B",
        "M",
        "N",
        "NG",
    ]
)
_ONSET, _DECAY, _AFTER_VOWEL, _PROTRUDES = 0.12, 0.12, 0.06, 0.15  # seconds
# How much a phone minds, and the least for lips that must meet their goal.
_WEIGHTS = {**dict.fromkeys(VOWELS, 1.0), **dict.fromkeys(CONSONANTS, 0.6)}
_LIPS = {"P": 0.9, "B": 0.9, "M": 0.9, "F": 0.8, "V": 0.8, "W": 0.95, "SH": 0.85, "CH": 0.85}
_HARDLY = 0.12


def viseme(name: str, seconds: float, after_vowel: bool) -> Viseme:
    """What a phone (not silence, no diphthong) of that length wants."""
    target = np.array(_TARGETS[_LIKE.get(name, name)], np.float64)
    weight = np.full(len(CHANNELS), _LIPS.get(name, _WEIGHTS[name]))
    if name in ("HH", "K", "G", "NG", "T", "D", "N", "L", "TH", "DH"):
        weight[1:] = 0.25  # the tongue never moves the lips
    if name in _OBSTRUENTS:
        weight[JAW] = _HARDLY if seconds < _SHORT and name not in ("S", "Z", "SH", "ZH") else 0.5
    begins = np.full(len(CHANNELS), _AFTER_VOWEL if after_vowel else _ONSET)
    if name in _ROUND:
        begins[_NARROW] = _PROTRUDES
    return Viseme(target, weight, begins, np.full(len(CHANNELS), _DECAY))
