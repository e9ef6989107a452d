# SPDX-License-Identifier: GPL-3.0-or-later
"""Retarget: a driver's motion onto the portrait's own geometry.

Relative transfer never copies the driver's face shape: it takes what changed since the driver's
neutral and adds it to the portrait. Absolute transfer is for footage of the same person.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    EYE_CORNERS,
    EYES,
    LEFT_IRIS,
    LIPS_LOWER,
    LIPS_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    RIGHT_IRIS,
    interocular,
)
from inference.performance.neutral import find_neutral
from inference.performance.pose import Pose, fit_pose
from inference.track import LandmarkTrack

Points = NDArray[np.float32]
Retarget = Callable[[int], Points]  # zero-based frame -> landmarks (478, 3) on the portrait

# A detector never brings lids and lips quite together: gaps below these shares are contact.
_LIDS_CLOSED = 0.22  # of the neutral's own gap
_LIPS_CLOSED = 0.015  # of the mouth's width
# How far a portrait's lids may open beyond their own gap before the skin above looks pulled.
_WIDEST_LIDS = 1.35
# How far the head may turn (degrees) and travel (eye distances) from the portrait's own pose.
_TURN_REACH = 40.0
_TRAVEL_REACH = 1.6
_MOUTH_POINTS = tuple(sorted({*MOUTH_UPPER, *MOUTH_LOWER, *LIPS_UPPER, *LIPS_LOWER}))


def retarget_relative(
    portrait: Points, track: LandmarkTrack, neutral_frame: int | None = None
) -> Retarget:
    """Motion since the driver's neutral, added to the portrait's landmarks (478, 3).

    track: without gaps. Each frame depends on the neutral and itself alone, so that frames can
    be made in any order.
    """
    neutral = find_neutral(track, neutral_frame)
    onto = fit_pose(neutral, portrait)
    scales = _region_scales(onto.apply(neutral).astype(np.float32), portrait)
    jaw = _jaw_weights(portrait)
    middle = neutral.mean(axis=0).astype(np.float64)
    portrait_middle = onto.apply(middle)
    reach = _TRAVEL_REACH * interocular(portrait[:, :2])

    def at(frame: int) -> Points:
        driver = track.points[frame]
        motion = fit_pose(neutral, driver)
        change = motion.inverse().apply(driver) - neutral
        yields = 1 - jaw * (1 - _opening_share(portrait, neutral, neutral + change, onto.scale))
        moved = portrait + scales * yields * (onto.scale * change @ onto.rotation.T)
        moved = _keep_contact(moved, portrait, neutral, neutral + change)
        travel = _within_reach(onto.scale * (motion.apply(middle) - middle), reach)
        turn = _turn_within_reach(motion.rotation)
        head = Pose(
            motion.scale,
            turn,
            portrait_middle + travel - motion.scale * turn @ portrait_middle,
        )
        return head.apply(moved).astype(np.float32)

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
    return lambda frame: place(track.points[frame]).astype(np.float32)


def _turn_within_reach(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """A head rotation (3, 3) whose angle is eased off towards what a single picture can show."""
    vector = cv2.Rodrigues(rotation)[0].ravel()
    return cv2.Rodrigues(_within_reach(vector, np.radians(_TURN_REACH)))[0]


def _within_reach(vector: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Unchanged up to half the reach, then slower and slower, never beyond the reach."""
    length = float(np.linalg.norm(vector))
    half = reach / 2
    if length <= half:
        return vector
    return vector * ((half + half * np.tanh((length - half) / half)) / length)


def _flat_pose(source: Points, target: Points) -> Callable[[Points], NDArray[np.float64]]:
    """A similarity in the picture's plane, (478, 3) onto (478, 3); the head is not turned."""
    a, b = source[:, :2].astype(np.float64), target[:, :2].astype(np.float64)
    a0, b0 = a - a.mean(axis=0), b - b.mean(axis=0)
    # As complex numbers, least squares is one division.
    za, zb = a0 @ np.array([1, 1j]), b0 @ np.array([1, 1j])
    turn = complex(np.vdot(za, zb) / np.vdot(za, za))

    def place(points: Points) -> NDArray[np.float64]:
        z = (points[:, :2] - a.mean(axis=0)) @ np.array([1, 1j]) * turn
        xy = np.column_stack([z.real, z.imag]) + b.mean(axis=0)
        return np.column_stack([xy, points[:, 2] * abs(turn)])

    return place


def _region_scales(driver: Points, portrait: Points) -> NDArray[np.float64]:
    """How much larger the portrait's own eyes and mouth are than the driver's laid over it.

    (478, 1): 1 elsewhere, with the eyes' ratio at lids and irises, the mouth's at the lips.
    """
    scales = np.ones((len(portrait), 1))
    for (upper, lower, iris), (outer, inner) in zip(EYES, EYE_CORNERS, strict=True):
        ratio = _length(portrait, outer, inner) / _length(driver, outer, inner)
        scales[list({*upper, *lower, *iris})] = np.clip(ratio, 0.6, 1.6)
    # A smile widens the portrait's mouth, not its reach: the ratio counts by half.
    ratio = np.sqrt(_length(portrait, 61, 291) / _length(driver, 61, 291))
    scales[list(_MOUTH_POINTS)] = np.clip(ratio, 0.7, 1.4)
    return scales


