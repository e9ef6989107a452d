# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaps in a performance: short ones are filled and marked, long ones stay; confidence per frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.performance.cleaning.curves import Curves, to_curves, with_curves
from inference.performance.cleaning.shots import gaps, shots
from inference.performance.taking.performance import Performance

Array = NDArray[np.float64]

# The motion on either side of a gap is measured over so many frames.
_LOOK = 3
# Beyond this turn from the front a detector guesses the far side of a face (radians).
_SURE_TURN, _LOST_TURN = np.radians(30.0), np.radians(75.0)
# Below this size of a face its detector sees too few pixels (pixels between the eyes).
_LOST_SIZE, _SURE_SIZE = 6.0, 24.0
# A frame that leaps away from its neighbours so many times further than is usual is a slip.
_USUAL_LEAP, _LOST_LEAP = 6.0, 30.0
_LEAST_LEAP = 0.004  # canonical units: a calm take's usual leap is no ruler
# A detector settles in so many frames after it has found a face.
_SETTLES = 2
_UNSETTLED = 0.7


def fill_performance(performance: Performance, longest: int) -> Performance:
    """Gaps of at most `longest` frames filled, and marked in `filled`; others stay gaps.

    Between two seen frames of one shot pose, controls and residual go on with the motion that they
    come with and into the motion that they end in. A gap at a shot's own end holds its neighbour.
    A shot without any seen frame stays empty. Raises InputError when `longest` is negative.
    """
    if longest < 0:
        raise InputError(f"gaps of {longest} frames cannot be filled; name a length from 0 up")
    p = performance
    curves = to_curves(p)
    arrays = [curves.pose.copy(), curves.controls.copy(), curves.residual.copy()]
    filled = p.filled.copy()
    for shot in shots(len(p), p.cuts):
        for gap in gaps(p.valid[shot.start : shot.stop], ()):
            where = range(gap.start + shot.start, gap.stop + shot.start)
            if len(where) > longest or len(where) == len(shot):
                continue
            for array in arrays:
                _bridge(array, p.valid, shot, where)
            filled[where.start : where.stop] = True
    if bool((filled == p.filled).all()):
        return p
    done = replace(
        curves,
        pose=arrays[0],
        controls=_within_ends(arrays[1], curves, filled & ~p.valid),
        residual=arrays[2],
    )
    whole = with_curves(p, done, valid=p.valid | filled, filled=filled)
    trust = frame_confidence(whole)
    # What capture doubted stays doubted.
    return replace(whole, confidence=np.where(filled, trust, np.minimum(trust, p.confidence)))


def frame_confidence(performance: Performance) -> NDArray[np.float32]:
    """How far each frame can be trusted, (F,), 0 to 1; 0 where it is not valid.

    It falls where the head turns away from the camera, where the face is only a few pixels large
    or leaves the picture, where a frame leaps away from both its neighbours, in the first frames
    after a gap or a cut, and within a filled gap towards its middle.
    """
    p = performance
    seen = p.valid & ~p.filled
    trust = np.zeros(len(p))
    turn = np.arccos(np.clip(_facing(p.rotation[seen]), -1, 1))
    trust[seen] = _falls(turn, _SURE_TURN, _LOST_TURN)
    trust[seen] *= 1 - _falls(p.scale[seen], _LOST_SIZE, _SURE_SIZE)
    trust[seen] *= _inside(p)[seen]
    for shot in shots(len(p), p.cuts):
        where = slice(shot.start, shot.stop)
        trust[where] *= _steady(p, shot) * _settled(seen[where])
        _spread_over_fills(trust[where], p.filled[where])
    return trust.astype(np.float32)


def _bridge(array: Array, valid: NDArray[np.bool_], shot: range, gap: range) -> None:
    """Fill `gap` in an array (F, ...) in place, from what is seen on its sides in its shot."""
    a, b = gap.start - 1, gap.stop
    if a < shot.start or not valid[a]:
        array[gap.start : gap.stop] = array[b]
        return
    if b >= shot.stop or not valid[b]:
        array[gap.start : gap.stop] = array[a]
        return
    length = b - a
    into, out_of = _speed(array, valid, shot, a, -1), _speed(array, valid, shot, b, 1)
    # A curve through both ends that swings further than this leaves what lies between them.
    most = 3 * np.abs(array[b] - array[a]) / length
    into, out_of = (np.clip(speed, -most, most) for speed in (into, out_of))
    t = (np.arange(1, length) / length).reshape(-1, *[1] * (array.ndim - 1))
    array[gap.start : gap.stop] = (
        (2 * t**3 - 3 * t**2 + 1) * array[a]
        + (t**3 - 2 * t**2 + t) * length * into
        + (3 * t**2 - 2 * t**3) * array[b]
        + (t**3 - t**2) * length * out_of
    )


