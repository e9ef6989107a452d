# SPDX-License-Identifier: GPL-3.0-or-later
"""A filter for recorded takes that takes a tracker's jitter away and leaves what the face does.

The curves are split into bands of faster and slower change (the undecimated "a trous" wavelet
with a cubic spline). In each band and at each moment, what is no larger than the jitter goes and
what clearly stands out of it stays: a blink is many times larger than the jitter, so it keeps its
depth and its frame. All kernels are symmetric in time: nothing is delayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from inference.performance.cleaning.shots import runs

Curves = NDArray[np.float64]
Valid = NDArray[np.bool_]

_SPLINE = np.array([1, 4, 6, 4, 1]) / 16
# The slowest change that still counts as jitter, as a share of a second.
_SLOWEST = 0.2
# A band holds motion where it is this many times as large as its jitter; half of that is jitter.
MOTION = 3.2
# The calmest quarter of the moments tells the jitter: a face moves, but seldom all the time.
_CALM = 0.25
_CALM_OF_NORMAL = 0.3186  # the same quantile of |N(0, 1)|
# The curves of a region are calm together in the calmest tenth of the moments. In a face that
# holds still all the time, that tenth is so much smaller than the rest.
_CALMEST = 0.1
_CALMEST_OF_JITTER = 0.6
# No curve is believed to be steadier than this share of the others beside it.
_STEADIEST = 0.5
_FEWEST = 5  # a shorter run has no band to look at


def smooth_together(
    curves: Sequence[NDArray[np.floating]],
    seen_in: NDArray[np.floating],
    valid: Valid,
    cuts: Sequence[int],
    rate: Fraction,
    strength: float,
    most_jitter: float = np.inf,
    motion: float = MOTION,
) -> list[Curves]:
    """Arrays of curves, each (F, C), smoothed by one decision about what is motion.

    seen_in: (F, P), the curves in which motion is looked for: all that describe one region, so
    that the parts of a blink stay or go together. Each run of valid frames (F,) within one shot is
    smoothed on its own; gaps stay as they are. strength: 0 to 1; at 0 nothing changes.
    most_jitter: what is larger on average, in the unit of `seen_in`, is not believed to be
    jitter; a mouth that talks all the time would pass for it. motion: what is so many times as
    large as its jitter is motion.
    """
    out = [np.array(one, np.float64) for one in curves]
    found = _long_runs(valid, cuts)
    if strength <= 0 or not found:
        return out
    scales = scale_count(rate)
    looked = [split_bands(np.array(seen_in[r.start : r.stop], float), scales) for r in found]
    jitter = _jitter(np.concatenate([bands[0] for bands in looked]))
    jitter *= min(1.0, most_jitter / _rms(jitter))
    gains = _band_gains(scales)
    amount = 1 - (1 - strength) ** 2  # half the strength leaves a quarter of the jitter
    for run, bands in zip(found, looked, strict=True):
        parts = [split_bands(one[run.start : run.stop], scales) for one in out]
        for scale, (band, gain) in enumerate(zip(bands, gains, strict=True)):
            removed = amount * (1 - _motion_share(_size(band, jitter * (gain / gains[0])) / motion))
            for one, part in zip(out, parts, strict=True):
                one[run.start : run.stop] -= removed[:, None] * part[scale]
    return out


def jitter_level(curves: NDArray[np.floating], valid: Valid, cuts: Sequence[int]) -> float:
    """The standard deviation of the jitter's fastest band over all curves (F, C), in their unit.

    Infinite where no run is long enough to tell.
    """
    found = _long_runs(valid, cuts)
    if not found or curves.shape[1] == 0:
        return float(np.inf)
    fastest = [split_bands(np.array(curves[r.start : r.stop], float), 1)[0] for r in found]
    return _rms(_jitter(np.concatenate(fastest)))


def scale_count(rate: Fraction) -> int:
    """How many bands lie between one frame and the slowest jitter, 2 at least."""
    return max(2, int(np.floor(np.log2(float(rate) * _SLOWEST))) + 1)


def split_bands(curves: Curves, scales: int) -> list[Curves]:
    """From the fastest to the slowest, each (F, C); what they leave is the smooth curve."""
    bands = []
    rest = curves
    for scale in range(scales):
        slower = _blur(rest, 2**scale)
        bands.append(rest - slower)
        rest = slower
    return bands


def _blur(curves: Curves, step: int) -> Curves:
    """The spline with `step` frames between its taps.

    Beyond the ends the curve goes on as its own image turned about the end point, so that a
    motion that is under way there neither stops nor bends.
    """
    reach = min(2 * step, len(curves) - 1)
    before = 2 * curves[0] - curves[reach:0:-1]
    after = 2 * curves[-1] - curves[-2 : -2 - reach : -1]
    pad = 2 * step - reach
    if pad:
        before = np.concatenate([np.repeat(before[:1], pad, axis=0), before])
        after = np.concatenate([after, np.repeat(after[-1:], pad, axis=0)])
    wide = np.concatenate([before, curves, after])
    blurred = np.zeros_like(curves)
    for tap, weight in enumerate(_SPLINE):
        blurred += weight * wide[tap * step : tap * step + len(curves)]
    return blurred


def _long_runs(valid: Valid, cuts: Sequence[int]) -> list[range]:
    return [run for run in runs(valid, cuts) if len(run) >= _FEWEST]


def _jitter(fastest: Curves) -> Curves:
    """The jitter's standard deviation in the fastest band, for each curve, (C,).

    How the curves compare is read off their own calm moments; how large the jitter is all in all
    off the moments in which all of them are calm, which even a busy mouth has.
    """
    each = np.quantile(np.abs(fastest), _CALM, axis=0) / _CALM_OF_NORMAL
    each = np.maximum(each, max(_STEADIEST * _rms(each), 1e-12))
    calmest = float(np.quantile(_size(fastest, each), _CALMEST))
    return np.asarray(each * np.clip(calmest / _CALMEST_OF_JITTER, 1e-12, 1.0))


def _band_gains(scales: int) -> list[float]:
    """How much of a white jitter each band holds, as a share of its standard deviation."""
    impulse = np.zeros((2**scales * 8 + 1, 1))
    impulse[len(impulse) // 2] = 1
    return [float(np.sqrt((band**2).sum())) for band in split_bands(impulse, scales)]


def _size(band: Curves, jitter: Curves) -> NDArray[np.float64]:
    """How many times its jitter a band is, for every frame, (F,)."""
    return np.asarray(np.sqrt(((band / jitter) ** 2).mean(axis=1)))


def _motion_share(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 where a band holds jitter alone and 1 where the face moves, by its size of motion (F,)."""
    # The frames around a motion belong to it.
    around = np.maximum.reduce([size, np.r_[size[1:], 0], np.r_[0, size[:-1]]])
    share = np.clip(2 * around - 1, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt((values**2).mean()))
