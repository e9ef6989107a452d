# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes of a performance: cut, join, retime, mirror, mix. None of them changes what it is given.

All work on motion alone: pose, controls and residual. A take that is made of two keeps the
neutral, the picture and the camera of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.inputs import MOST_FRAMES, checked_rate
from inference.landmarks import mirror_order
from inference.performance.cleaning.curves import (
    REGIONS,
    region_controls,
    region_points,
    to_curves,
    with_curves,
)
from inference.performance.cleaning.gaps import frame_confidence
from inference.performance.cleaning.shots import shots
from inference.performance.face.controls import CONTROL_NAMES, CONTROLS
from inference.performance.taking.performance import Performance

_PER_FRAME = (
    "controls",
    "rotation",
    "translation",
    "scale",
    "residual",
    "valid",
    "filled",
    "confidence",
)
_MOST_SPEED = 1000
_AT_ONCE = 1024  # frames: what is reckoned between takes no memory of the whole result's size
MIXED = ("pose", *REGIONS)  # what can have a weight of its own


def cut_take(performance: Performance, first: int, last: int) -> Performance:
    """Frames `first` to `last`, both included and zero-based. Raises InputError beyond the take."""
    p = performance
    if not 0 <= first <= last < len(p):
        raise InputError(f"frames {first}-{last} are not in the take, which has 0-{len(p) - 1}")
    kept = {name: getattr(p, name)[first : last + 1].copy() for name in _PER_FRAME}
    cuts = tuple(cut - first for cut in p.cuts if first < cut <= last)
    return replace(p, **kept, cuts=cuts)


def join_takes(first: Performance, *others: Performance) -> Performance:
    """One take after the other, with a cut at every seam.

    Later takes are retimed to the first one's rate and laid into its picture: heads keep their
    share of the picture's width and their place in it. Raises InputError for mixed cameras.
    """
    fitted = [first, *(_fitted(other, first) for other in others)]
    total = sum(len(p) for p in fitted)
    if total > MOST_FRAMES:
        raise InputError(
            f"joined, the takes have {total} frames; a take may have {MOST_FRAMES} at most"
        )
    arrays = {name: np.concatenate([getattr(p, name) for p in fitted]) for name in _PER_FRAME}
    cuts: list[int] = []
    start = 0
    for p in fitted:
        cuts += [start + cut for cut in ((0,) if start else ()) + p.cuts]
        start += len(p)
    sources = dict.fromkeys(p.source for p in fitted if p.source)
    return replace(
        first,
        **arrays,
        cuts=tuple(cuts),
        source=", ".join(sources),
        source_sha256=first.source_sha256 if len(sources) < 2 else "",
    )


def retime(performance: Performance, rate: Fraction, speed: Fraction = Fraction(1)) -> Performance:
    """The same motion at another frame rate; `speed` 2 makes it twice as fast.

    Frame i of the result is what the take shows at i / rate * speed seconds. Between frames the
    motion goes on smoothly; across a cut or into a gap nothing is mixed. Raises InputError for a
    rate or speed that is not positive.
    """
    try:
        rate = checked_rate(rate.numerator, rate.denominator)
    except ValueError:
        raise InputError(
            "a take has a rate of 0.1 to 1000 frames a second; name one of these, it "
            "must be positive"
        ) from None
    if not 1 / _MOST_SPEED <= speed <= _MOST_SPEED:
        raise InputError(
            f"a take's speed goes from 1/{_MOST_SPEED} to {_MOST_SPEED}; name one of "
            "these, it must be positive"
        )
    p = performance
    step = p.rate * speed / rate  # frames of the take for each of the result
    count = max(1, ceil(len(p) / step))
    if count > MOST_FRAMES:
        raise InputError(f"retimed, the take has {count} frames; it may have {MOST_FRAMES} at most")
    if step == 1:
        return replace(p, rate=rate)
    curves = to_curves(p)
    # Rational numbers to the last: frame 100,000 lies where it should.
    places = [i * step for i in range(count)]
    whole = np.array([min(int(place), len(p) - 1) for place in places])
    parts = np.array([float(place - int(place)) for place in places])
    nearest = np.array([min(int(place + Fraction(1, 2)), len(p) - 1) for place in places])
    shot_of = np.zeros(len(p), np.int64)
    for number, shot in enumerate(shots(len(p), p.cuts)):
        shot_of[shot.start : shot.stop] = number
    after = np.minimum(whole + 1, len(p) - 1)
    parts[(shot_of[after] != shot_of[whole]) | (after == whole)] = 0.0
    valid = p.valid[whole] & (p.valid[after] | (parts == 0))
    back, ahead = _outer(whole, after, p.valid, shot_of)
    pose, controls, residual = (
        _cubic(array, back, whole, after, ahead, parts)
        for array in (curves.pose, curves.controls, curves.residual)
    )
    known = p.controls[p.valid]
    if len(known):
        controls = np.clip(controls, known.min(axis=0), known.max(axis=0))
    for array in (pose, controls, residual):
        array[~valid] = np.nan
    changes = {
        "valid": valid,
        "filled": valid & (p.filled[whole] | (p.filled[after] & (parts > 0))),
        "confidence": np.where(valid, p.confidence[nearest], 0).astype(np.float32),
        "rate": rate,
        "cuts": tuple(sorted({ceil(cut / step) for cut in p.cuts if ceil(cut / step) < count})),
    }
    done = replace(curves, pose=pose, controls=controls, residual=residual)
    return with_curves(p, done, **changes)


