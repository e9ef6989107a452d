# SPDX-License-Identifier: GPL-3.0-or-later
"""Retarget: a driver's motion onto the portrait's own geometry.

Relative transfer never copies the driver's face shape: it takes what changed since the driver's
neutral and adds it to the portrait. Absolute transfer is for footage of the same person.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.landmarks import (
    CHIN,
    EYE_CORNERS,
    EYES,
    FOREHEAD,
    LIP_CORNERS,
    LIP_MIDDLES,
    NOSE_TIP,
    interocular,
)
from inference.performance.face.measures import lip_gap
from inference.performance.face.pose import Pose, fit_pose
from inference.performance.face.regions import region_weights
from inference.performance.retargeting.contact import (
    LIPS_CLOSED,
    Openings,
    keep_lids,
    keep_lips,
    openings,
)
from inference.performance.retargeting.folds import skin, unfold
from inference.performance.retargeting.gains import AS_ACTED, Gains
from inference.performance.retargeting.motion import Motion, track_motion
from inference.performance.retargeting.reach import (
    EXPRESSION,
    TRAVEL,
    eased,
    head_axis,
    turn_within,
    within,
)
from inference.performance.retargeting.resting import resting_face
from inference.track import LandmarkTrack

Points = NDArray[np.float32]
Face = NDArray[np.float64]
Retarget = Callable[[int], Points]  # zero-based frame -> landmarks (478, 3) on the portrait

# Where a target point may lie at most: from the portrait's face, in distances between its eyes.
_FARTHEST = 200.0
# How far from its eye's middle an iris can be, in units of the eye's width, and how far up and
# down from where the portrait looks.
_GAZE_REACH, _LOOK_REACH = 0.5, 0.16


def retarget_relative(
    portrait: Points,
    track: LandmarkTrack,
    neutral_frame: int | None = None,
    gains: Gains = AS_ACTED,
    neutralize: bool = False,
) -> Retarget:
    """Motion since the driver's neutral, added to the portrait's landmarks (478, 3).

    track: without gaps. Each frame depends on the neutral and itself alone, so that frames can
    be made in any order. neutralize: take the portrait's own expression away first.
    """
    return retarget_motion(portrait, track_motion(track, neutral_frame), gains, neutralize)


def retarget_motion(
    portrait: Points, motion: Motion, gains: Gains = AS_ACTED, neutralize: bool = False
) -> Retarget:
    """As `retarget_relative`, for motion from wherever."""
    face = (resting_face(portrait) if neutralize else portrait).astype(np.float64)
    onto = fit_pose(motion.neutral, face.astype(np.float32))
    neutral = onto.apply(motion.neutral)
    unit = interocular(face.astype(np.float32))
    mouth = _mouth_ratio(neutral, face)
    strength = _strength(neutral, face, gains, mouth)
    rest = openings(face, neutral, mouth)
    down = face[CHIN] - face[FOREHEAD]
    down /= np.linalg.norm(down)
    # Lips that are apart already let the jaw go less far.
    held = _jaw_weights(face) * (1 - rest.mouth / mouth)
    axis = head_axis(face)
    surface = skin(face)
    middle = motion.neutral.mean(axis=0).astype(np.float64)
    face_middle = onto.apply(middle)

    def at(frame: int) -> Points:
        pose, shape = motion.at(frame)
        driver = onto.apply(shape)
        change = driver - neutral
        if lip_gap(driver) - LIPS_CLOSED * unit > rest.lips_neutral:
            change = change - (held * (change @ down)[:, None]) * down
        change = strength * change
        largest = float(np.sqrt((change * change).sum(axis=1).max()))
        if largest > EXPRESSION * unit / 2:
            change *= eased(largest, EXPRESSION * unit) / largest
        moved = keep_lips(face + change, driver, rest, gains.mouth)
        moved, open_shares = keep_lids(moved, driver, rest, gains.eyes)
        _set_irises(moved, driver, rest, gains.gaze, open_shares)
        turn = turn_within(pose.rotation, axis, gains.pose)
        moved = unfold(surface, moved, turn)
        travel = onto.scale * gains.pose * (pose.apply(middle) - middle)
        scale = pose.scale**gains.pose
        place = face_middle + within(travel, TRAVEL * unit) - scale * turn @ face_middle
        return _drawable(Pose(scale, turn, place).apply(moved), face_middle, unit, frame)

    return at


def retarget_absolute(portrait: Points, track: LandmarkTrack) -> Retarget:
    """The driver's landmarks themselves, laid over the portrait by its most alike frame.

    For footage of the same person. track: without gaps.
    """
    errors = [
        float(np.linalg.norm(_flat_pose(points, portrait)(points) - portrait, axis=1).mean())
        for points in track.points
    ]
    place = _flat_pose(track.points[int(np.argmin(errors))], portrait)
    middle, unit = portrait.mean(axis=0), interocular(portrait)
    return lambda frame: _drawable(place(track.points[frame]), middle, unit, frame)


def _drawable(points: Face, middle: NDArray[np.floating], unit: float, frame: int) -> Points:
    """The points as they go on. Raises InputError for what no pixel counts any more."""
    if not np.abs(points - middle).max() < _FARTHEST * unit:
        raise InputError(
            f"frame {frame} of the motion leads the portrait's face out of all "
            "bounds; leave it out, or fix the take"
        )
    return points.astype(np.float32)


def _flat_pose(source: Points, target: Points) -> Callable[[Points], Face]:
    """A similarity in the picture's plane, (478, 3) onto (478, 3); the head is not turned."""
    a, b = source[:, :2].astype(np.float64), target[:, :2].astype(np.float64)
    a0, b0 = a - a.mean(axis=0), b - b.mean(axis=0)
    # As complex numbers, least squares is one division.
    za, zb = a0 @ np.array([1, 1j]), b0 @ np.array([1, 1j])
    turn = complex(np.vdot(za, zb) / np.vdot(za, za))

    def place(points: Points) -> Face:
        z = (points[:, :2] - a.mean(axis=0)) @ np.array([1, 1j]) * turn
        xy = np.column_stack([z.real, z.imag]) + b.mean(axis=0)
        return np.column_stack([xy, points[:, 2] * abs(turn)])

    return place


