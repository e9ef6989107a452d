# SPDX-License-Identifier: GPL-3.0-or-later
"""What each control is to do to a few points; what the rest of the face does then is learnt.

Only the person's right half and the symmetric controls are given; the left half mirrors them.
Image axes: x right in the picture, so the person's right is -x; y down.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference.landmarks import (
    CHIN,
    LEFT_BROW,
    LEFT_BROW_LOWER,
    LIP_CORNERS,
    RIGHT_BROW,
    RIGHT_BROW_LOWER,
)
from inference.performance.face.regions import LID_COLUMNS, LIP_COLUMNS

_X, _Y = 0, 1


@dataclass(frozen=True)
class Measure:
    """The mean displacement of `points` along an axis, less that of `against`."""

    points: tuple[int, ...]
    axis: int
    against: tuple[int, ...] = ()


@dataclass(frozen=True)
class Aim:
    """A control: what it does to measures, in any one unit, and the window it keeps to.

    A control of one side is that side of a motion of both: people seldom move one alone.
    """

    control: str
    window: str
    targets: tuple[tuple[Measure, float], ...]
    symmetric: bool = True  # the motion, before the window


def _x(*points: int) -> Measure:
    return Measure(points, _X)


def _y(*points: int) -> Measure:
    return Measure(points, _Y)


_UPPER, _LOWER = (0, 37, 267), (17, 84, 314)  # the lips' outer edges at their middle
_RIGHT_CORNER, _LEFT_CORNER = LIP_CORNERS
_GAP = Measure(LIP_COLUMNS[1], _Y, LIP_COLUMNS[0])
_WIDTH = Measure((_LEFT_CORNER,), _X, (_RIGHT_CORNER,))
_RIGHT_LIDS = Measure(LID_COLUMNS[0][1], _Y, LID_COLUMNS[0][0])
_LEFT_LIDS = Measure(LID_COLUMNS[1][1], _Y, LID_COLUMNS[1][0])
_RIGHT_BROWS = _y(*RIGHT_BROW, *RIGHT_BROW_LOWER)
_LEFT_BROWS = _y(*LEFT_BROW, *LEFT_BROW_LOWER)
_RIGHT_CHEEK, _LEFT_CHEEK = (50, 101, 36, 118), (280, 330, 266, 347)
_STILL_CORNERS = (
    (_y(_RIGHT_CORNER), 0.0), (_y(_LEFT_CORNER), 0.0),
    (_x(_RIGHT_CORNER), 0.0), (_x(_LEFT_CORNER), 0.0),
)  # fmt: skip
_STILL_LIPS = ((_y(*_UPPER), 0.0), (_y(*_LOWER), 0.0), (_GAP, 0.0))


def _whole_mouth(axis: int, way: float) -> tuple[tuple[Measure, float], ...]:
    parts = (_UPPER, _LOWER, (_RIGHT_CORNER,), (_LEFT_CORNER,))
    return tuple((Measure(points, axis), way) for points in parts)


AIMS = (
    Aim("jaw_open", "jaw", ((_GAP, 1), (_y(*_UPPER), 0), (_x(*_LOWER), 0))),
    Aim("lips_together", "lips", (
        (Measure((13, 82, 312), _Y, _UPPER), -1), (Measure(_LOWER, _Y, (14, 87, 317)), -1),
        (_GAP, 0), *_STILL_CORNERS,
    )),
    Aim("mouth_wide", "mouth",
        ((_WIDTH, 1), *_whole_mouth(_Y, 0), (_GAP, 0))),
    Aim("mouth_narrow", "mouth",
        ((_WIDTH, -1), *_whole_mouth(_Y, 0), (_GAP, 0))),
    Aim("mouth_up", "mouth", (*_whole_mouth(_Y, -1), (_GAP, 0), (_WIDTH, 0))),
    Aim("mouth_down", "mouth", (*_whole_mouth(_Y, 1), (_GAP, 0), (_WIDTH, 0))),
    Aim("mouth_right", "mouth",
        (*_whole_mouth(_X, -1), *_whole_mouth(_Y, 0), (_GAP, 0)), symmetric=False),
    Aim("upper_lip_raise", "mouth", (
        (_y(*_UPPER), -1), (_y(13, 82, 312), -1), (_y(*_LOWER), 0), *_STILL_CORNERS,
    )),
    Aim("lower_lip_drop", "mouth", (
        (_y(*_LOWER), 1), (_y(14, 87, 317), 1), (_y(*_UPPER), 0), (_y(CHIN, 148, 377), 0),
        *_STILL_CORNERS,
    )),
    Aim("smile_right", "right_mouth", (
        (_x(_RIGHT_CORNER), -0.6), (_y(_RIGHT_CORNER), -0.8),
        (_x(_LEFT_CORNER), 0.6), (_y(_LEFT_CORNER), -0.8), (_GAP, 0),
    )),
    Aim("frown_right", "right_mouth", (
        (_y(_RIGHT_CORNER), 1), (_y(_LEFT_CORNER), 1), (_WIDTH, 0), *_STILL_LIPS,
    )),
    Aim("brow_up_right", "right_brow", ((_RIGHT_BROWS, -1), (_LEFT_BROWS, -1))),
    Aim("brow_down_right", "right_brow", ((_RIGHT_BROWS, 1), (_LEFT_BROWS, 1))),
    Aim("brows_together", "brows", (
        (Measure((107, 55), _X, (336, 285)), 1), (_RIGHT_BROWS, 0), (_LEFT_BROWS, 0),
    )),
    Aim("blink_right", "right_eye", ((_RIGHT_LIDS, -1),), symmetric=False),
    Aim("eyes_wide", "eyes", ((_RIGHT_LIDS, 1), (_LEFT_LIDS, 1))),
    Aim("cheek_raise", "cheeks", (
        (_y(*_RIGHT_CHEEK), -1), (_y(*_LEFT_CHEEK), -1), (_y(*_UPPER), 0),
        (_RIGHT_LIDS, 0), (_LEFT_LIDS, 0),
    )),
)  # fmt: skip