def mirror_take(performance: Performance) -> Performance:
    """The take as its mirror image shows it: left becomes right in controls, pose and picture."""
    p = performance
    order = mirror_order()
    flip = np.array([-1.0, 1.0, 1.0])
    partner = [CONTROL_NAMES.index(control.mirror) for control in CONTROLS]
    signs = np.array([control.mirror_sign for control in CONTROLS], np.float32)
    turned = np.array([1.0, -1.0, -1.0])
    translation = p.translation * flip
    translation[:, 0] += p.size[0]
    rest = None
    if p.rest is not None:
        rest = p.rest * np.concatenate([turned, flip, [1.0]])
        rest[3] += p.size[0]
    return replace(
        p,
        controls=p.controls[:, partner] * signs,
        rotation=p.rotation * turned,
        translation=translation,
        neutral=(p.neutral[order] * flip).astype(np.float32),
        residual=(p.residual[:, order] * flip).astype(np.float32),
        scale=p.scale.copy(),
        rest=rest,
    )


def mix_takes(
    first: Performance,
    second: Performance,
    weight: float = 0.5,
    weights: Mapping[str, float] | None = None,
) -> Performance:
    """Two takes in one: `weight` 0 is the first, 1 the second.

    weights: weights of their own for some of `MIXED`, such as {"mouth": 1, "pose": 0}. The result
    has the first one's rate and length; frames of which a needed part is missing are gaps.
    Raises InputError for unknown parts, for weights outside 0 to 1 and for mixed cameras.
    """
    share = _weights(weight, weights)
    second = _fitted(second, first)
    count = min(len(first), len(second))
    a_take, b_take = cut_take(first, 0, count - 1), cut_take(second, 0, count - 1)
    a = to_curves(a_take)
    b = to_curves(b_take, like=a)
    pose = _blend(a.pose, b.pose, share["pose"])
    controls, residual = a.controls.copy(), a.residual.copy()
    for region in REGIONS:
        of_region, points = list(region_controls(region)), list(region_points(region))
        controls[:, of_region] = _blend(
            a.controls[:, of_region], b.controls[:, of_region], share[region]
        )
        residual[:, points] = _blend(a.residual[:, points], b.residual[:, points], share[region])
    needs_a = any(value < 1 for value in share.values())
    needs_b = any(value > 0 for value in share.values())
    missing = (needs_a & ~a_take.valid) | (needs_b & ~b_take.valid)
    for array in (pose, controls, residual):
        array[missing] = np.nan
    cuts = {*(a_take.cuts if needs_a else ()), *(b_take.cuts if needs_b else ())}
    filled = (needs_a & a_take.filled) | (needs_b & b_take.filled)
    mixed = with_curves(
        a_take,
        replace(a, pose=pose, controls=controls, residual=residual),
        valid=~missing,
        filled=filled & ~missing,
        cuts=tuple(sorted(cuts)),
    )
    return replace(mixed, confidence=frame_confidence(mixed))


def _weights(weight: float, weights: Mapping[str, float] | None) -> dict[str, float]:
    given = dict(weights or {})
    for name in given:
        if name not in MIXED:
            raise InputError(f"takes have no part '{name}' to mix; name {', '.join(MIXED)}")
    share = {name: float(given.get(name, weight)) for name in MIXED}
    for name, value in share.items():
        if not 0 <= value <= 1:
            raise InputError(f"the weight of the {name} is {value:g}; weights go from 0 to 1")
    return share


def _blend(a: NDArray[np.float64], b: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Between a and b, exactly one of them at the ends, where the other one may be missing."""
    if share in (0.0, 1.0):
        return (b if share else a).copy()
    return np.asarray((1 - share) * a + share * b)


def _fitted(other: Performance, first: Performance) -> Performance:
    """`other` at the rate and in the picture of `first`."""
    factor = first.size[0] / other.size[0]
    if other.camera != first.camera or abs(other.focal * factor - first.focal) > 1e-6 * first.focal:
        raise InputError(
            "the takes were filmed with different cameras; take both apart with the same one"
        )
    if other.rate != first.rate:
        other = retime(other, first.rate)
    if other.size == first.size:
        return other
    translation = other.translation * factor
    translation[:, :2] += (np.array(first.size) - factor * np.array(other.size)) / 2
    return replace(
        other,
        translation=translation,
        scale=other.scale * factor,
        size=first.size,
        focal=first.focal,
    )


def _outer(
    whole: NDArray[np.int64],
    after: NDArray[np.int64],
    valid: NDArray[np.bool_],
    shot_of: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The frames before and behind each pair, where they are seen and of the same shot."""
    last = len(valid) - 1
    back, ahead = np.maximum(whole - 1, 0), np.minimum(after + 1, last)
    back = np.where(valid[back] & (shot_of[back] == shot_of[whole]), back, whole)
    ahead = np.where(valid[ahead] & (shot_of[ahead] == shot_of[after]), ahead, after)
    return back, ahead


def _cubic(
    array: NDArray[np.float64],
    back: NDArray[np.int64],
    whole: NDArray[np.int64],
    after: NDArray[np.int64],
    ahead: NDArray[np.int64],
    parts: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Catmull and Rom's curve through four frames each, at `parts` between the middle two."""
    curve = np.empty((len(parts), *array.shape[1:]))
    for start in range(0, len(parts), _AT_ONCE):
        now = slice(start, start + _AT_ONCE)
        t = parts[now].reshape(-1, *[1] * (array.ndim - 1))
        exact = parts[now] == 0
        a, b, c, d = (array[frames[now]] for frames in (back, whole, after, ahead))
        part = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        part[exact] = b[exact]  # whatever lies behind may be a gap
        curve[now] = part
    return curve
