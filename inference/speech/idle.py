# SPDX-License-Identifier: GPL-3.0-or-later
"""What a head does besides: blinks, glances, brows and nods with what is stressed, breathing.

All of it comes from a seed: the same sound and seed give the same numbers. Strength 0 is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.performance.face.controls import CONTROL_NAMES
from inference.speech.loudness import Loudness
from inference.speech.phones import SILENCE, VOWELS, Phone

Array = NDArray[np.float64]

_BLINKS = (1.4, 3.2)  # seconds from one to the next: the least, and how much more on average
_SHUTS, _SHUT, _LIFTS = 0.08, 0.03, 0.16  # seconds of a blink
_GLANCES = (0.6, 1.5)
_GLANCE = 0.05  # seconds that the eyes take
_ASIDE, _UP = 0.16, 0.1  # gaze controls, standard deviation
_STRESSED = 0.9  # seconds from one stress to the next at least
_NOD = (0.12, 0.3)  # seconds down, and up again
_SWAY = np.radians((0.9, 1.3, 0.7))  # pitch, yaw, roll
_BREATH = 4.2  # seconds


@dataclass(frozen=True)
class Idle:
    """controls: (F, C), to be added. turn: (F, 3) radians about x, y and z. rise: (F,) canonical
    units, downwards as y is.
    """

    controls: Array
    turn: Array
    rise: Array


def living_head(
    phones: Sequence[Phone], loudness: Loudness, times: Array, strength: float, seed: int
) -> Idle:
    """What goes on at `times`, seconds, evenly spaced; strength: 0 to 1, more is lively."""
    still = Idle(
        np.zeros((len(times), len(CONTROL_NAMES))), np.zeros((len(times), 3)), np.zeros(len(times))
    )
    if strength <= 0:
        return still
    # Each has numbers of its own, so that one more blink does not move the head.
    blinks, glances, stress, sway = (np.random.default_rng((seed, each)) for each in range(4))
    end = float(times[-1]) if len(times) else 0.0
    pauses = _pauses(phones, end)
    stressed = _stresses(phones, loudness)
    controls, turn = still.controls, still.turn
    _blink(controls, times, pauses, end, strength, blinks)
    _look(controls, times, end, strength, glances)
    for at, much in stressed:
        amount = strength * much * stress.uniform(0.7, 1.2)
        bump = _bump(times, at, *_NOD)
        _add(
            controls, ("brow_up_left", "brow_up_right"), 0.28 * amount * _bump(times, at, 0.15, 0.4)
        )
        turn[:, 0] += np.radians(1.6) * amount * bump
    turn += strength * _wander(times, sway) * _SWAY
    breath = np.sin(2 * np.pi * (times / _BREATH + sway.uniform()))
    turn[:, 0] += np.radians(0.25) * strength * breath
    return Idle(controls, turn, 0.012 * strength * breath)


def _pauses(phones: Sequence[Phone], end: float) -> list[float]:
    """Where a phrase ends, seconds."""
    spoken = [p for p in phones if p.name != SILENCE]
    ends = [a.end for a, b in zip(spoken, spoken[1:], strict=False) if b.start - a.end > 0.2]
    return ends + [p.end for p in spoken[-1:] if p.end < end]


def _stresses(phones: Sequence[Phone], loudness: Loudness) -> list[tuple[float, float]]:
    """Vowels that stand out by loudness and length: (seconds, 0.4 to 1)."""
    vowels = [p for p in phones if p.name in VOWELS]
    if not vowels:
        return []
    level = np.array([float(loudness.at(p.start, p.end).max()) for p in vowels])
    length = np.array([min(0.3, p.end - p.start) for p in vowels])
    score = (level - level.mean()) / max(3.0, level.std()) + (length - length.mean()) / 0.08
    found: list[tuple[float, float]] = []
    limit = float(np.quantile(score, 0.7))
    for phone, value in zip(vowels, score, strict=True):
        if value >= limit and (not found or phone.start - found[-1][0] >= _STRESSED):
            found.append((phone.start, float(np.clip(0.5 + 0.25 * value, 0.4, 1))))
    return found


def _blink(
    controls: Array, times: Array, pauses: list[float], end: float, strength: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Blinks, drawn to the ends of phrases; weaker idling has fewer of them, not halves."""
    step = float(times[1] - times[0]) if len(times) > 1 else 0.04
    least, more = _BLINKS
    at = 0.8 + rng.exponential(1.0)
    shut = np.zeros(len(times))
    while at < end:
        near = [pause for pause in pauses if abs(pause - at) < 0.7]
        middle = min(near, key=lambda pause: abs(pause - at)) if near else at
        half = max(_SHUT / 2, step * 0.501)
        t = times - middle
        down = np.clip((t + half + _SHUTS) / _SHUTS, 0, 1)
        up = np.clip((half + _LIFTS - t) / _LIFTS, 0, 1)
        shut = np.maximum(shut, np.minimum(down, up) ** 2 * (3 - 2 * np.minimum(down, up)))
        at = max(at, middle) + least + rng.exponential(more / min(1.0, strength))
    _add(controls, ("blink_left", "blink_right"), shut)


def _look(
    controls: Array, times: Array, end: float, strength: float, rng: np.random.Generator
) -> None:
    """Glances aside and back: every other one comes back to who is spoken to."""
    least, more = _GLANCES
    at, places = 0.0, [(0.0, 0.0, 0.0)]
    while at < end:
        at += least + rng.exponential(more)
        back = rng.uniform() < 0.5
        x, y = (0.0, 0.0) if back else (rng.normal(0, _ASIDE), rng.normal(0, _UP))
        places.append((at, strength * x, strength * y))
    knots = np.array([0.0] + [t for at, _, _ in places[1:] for t in (at, at + _GLANCE)])
    for name, column in (("gaze_x", 1), ("gaze_y", 2)):
        values = [places[0][column]]
        for before, after in zip(places, places[1:], strict=False):
            values += [before[column], after[column]]
        curve = np.interp(times, knots, np.array(values))
        controls[:, CONTROL_NAMES.index(name)] += np.clip(curve, -0.5, 0.5)


def _wander(times: Array, rng: np.random.Generator) -> Array:
    """(F, 3): slow waves about nothing, each axis its own."""
    waves = np.zeros((len(times), 3))
    for slow in (0.11, 0.19, 0.31, 0.47):
        phase = rng.uniform(0, 2 * np.pi, 3)
        pace = slow * rng.uniform(0.85, 1.15, 3)
        waves += np.sin(2 * np.pi * pace * times[:, None] + phase) * (0.11 / slow) ** 0.7
    return waves / 1.5


def _bump(times: Array, at: float, rise: float, fall: float) -> Array:
    """0, up to 1 a little after `at`, and down again."""
    t = times - at
    up, down = np.clip((t + rise) / rise, 0, 1), np.clip((fall - t) / fall, 0, 1)
    x = np.minimum(up, down)
    return np.asarray(x * x * (3 - 2 * x))


def _add(controls: Array, names: Sequence[str], curve: Array) -> None:
    for name in names:
        controls[:, CONTROL_NAMES.index(name)] += curve