def _opening_share(portrait: Points, neutral: Points, driver: Points, scale: float) -> float:
    """How much of the driver's jaw motion a portrait takes whose lips are already apart.

    Openings add as the root of their squares: a smile with teeth keeps them while the driver
    speaks softly, and a wide-open driver opens it as wide as himself, not wider.
    """
    own = _length(portrait, 13, 14)
    more = scale * (_length(driver, 13, 14) - _length(neutral, 13, 14))
    if more <= 0:
        return 1.0
    return float(np.clip((np.hypot(own, more) - own) / more, 0.25, 1))


def _jaw_weights(portrait: Points) -> NDArray[np.float64]:
    """(478, 1): 1 at the mouth and below, fading to 0 half-way up the nose."""
    down = (portrait[152] - portrait[10]).astype(np.float64)
    height = (portrait - portrait[10]) @ down / (down @ down)
    nose, mouth = height[4], height[13]
    weights = np.clip((height - nose) / max(mouth - nose, 1e-3), 0, 1)
    weights[[*RIGHT_IRIS, *LEFT_IRIS]] = 0
    return weights[:, None]


def _keep_contact(
    moved: NDArray[np.float64], portrait: Points, neutral: Points, driver: Points
) -> NDArray[np.float64]:
    """Lids and lips that meet on the driver meet on the portrait; those that do not, do not."""
    moved = moved.copy()
    for upper, lower, iris in EYES:
        _set_lids(moved, portrait, neutral, driver, upper[1:-1], lower[1:-1])
        # An iris moves as a whole: its detected rim shrinks when a lid covers it.
        rim = list(iris)
        moved[rim] = portrait[rim] + (moved[rim] - portrait[rim]).mean(axis=0)
    _set_lips(moved, portrait, neutral, driver)
    return moved


def _set_lids(
    moved: NDArray[np.float64],
    portrait: Points,
    neutral: Points,
    driver: Points,
    upper: tuple[int, ...],
    lower: tuple[int, ...],
) -> None:
    """Give the lids the driver's share of their neutral gap, each column its own."""
    up, low = list(upper), list(lower)
    # Noise on one column would wrinkle the lid: the eye's mean share leads.
    now = np.linalg.norm(driver[up] - driver[low], axis=1).mean()
    usual = np.linalg.norm(neutral[up] - neutral[low], axis=1).mean()
    share = float(np.clip((now / usual - _LIDS_CLOSED) / (1 - _LIDS_CLOSED), 0, _WIDEST_LIDS))
    gap = (portrait[up] - portrait[low]) * share
    # The upper lid does most of the way: the pair's own middle sinks as it closes.
    middle = (moved[up] + moved[low]) / 2
    sink = (portrait[low] - portrait[up]) * max(0.0, 1 - share) * 0.25
    rest = (portrait[up] + portrait[low]) / 2 + sink
    # Where the driver's lids went as a pair (a squint raises both) is kept at half strength.
    middle = 0.5 * middle + 0.5 * rest
    moved[up], moved[low] = middle + gap / 2, middle - gap / 2


def _set_lips(
    moved: NDArray[np.float64], portrait: Points, neutral: Points, driver: Points
) -> None:
    """No lip passes through the other; lips that part at rest and come together now, touch.

    A driver whose lips are closed at rest says nothing about closing a portrait's smile: there
    the portrait's own gap stays.
    """
    up, low = list(MOUTH_UPPER[1:-1]), list(MOUTH_LOWER[1:-1])
    width = _length(driver, 78, 308)
    down = portrait[152] - portrait[10]
    down = down / np.linalg.norm(down)
    gap = (moved[low] - moved[up]) @ down
    now = np.linalg.norm(driver[low] - driver[up], axis=1).mean() / width
    before = np.linalg.norm(neutral[low] - neutral[up], axis=1).mean() / width
    # 0 when the lips are closed at rest, 1 when they clearly part.
    parted = np.clip((before - _LIPS_CLOSED) / (2 * _LIPS_CLOSED), 0, 1)
    left = np.clip((now - _LIPS_CLOSED) / max(before - _LIPS_CLOSED, 1e-6), 0, 1)
    own = np.maximum((portrait[low] - portrait[up]) @ down, 0)
    wanted = np.maximum(gap, 0)
    wanted = np.minimum(wanted, (1 - parted) * wanted + parted * own * left) if left < 1 else wanted
    correction = ((wanted - gap) / 2)[:, None] * down
    moved[low] += correction
    moved[up] -= correction


def _length(points: NDArray[np.floating], a: int, b: int) -> float:
    return max(float(np.linalg.norm(points[a] - points[b])), 1e-6)
