# SPDX-License-Identifier: GPL-3.0-or-later
"""Phones to the mouth's controls over time: co-articulation, loudness, exact closures.

Each phone pulls every channel towards its target, most within the phone and less and less around
it; the curve is what all of them together want (Cohen and Massaro 1993). Where the lips must touch,
all that opens them is taken back, and what the jaw still keeps open is the dense rest's to close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.performance.face.canonical import canonical_face, control_index
from inference.performance.face.controls import CONTROL_NAMES
from inference.performance.face.regions import LIP_COLUMNS, lip_spread
from inference.speech.closures import Closure, find_closures
from inference.speech.loudness import HOP, Loudness
from inference.speech.phones import SILENCE, VOWELS, Phone
from inference.speech.visemes import CHANNELS, GLIDES, GLIDES_AT, JAW, Viseme, viseme

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Style:
    """How much of a voice shows in jaw, lips, brows and head; smile: one that stays."""

    jaw: float
    lips: float
    head: float
    smile: float = 0.0


STYLES = {
    "calm": Style(0.7, 0.8, 0.6),
    "plain": Style(1.0, 1.0, 1.0),
    "lively": Style(1.35, 1.2, 1.6, 0.06),
}

_SMOOTH = 0.018  # seconds: no mouth turns within a hundredth
_CLOSES, _OPENS = 0.07, 0.08  # seconds to touch and to part
_BEFORE, _AFTER = 0.14, 0.2  # seconds around speech within which the mouth comes and goes
_PAUSE = 0.3  # seconds: a shorter pause is no reason to close the mouth
_JAW_KEPT = 0.35  # of the jaw's opening, while the lips touch
_LOWER = 0.75  # the lower lip's share of what then closes them
_QUIET, _LOUD = 0.6, 1.12  # of the jaw, for a voice's softest and loudest syllables
_RANGE = 25.0  # dB between these
_TOUCH = 0.35  # lips_together at a closure
_OPENING = ("jaw_open", "upper_lip_raise", "lower_lip_drop")


@dataclass(frozen=True)
class Mouth:
    """controls: (F, C); closed, teeth: (F,), 1 where the lips touch, or lower lip and teeth do."""

    controls: Array
    closed: Array
    teeth: Array


def speaking_mouth(
    phones: Sequence[Phone], loudness: Loudness, times: Array, style: Style
) -> Mouth:
    """The mouth at `times`, seconds, evenly spaced. Every closure reaches one of them at least."""
    step = float(times[1] - times[0]) if len(times) > 1 else 0.04
    count = len(loudness.level) + HOP
    fine = np.arange(count) / HOP
    wanted = _smoothed(_wanted(phones, fine), _SMOOTH * HOP)
    envelope = _envelope(phones, fine)
    wanted[:, JAW] *= _strength(loudness, count) * style.jaw
    wanted[:, JAW + 1 :] *= style.lips
    wanted *= envelope[:, None]
    columns = [np.interp(times, fine, wanted[:, k], 0.0, 0.0) for k in range(len(CHANNELS))]
    channels = np.stack(columns, axis=1)
    closures = find_closures(phones, loudness)
    closed = _touching([c for c in closures if not c.teeth], times, step)
    teeth = _touching([c for c in closures if c.teeth], times, step) * (1 - closed)
    controls = np.zeros((len(times), len(CONTROL_NAMES)))
    for k, name in enumerate(CHANNELS):
        controls[:, control_index(name)] = channels[:, k]
    for name in _OPENING:
        kept = _JAW_KEPT if name == "jaw_open" else 0.0
        controls[:, control_index(name)] *= 1 - closed * (1 - kept)
    together = control_index("lips_together")
    controls[:, together] = np.maximum(controls[:, together], _TOUCH * closed)
    _lip_to_teeth(controls, teeth)
    for side in ("smile_left", "smile_right"):
        controls[:, control_index(side)] += style.smile
    return Mouth(np.clip(controls, 0, 1), closed, teeth)


def touching_lips(controls: Array, closed: Array, neutral: Array) -> NDArray[np.float32]:
    """(F, 478, 3): what brings the lips together as far as `closed`, (F,), in canonical units.

    neutral: (478, 3), the face that the controls (F, C) move.
    """
    upper, lower = map(list, LIP_COLUMNS)
    basis = canonical_face().basis.astype(np.float64)
    apart = neutral[lower] - neutral[upper]
    moves = basis[:, lower] - basis[:, upper]
    residual = np.zeros((len(controls), *neutral.shape), np.float32)
    for frame in np.flatnonzero(closed > 0):
        gap = apart + np.tensordot(controls[frame], moves, axes=1)
        gap *= closed[frame]
        handles = np.concatenate([(1 - _LOWER) * gap, -_LOWER * gap])
        residual[frame] = lip_spread() @ handles
    return residual


def resting_neutral() -> NDArray[np.float32]:
    """The mean face with its lips just touching: a detector leaves closed ones a little apart."""
    mean = canonical_face().mean.astype(np.float64)
    upper, lower = map(list, LIP_COLUMNS)
    gap = (mean[lower] - mean[upper]) / 2
    return (mean + lip_spread() @ np.concatenate([gap, -gap])).astype(np.float32)


def _wanted(phones: Sequence[Phone], fine: Array) -> Array:
    """(T, 6): what all phones together want of each channel."""
    pulls = np.full((len(fine), len(CHANNELS)), 1e-3)  # of rest, where nobody speaks
    sums = np.zeros_like(pulls)
    before = SILENCE
    for phone in phones:
        if phone.name == SILENCE:
            before = SILENCE
            continue
        for name, start, end in _shapes(phone):
            wants = viseme(name, end - start, before in VOWELS)
            first, last, pull = _pull(wants, start, end, len(fine))
            pulls[first:last] += pull
            sums[first:last] += pull * wants.target
        before = phone.name
    return np.asarray(sums / pulls)


def _shapes(phone: Phone) -> list[tuple[str, float, float]]:
    if phone.name not in GLIDES:
        return [(phone.name, phone.start, phone.end)]
    first, second = GLIDES[phone.name]
    turn = phone.start + GLIDES_AT * (phone.end - phone.start)
    return [(first, phone.start, turn), (second, turn, phone.end)]


def _pull(wants: Viseme, start: float, end: float, count: int) -> tuple[int, int, Array]:
    """The dominance (T, 6) of a phone on frames `first` to `last`: whole in its middle half."""
    reach = 2 * max(float(wants.begins.max()), float(wants.ends.max()))
    first, last = max(0, int((start - reach) * HOP)), min(count, int((end + reach) * HOP) + 2)
    t = np.arange(first, last)[:, None] / HOP
    middle, half = (start + end) / 2, (end - start) / 4
    early, late = np.maximum(0, middle - half - t), np.maximum(0, t - middle - half)
    # A twentieth is left where the reach ends.
    fall = np.exp(-3 * (early / (half + wants.begins) + late / (half + wants.ends)))
    return first, last, wants.weight * fall


def _envelope(phones: Sequence[Phone], fine: Array) -> Array:
    """1 where somebody speaks, 0 from a fifth of a second after, without a corner."""
    parts: list[list[float]] = []
    for phone in phones:
        if phone.name == SILENCE:
            continue
        if parts and phone.start - parts[-1][1] < _PAUSE:
            parts[-1][1] = phone.end
        else:
            parts.append([phone.start, phone.end])
    envelope = np.zeros(len(fine))
    for start, end in parts:
        rise = np.clip((fine - start + _BEFORE) / _BEFORE, 0, 1)
        fall = np.clip((end + _AFTER - fine) / _AFTER, 0, 1)
        envelope = np.maximum(envelope, _eased(rise) * _eased(fall))
    return envelope


def _strength(loudness: Loudness, count: int) -> Array:
    """How far a voice of this loudness opens the jaw, (T,)."""
    level = np.pad(loudness.level, (0, max(0, count - len(loudness.level))), mode="edge")[:count]
    held = _smoothed(np.maximum(level, loudness.voice - _RANGE)[:, None].astype(float), 6)[:, 0]
    share = np.clip((held - loudness.voice + _RANGE) / _RANGE, 0, 1.2)
    return np.asarray(_QUIET + (_LOUD - _QUIET) * share)


def _touching(closures: Sequence[Closure], times: Array, step: float) -> Array:
    """(F,): 1 within closures, easing to 0 around them; each holds for one step at least."""
    touching = np.zeros(len(times))
    for closure in closures:
        middle = (closure.start + closure.end) / 2
        half = max((closure.end - closure.start) / 2, step * 0.501)
        first, last = np.searchsorted(times, (middle - half - _CLOSES, middle + half + _OPENS))
        t = times[first:last]
        shut = np.clip((t - middle + half + _CLOSES) / _CLOSES, 0, 1)
        open_ = np.clip((middle + half + _OPENS - t) / _OPENS, 0, 1)
        touching[first:last] = np.maximum(touching[first:last], _eased(np.minimum(shut, open_)))
    return touching


def _lip_to_teeth(controls: Array, teeth: Array) -> None:
    """The lower lip rises to the upper teeth, which the upper lip shows, in place."""
    goals = {"jaw_open": 0.05, "upper_lip_raise": 0.2, "lower_lip_drop": 0.0, "lips_together": 0.5}
    for name, goal in goals.items():
        column = controls[:, control_index(name)]
        column += teeth * (goal - column)


def _eased(x: Array) -> Array:
    return np.asarray(x * x * (3 - 2 * x))


def _smoothed(curves: Array, sigma: float) -> Array:
    """A Gaussian over the frames of (T, K)."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(curves, ((reach, reach), (0, 0)), mode="edge")
    columns = [np.convolve(padded[:, k], kernel, "valid") for k in range(curves.shape[1])]
    return np.stack(columns, axis=1)