def _speed(
    array: Array, valid: NDArray[np.bool_], shot: range, frame: int, direction: int
) -> Array:
    """The change a frame next to a gap, from the frames on the far side of `frame`."""
    last = frame
    while (
        abs(last - frame) < _LOOK
        and shot.start <= last + direction < shot.stop
        and valid[last + direction]
    ):
        last += direction
    if last == frame:
        return np.zeros_like(array[frame])
    return np.asarray((array[last] - array[frame]) / (last - frame))


def _within_ends(controls: Array, before: Curves, filled: NDArray[np.bool_]) -> Array:
    """Filled frames keep to what the take's controls reach elsewhere."""
    known = before.controls[np.isfinite(before.controls).all(axis=1)]
    controls[filled] = np.clip(controls[filled], known.min(axis=0), known.max(axis=0))
    return controls


def _facing(vectors: NDArray[np.float64]) -> Array:
    """Cosine of the angle between a face's own forward axis and the camera's, (F,)."""
    angle = np.linalg.norm(vectors, axis=1)
    axis = vectors / np.maximum(angle, 1e-12)[:, None]
    return np.asarray(np.cos(angle) + axis[:, 2] ** 2 * (1 - np.cos(angle)))


def _inside(p: Performance) -> Array:
    """The share of the face's width and height that lies in the picture, (F,)."""
    shares = np.ones(len(p))
    half = np.array([1.1, 1.5])  # of a face, in canonical units, about the origin
    away = np.ones(len(p))
    if p.camera == "perspective":
        away = np.maximum(p.focal + p.translation[:, 2], 0.1 * p.focal) / p.focal
    for axis in (0, 1):
        middle = p.size[axis] / 2
        place = middle + (p.translation[:, axis] - middle) / away
        low, high = (place + sign * half[axis] * p.scale / away for sign in (-1, 1))
        within = np.minimum(high, p.size[axis]) - np.maximum(low, 0)
        shares *= np.clip(within / (high - low), 0, 1)
    return shares


def _steady(p: Performance, shot: range) -> Array:
    """1 where a frame lies between its neighbours as usual, 0 where it leaps off, (len(shot),)."""
    where = slice(shot.start, shot.stop)
    place = p.translation[where, :2] / p.scale[where, None]
    shape = np.concatenate([p.rotation[where], place, np.log(p.scale[where, None])], axis=1)
    leap = np.zeros(len(shot))
    if len(shot) > 2:
        # Motion goes on: a leap is large against the step over both sides as well.
        away = np.abs(shape[1:-1] - (shape[:-2] + shape[2:]) / 2).max(axis=1)
        step = np.abs(shape[2:] - shape[:-2]).max(axis=1)
        leap[1:-1] = np.nan_to_num(np.maximum(away - step, 0))
    known = leap[leap > 0]
    usual = max(float(np.median(known)) if len(known) else 0.0, _LEAST_LEAP)
    return _falls(leap / usual, _USUAL_LEAP, _LOST_LEAP)


def _settled(seen: NDArray[np.bool_]) -> Array:
    """A little less than 1 in the first frames after a gap, (F,); a take begins settled."""
    trust = np.ones(len(seen))
    starts = np.flatnonzero(seen[1:] & ~seen[:-1]) + 1
    for start in starts:
        for i in range(_SETTLES):
            if start + i < len(seen):
                trust[start + i] *= _UNSETTLED + (1 - _UNSETTLED) * i / _SETTLES
    return trust


def _spread_over_fills(trust: Array, filled: NDArray[np.bool_]) -> None:
    """Filled frames trust their nearest seen neighbour, less with every frame of distance."""
    seen = np.flatnonzero(trust > 0)
    for frame in np.flatnonzero(filled):
        if len(seen):
            nearest = seen[np.argmin(np.abs(seen - frame))]
            trust[frame] = trust[nearest] * 0.8 / np.sqrt(abs(int(nearest) - int(frame)))


def _falls(value: Array, sure: float, lost: float) -> Array:
    """1 up to `sure`, 0 from `lost` on."""
    return np.asarray(np.clip((lost - value) / (lost - sure), 0, 1))
