# SPDX-License-Identifier: GPL-3.0-or-later
"""Phones with times: what every way of listening to speech ends in.

Phones are named as in the CMU dictionary (ARPAbet without stress), and SIL is silence.
"""

from __future__ import annotations

from dataclasses import dataclass

SILENCE = "SIL"
VOWELS = frozenset(
    ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"]
)
LIPS_MEET = frozenset(["P", "B", "M"])
LIP_ON_TEETH = frozenset(["F", "V"])
CONSONANTS = frozenset(
    [
        "B",
        "CH",
        "D",
        "DH",
        "F",
        "G",
        "HH",
        "JH",
        "K",
        "L",
        "M",
        "N",
        "NG",
        "P",
        "R",
        "S",
        "SH",
        "T",
        "TH",
        "V",
        "W",
        "Y",
        "Z",
        "ZH",
    ]
)
PHONES = VOWELS | CONSONANTS | {SILENCE}


@dataclass(frozen=True)
class Phone:
    """One phone from `start` to `end`, seconds of the sound.

    word: which word of what is said it belongs to, counted from 0; -1 where none is known.
    """

    name: str
    start: float
    end: float
    word: int = -1

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Said:
    """What was heard. phones: in order, without overlaps. notes: what a person should know."""

    phones: tuple[Phone, ...]
    notes: tuple[str, ...] = ()


def in_order(phones: list[Phone], seconds: float) -> tuple[Phone, ...]:
    """Phones sorted, within the sound, each ending where the next begins at the latest."""
    kept = [p for p in sorted(phones, key=lambda p: (p.start, p.end)) if p.start < seconds]
    cut = []
    for index, phone in enumerate(kept):
        end = min(phone.end, seconds)
        if index + 1 < len(kept):
            end = min(end, kept[index + 1].start)
        if end > phone.start:
            cut.append(Phone(phone.name, max(0.0, phone.start), end, phone.word))
    return tuple(cut)