def _mouth_ratio(driver: Face, portrait: Face) -> float:
    """How much larger the portrait's own mouth is than that of the driver laid over it."""
    # A smile widens the portrait's mouth, not its reach: the ratio counts by half.
    ratio = np.sqrt(_length(portrait, *LIP_CORNERS) / _length(driver, *LIP_CORNERS))
    return float(np.clip(ratio, 0.7, 1.4))


def _strength(driver: Face, portrait: Face, gains: Gains, mouth: float) -> Face:
    """(478, 1): what a point's change is multiplied with, by the gains and by the proportions.

    It passes softly from region to region, so that the skin between them does not fold.
    """
    wanted = {"mouth": gains.mouth * mouth, "brows": gains.brows}
    for name, (outer, inner) in zip(("right_eye", "left_eye"), EYE_CORNERS, strict=True):
        ratio = _length(portrait, outer, inner) / _length(driver, outer, inner)
        wanted[name] = gains.eyes * float(np.clip(ratio, 0.6, 1.6))
    strength = np.ones((len(portrait), 1))
    for name, value in wanted.items():
        strength += region_weights()[name] * (value - 1)
    return strength


def _jaw_weights(face: Face) -> Face:
    """(478, 1): 1 at the mouth and below, fading to 0 half-way up the nose."""
    down = face[CHIN] - face[FOREHEAD]
    height = (face - face[FOREHEAD]) @ down / (down @ down)
    nose, mouth = height[NOSE_TIP], height[LIP_MIDDLES[0]]
    return np.asarray(np.clip((height - nose) / max(mouth - nose, 1e-3), 0, 1)[:, None])


def _set_irises(
    moved: Face, driver: Face, rest: Openings, gain: float, open_shares: list[float]
) -> None:
    """Put the irises of `moved` where the driver looks, in place.

    An iris moves as a whole: its detected rim shrinks when a lid covers it.
    """
    for (_, _, iris), (a, b), share in zip(EYES, _SCREEN_CORNERS, open_shares, strict=True):
        rim = list(iris)
        across = rest.portrait[b] - rest.portrait[a]
        width = float(np.linalg.norm(across))
        across = across / width
        ratio = width / _length(rest.neutral, a, b)
        gaze = gain * ratio * (_in_eye(driver, rim, a, b) - _in_eye(rest.neutral, rim, a, b))
        own = _in_eye(rest.portrait, rim, a, b)
        aside = float(gaze @ across)
        # Under closing lids the detected iris only follows the lids.
        gaze = within((gaze - aside * across) * min(1.0, share), _LOOK_REACH * width)
        start = float(own @ across)
        reach = _GAZE_REACH * width
        total = start + aside
        if abs(total) > max(abs(start), reach / 2):
            aside = float(np.copysign(max(abs(start), eased(abs(total), reach)), total)) - start
        middle = (moved[a] + moved[b]) / 2 + own + gaze + aside * across
        moved[rim] = rest.portrait[rim] + (middle - rest.portrait[rim].mean(axis=0))


# The corners of each of EYES, from the picture's left to its right.
_SCREEN_CORNERS = tuple((upper[0], upper[-1]) for upper, _, _ in EYES)


def _in_eye(face: Face, iris: list[int], a: int, b: int) -> Face:
    """Where the iris is, from the middle of its eye's corners: (3,)."""
    return np.asarray(face[iris].mean(axis=0) - (face[a] + face[b]) / 2)


def _length(points: NDArray[np.floating], a: int, b: int) -> float:
    return max(float(np.linalg.norm(points[a] - points[b])), 1e-6)
