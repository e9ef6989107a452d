# SPDX-License-Identifier: GPL-3.0-or-later
"""Lips that a recognizer without words does not hear meet: by how a stop bursts and a nasal hums.

It tells stops apart by what it expects to follow, and often takes one for another. The burst itself
says more: behind lips it is weak, its power falls towards high frequencies; behind the tongue's
tip it hisses, behind its back it has a peak in the middle (Blumstein and Stevens 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inference.speech.closures import silent_part
from inference.speech.loudness import HOP, Array, Loudness
from inference.speech.phones import SILENCE, Phone

_MISTAKEN = frozenset(["T", "D", "K", "G", "DH", "TH"])
_SHORT = 0.16  # seconds: silence that is no pause
# Shares of a burst's power: above 4 kHz, from 1.2 to 2.5 kHz at most; from 0.5 to 1.2 kHz at least.
_HISS, _PEAK, _LOW = 0.05, 0.18, 0.09
# And of a hum's: below 0.5 kHz, from 0.5 to 1.2 kHz, and from there on at most.
_MURMUR, _SECOND, _REST = 0.75, 0.05, 0.04
_HUM = 0.13  # seconds at most


def with_labials(phones: Sequence[Phone], loudness: Loudness) -> list[Phone]:
    """The phones as heard, with P and M where the sound says so."""
    return [replace(phone, name=_named(phone, loudness)) for phone in phones]


def _named(phone: Phone, loudness: Loudness) -> str:
    length = phone.end - phone.start
    gap = phone.name == SILENCE and length < _SHORT and phone.start > 0.1
    if gap and length < _HUM and _hums(phone, loudness):
        return "M"
    if not gap and phone.name not in _MISTAKEN:
        return phone.name
    _, released = silent_part(phone, loudness)
    burst = loudness.bands[round(released * HOP) :][:2]
    if len(burst) and _is_labial(burst.mean(axis=0)):
        return "P"
    return phone.name


def _is_labial(burst: Array) -> bool:
    return bool(burst[4] < _HISS and burst[2] < _PEAK and burst[1] > _LOW)


def _hums(phone: Phone, loudness: Loudness) -> bool:
    first, last = int(phone.start * HOP) + 1, int(phone.end * HOP) - 1
    bands = loudness.bands[first : max(first + 1, last)]
    level = float(loudness.at(phone.start, phone.end).mean())
    if not len(bands) or not loudness.threshold < level < loudness.voice - 3:
        return False
    low, second, third, _, hiss = bands.mean(axis=0)
    return bool(low > _MURMUR and second > _SECOND and third < _REST and hiss < _REST / 4)
