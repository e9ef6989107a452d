# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact: lids and lips that meet on the driver meet on the portrait; those that do not, do not.

A detector never brings lids or lips quite together, and no two people open theirs alike far.
So the gap is not carried over point by point: the driver's opening, from contact upwards, becomes
the portrait's own opening, and the skin around follows what this changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYES, interocular
from inference.performance.face.measures import lid_gap, lip_gap
from inference.performance.face.regions import LID_COLUMNS, LIP_COLUMNS, lid_spread, lip_spread
from inference.performance.retargeting.reach import eased

Points = NDArray[np.floating]
Face = NDArray[np.float64]

# Gaps below these count as contact on the driver: of the lids' gap at rest, and of the distance
# between the eyes.
LIDS_CLOSED = 0.22
LIPS_CLOSED = 0.012
# A portrait's own lips are closed below the first and apart above the second (same unit).
_OWN_CLOSED, _OWN_PARTED = 0.015, 0.045
# A portrait's parted lips close at most so many times as far as the driver's do.
_CLOSING = 2.0
# The widest a mouth opens, in eye distances, and an eye, in its own widths.
_WIDEST_MOUTH = 0.95
_WIDEST_LIDS = 0.42


@dataclass(frozen=True)
class Openings:
    """The openings of a driver and a portrait at rest, all but `lids` in the portrait's pixels.

    portrait, neutral: (478, 3), the neutral laid over the portrait. unit: the portrait's eye
    distance. lips, lips_neutral: mean gap between the inner lips, above contact. mouth: how much
    of the driver's further opening fits. lids: for each eye the driver's gap at rest.
    """

    portrait: Face
    neutral: Face
    unit: float
    lips: float
    lips_neutral: float
    mouth: float
    lids: tuple[float, float]


def openings(portrait: Points, neutral: Points, size: float) -> Openings:
    """Measure both at rest. neutral: laid over the portrait. size: its mouth over the driver's."""
    face = np.asarray(portrait, np.float64)
    unit = interocular(portrait.astype(np.float32))
    own = lip_gap(face)
    # Closed lips are detected with a small gap of their own: it is no opening.
    own *= float(_smoothstep((own / unit - _OWN_CLOSED) / (_OWN_PARTED - _OWN_CLOSED)))
    room = 1 - own / (_WIDEST_MOUTH * unit)
    return Openings(
        face,
        np.asarray(neutral, np.float64),
        unit,
        own,
        _above_contact(neutral, unit),
        size * float(np.clip(room, 0.25, 1)),
        (lid_gap(neutral, 0), lid_gap(neutral, 1)),
    )


def keep_lips(moved: Face, driver: Face, rest: Openings, gain: float) -> Face:
    """Give the lips of `moved` (478, 3) the opening that the driver's have.

    driver: (478, 3), their shape now, laid over the portrait.
    """
    upper, lower = map(list, LIP_COLUMNS)
    now = _above_contact(driver, rest.unit)
    # As far open as at rest, the portrait's lips are as they are; from there they open with the
    # driver's, and close with them.
    less = gain * max(0.0, rest.lips_neutral - now)
    if rest.lips_neutral > 0:
        less *= min(_CLOSING, rest.lips / rest.lips_neutral)
    more = gain * rest.mouth * max(0.0, now - rest.lips_neutral)
    most = max(_WIDEST_MOUTH * rest.unit - rest.lips, 0.1 * rest.unit)
    own = rest.portrait[lower] - rest.portrait[upper]
    gap = own * (max(0.0, rest.lips - less) / max(float(_lengths(own).mean()), 1e-6))
    if more > 0:
        shape = driver[lower] - driver[upper]
        gap = gap + shape * (eased(more, most) / float(_lengths(shape).mean()))
    correction = (gap - (moved[lower] - moved[upper])) / 2
    return np.asarray(moved + lip_spread() @ np.concatenate([-correction, correction]))


def keep_lids(moved: Face, driver: Face, rest: Openings, gain: float) -> tuple[Face, list[float]]:
    """Give the lids of `moved` the driver's share of their gap at rest, each eye its own.

    Also returns how far each eye is open, from 0 to 1 and a little more.
    """
    shares = []
    for eye, (upper, lower) in enumerate(LID_COLUMNS):
        up, low = list(upper), list(lower)
        # Noise on one column would wrinkle the lid: the eye's mean share leads.
        now = lid_gap(driver, eye) / max(rest.lids[eye], 1e-6)
        share = 1 + gain * (max(0.0, (now - LIDS_CLOSED) / (1 - LIDS_CLOSED)) - 1)
        own = rest.portrait[up] - rest.portrait[low]
        if share > 1:
            widest = _WIDEST_LIDS * _width(rest.portrait, eye) / float(_lengths(own).mean())
            share = 1 + eased(share - 1, max(0.3, widest - 1))
        share = max(0.0, share)
        # The upper lid goes most of the way: the pair's own middle sinks as it closes.
        sink = -own * (max(0.0, 1 - share) * 0.25)
        middle = (rest.portrait[up] + rest.portrait[low]) / 2 + sink
        # Where the driver's lids went as a pair (a squint raises both) is kept at half strength.
        middle = (middle + (moved[up] + moved[low]) / 2) / 2
        correction = np.concatenate(
            [middle + own * (share / 2) - moved[up], middle - own * (share / 2) - moved[low]]
        )
        moved = moved + lid_spread(eye) @ correction
        shares.append(share)
    return moved, shares


def _above_contact(face: Points, unit: float) -> float:
    """The opening of the lips: 0 as long as they touch, and without a step from there."""
    return max(0.0, lip_gap(face) - LIPS_CLOSED * unit)


def _width(face: Points, eye: int) -> float:
    upper = EYES[eye][0]
    return float(np.linalg.norm(face[upper[0]] - face[upper[-1]]))


def _lengths(vectors: Points) -> NDArray[np.float64]:
    return np.sqrt((vectors * vectors).sum(axis=1))


def _smoothstep(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)
