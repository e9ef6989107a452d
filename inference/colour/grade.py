# SPDX-License-Identifier: GPL-3.0-or-later
"""A grade: one change of colours for a whole shot, from a portrait's look to another picture's.

Lightness goes through one rising curve, tints are shifted and made stronger or weaker. Where the
other picture is the portrait itself, graded, the same pixels say what was done. Else there are two
witnesses, the skin of the two faces and the pictures around them, and both are bad ones: skin
differs from person to person, pictures by what they show. So only that is done which both speak
for, and no more than the one that asks for less: a dark face is not bleached for a fair one's
sake, nor is a wall made blue for the sky's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inference.colour.tint import DARK, Colours, into_range, join, split

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# The most that a grade between two pictures may do: to the lightness and to the strength of the
# tints, as factors; as a shift of the tints; and as black that is lifted.
_GAIN = (0.35, 2.0)
_STRENGTH = (0.5, 1.5)
_SHIFT = 0.5
_LIFT = 0.12
_STEPS = np.linspace(0, 1, 33)
_FINE = 2048  # steps of lightness at which tints are looked up in pictures
_STRIP = 1 << 16  # pixels that are graded at a time: they stay in the processor's cache
_BINS = 16  # of lightness, by which a picture is compared with itself
_RANGE = (0.01, 0.9)  # quantiles of lightness: of a face's lit skin, of a picture's light parts
_FLAT = 0.004  # a spread of lightness below one step of 8 bits says nothing


@dataclass(frozen=True)
class Grade:
    """lightness: (33,) the curve's values at even steps of 0 to 1.

    tint: (33, 2) the tint that at such a lightness becomes `shifted`; strength: (2,) what tints
    beside it are scaled by. share: 0 to 1 of all this that is done.
    """

    lightness: NDArray[np.float32]
    tint: NDArray[np.float32]
    shifted: NDArray[np.float32]
    strength: NDArray[np.float32]
    share: float = 1.0

    @cached_property
    def _fine_tint(self) -> Colours:
        return _between(np.linspace(0, 1, _FINE + 1), _STEPS, self.tint).astype(np.float32)

    @cached_property
    def _fine_shifted(self) -> Colours:
        return _between(np.linspace(0, 1, _FINE + 1), _STEPS, self.shifted).astype(np.float32)

    def of(self, colours: Colours) -> Colours:
        """Graded colours (N, 3), within 0 to 1; so may be those that go in, or not quite."""
        before, chroma = split(colours)
        after = np.interp(before, _STEPS, self.lightness).astype(np.float32)
        step = np.clip(before * _FINE, 0, _FINE).astype(np.int16)
        tint, shifted = self._fine_tint[step], self._fine_shifted[step]
        # Black that is lifted is grey that is added: it makes no colour stronger.
        ratio = (after - self.lightness[0]) / np.maximum(before, DARK)
        free = self.strength * (chroma - before[:, None] * tint) * ratio[:, None]
        graded = into_range(join(after, after[:, None] * shifted + free))
        return colours + np.float32(self.share) * (graded - colours)

    def of_picture(self, pixels: Pixels) -> Pixels:
        """A picture (H, W, 3) graded, at its own depth."""
        top = np.float32(np.iinfo(pixels.dtype).max)
        graded = np.empty_like(pixels)
        flat, out = pixels.reshape(-1, 3), graded.reshape(-1, 3)
        for start in range(0, len(flat), _STRIP):
            part = flat[start : start + _STRIP].astype(np.float32) / top
            out[start : start + _STRIP] = np.round(np.clip(self.of(part), 0, 1) * top)
        return graded


@dataclass(frozen=True)
class Look:
    """dark, light: the lightness of the darkest parts and of light ones. tint: (2,) of them all.

    width: how far from that tint the colours lie, as a share of their lightness.
    """

    dark: float
    light: float
    tint: NDArray[np.float32]
    width: float


def look_of(colours: Colours) -> Look | None:
    """The look of colours (N, 3); None when they are of one flat lightness."""
    lightness, chroma = split(colours)
    dark, light = (float(value) for value in np.quantile(lightness, _RANGE))
    if float(np.ptp(lightness)) < _FLAT:
        return None
    mean = max(float(lightness.mean()), DARK)
    tint = chroma.mean(axis=0) / mean
    away = np.abs(chroma - lightness[:, None] * tint).max(axis=1)
    return Look(dark, max(light, DARK), tint, float(away.mean()) / mean)


def grade_between(pairs: list[tuple[Look, Look]], freedom: float) -> Grade:
    """From one picture to another, as far as all witnesses agree.

    pairs: one witness each, the portrait's look and the other's; the last one's black counts.
    freedom: of the other's palette; where it is 0 the head becomes monochrome or toned.
    """
    gain = _agreed(np.array([np.log(other.light / own.light) for own, other in pairs]))
    gain = np.clip(np.exp(gain), *_GAIN)
    wider = [np.log(max(other.width, 1e-3) / max(own.width, 1e-3)) for own, other in pairs]
    strength = np.clip(np.exp(_agreed(np.array(wider))), *_STRENGTH) * freedom
    shift = np.array(
        [
            _agreed(np.array([other.tint[k] - strength * own.tint[k] for own, other in pairs]))
            for k in (0, 1)
        ]
    )
    shift = np.clip(shift, -_SHIFT, _SHIFT)
    own, other = pairs[-1]
    lift = float(np.clip(other.dark - gain * own.dark, 0, _LIFT))
    # White gets the tint as all else does, so it must be dark enough to hold it.
    white = join(np.ones(1, np.float32), shift[None].astype(np.float32))
    knots = np.array([0.3, 0.6]) / max(1.0, float(gain))
    values = lift + (1 - lift) * gain * knots
    curve = _curve(knots, values, lift, 1 / max(1.0, float(white.max())))
    return _grade(curve, np.zeros((1, 2)), shift[None], np.full(2, strength))


def grade_of_same_picture(own: Colours, graded: Colours) -> Grade | None:
    """From colours (N, 3) to the same pixels' after somebody's grade; None where all are one."""
    before, chroma = split(own)
    after, graded_chroma = split(graded)
    edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)))
    bins = np.clip(np.searchsorted(edges, before, side="right") - 1, 0, len(edges) - 2)
    known = [bins == index for index in range(len(edges) - 1) if (bins == index).sum() > 8]
    knots = np.array([before[bin].mean() for bin in known])
    values = np.maximum.accumulate([after[bin].mean() for bin in known])
    if len(known) < 2 or np.ptp(knots) < _FLAT:
        return None
    tints = chroma / np.maximum(before, DARK)[:, None]
    graded_tints = graded_chroma / np.maximum(after, DARK)[:, None]
    tint, shifted = (
        np.array([each[bin].mean(axis=0) for bin in known]) for each in (tints, graded_tints)
    )
    # Least squares, with the weight that a tint has for the eye.
    weight = np.minimum(before, after)[:, None]
    away = tints - _between(before, knots, tint)
    graded_away = graded_tints - _between(before, knots, shifted)
    strength = (weight * away * graded_away).sum(axis=0)
    strength /= np.maximum((weight * away**2).sum(axis=0), 1e-6)
    curve = _curve(knots, values, float(after.min()), float(after.max()))
    return _grade(
        curve,
        _between(_STEPS, knots, tint),
        _between(_STEPS, knots, shifted),
        np.clip(strength, 0, 2),
    )


def _grade(curve: NDArray, tint: NDArray, shifted: NDArray, strength: NDArray) -> Grade:
    shape = (len(_STEPS), 2)
    return Grade(
        curve.astype(np.float32),
        np.broadcast_to(tint, shape).astype(np.float32),
        np.broadcast_to(shifted, shape).astype(np.float32),
        strength.astype(np.float32),
    )


def _between(at: NDArray, knots: NDArray, values: NDArray) -> NDArray:
    """Values (K, 2) at the knots (K,), at other places (N,): (N, 2)."""
    return np.stack([np.interp(at, knots, column) for column in values.T], axis=-1)


def _curve(knots: NDArray, values: NDArray, darkest: float, brightest: float) -> NDArray:
    """Through the knots, and on to 0 and 1 in their direction, bent so that nothing clips."""
    at = _STEPS
    inside = np.interp(at, knots, values)
    first = (values[1] - values[0]) / (knots[1] - knots[0])
    last = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    black = np.clip(values[0] - first * knots[0], 0, min(darkest, values[0]))
    white = np.clip(values[-1] + last * (1 - knots[-1]), values[-1], max(brightest, values[-1]))
    below = values[0] - _bend(knots[0] - at, first, knots[0], values[0] - black)
    above = values[-1] + _bend(at - knots[-1], last, 1 - knots[-1], white - values[-1])
    curve = np.where(at < knots[0], below, np.where(at > knots[-1], above, inside))
    return np.clip(np.maximum.accumulate(curve), 0, 1).astype(np.float32)


def _bend(x: NDArray, slope: float, length: float, height: float) -> NDArray:
    """A rising cubic from 0, where it has the slope, to `height` at `length`; beyond: anything."""
    if length <= 0:
        return np.zeros_like(x)
    secant = height / length
    begin = min(slope, 3 * secant)
    end = np.clip(2 * secant - begin, 0, 3 * secant)
    t = np.clip(x / length, 0, 1)
    rise = (3 - 2 * t) * t**2
    return rise * height + length * t * (1 - t) * (begin * (1 - t) - end * t)


def _agreed(values: NDArray) -> float:
    """The least of the values where all have one sign, else 0."""
    if (values > 0).all() or (values < 0).all():
        return float(values[np.argmin(np.abs(values))])
    return 0.0
