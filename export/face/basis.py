# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear basis of the controls, learnt from what real people's faces do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.face.aims import AIMS, Aim, Measure
from export.face.mean import Changes, mirrored
from export.face.windows import windows
from inference.landmarks import EYE_CORNERS, LEFT_IRIS, POINT_COUNT, RIGHT_IRIS
from inference.performance.face.controls import CONTROL_NAMES, CONTROLS
from inference.performance.face.regions import LID_COLUMNS, lid_spread

Array = NDArray[np.float64]

_RIDGE = 1e-3
BLINK = "blink_right"
_IRISES = [*RIGHT_IRIS, *LEFT_IRIS]
# A person's strong end is this quantile of their frames; 1 is this quantile of the people's.
STRONG_FRAMES, STRONG_PEOPLE = 0.98, 0.95


def control_basis(changes: Changes, mean: Array) -> NDArray[np.float32]:
    """(C, 478, 3): what each control at 1 adds to the mean face, canonical units.

    Mirrored pairs are exact mirrors of each other and symmetric controls of themselves.
    """
    both = Changes(
        np.concatenate([changes.change, mirrored(changes.change).astype(np.float32)]),
        np.tile(changes.weight, 2),
        np.tile(changes.person, 2),
    )
    allowed = windows(mean)
    basis = np.zeros((len(CONTROL_NAMES), POINT_COUNT, 3))
    jaw: Array | None = None
    for aim in AIMS:
        direction = _direction(both, aim)
        if aim.symmetric:
            direction = (direction + mirrored(direction)) / 2
        direction *= _strong_end(both, aim, jaw) / _aimed(direction[None], aim)[0]
        sized = direction * allowed[aim.window]
        if aim.control == BLINK:
            sized = _meeting(sized, mean)
        basis[CONTROL_NAMES.index(aim.control)] = sized
        jaw = sized if jaw is None else jaw  # the first aim is the jaw's
    for name, axis, sign in (("gaze_x", 0, 1.0), ("gaze_y", 1, -1.0)):
        moved = basis[CONTROL_NAMES.index(name)]
        moved[_IRISES, axis] = sign * strong_end(np.abs(_looks(changes, axis)), changes.person)
    _mirror_pairs(basis)
    return basis.astype(np.float32)


def strong_end(values: Array, person: NDArray[np.intp]) -> float:
    """What 1 stands for: the strong end (N,) of people who go far."""
    people = [np.quantile(values[person == one], STRONG_FRAMES) for one in np.unique(person)]
    return float(np.quantile(people, STRONG_PEOPLE))


def _strong_end(changes: Changes, aim: Aim, jaw: Array | None) -> float:
    """How far real people go towards the aim, in its unit, without what the jaw does."""
    reached = _aimed(changes.change, aim)
    if jaw is not None:
        opened = np.maximum(_aimed(changes.change, AIMS[0]), 0) / _aimed(jaw[None], AIMS[0])[0]
        reached -= opened * _aimed(jaw[None], aim)[0]
    return strong_end(np.maximum(reached, 0), changes.person)


def _aimed(change: NDArray[np.floating], aim: Aim) -> Array:
    """How far displacements (N, 478, 3) go towards an aim, in its unit, (N,)."""
    wanted = [(measure, target) for measure, target in aim.targets if target]
    total = sum(target * _measured(change, measure) for measure, target in wanted)
    return np.asarray(total / sum(target * target for _, target in wanted))


def _direction(changes: Changes, aim: Aim) -> Array:
    """The face's usual displacement (478, 3) when the measures are as the aim says."""
    seen = np.stack([_measured(changes.change, measure) for measure, _ in aim.targets], axis=1)
    target = np.array([value for _, value in aim.targets], np.float64)
    # Up is not the opposite of down on a face: what goes the other way does not count.
    weight = changes.weight * (seen @ target > 0)
    normal = (seen * weight[:, None]).T @ seen
    normal += _RIDGE * np.trace(normal) / len(normal) * np.eye(len(normal))
    share = np.linalg.solve(normal, target)
    weights = (weight * (seen @ share)).astype(np.float32)
    return np.tensordot(weights, changes.change, axes=1).astype(np.float64)


def _measured(change: NDArray[np.float32], measure: Measure) -> Array:
    value = change[:, list(measure.points), measure.axis].mean(axis=1, dtype=np.float64)
    if measure.against:
        value = value - change[:, list(measure.against), measure.axis].mean(axis=1)
    return np.asarray(value)


def _looks(changes: Changes, axis: int) -> Array:
    """How far both irises move in their eyes along an axis, (N,)."""
    values = [
        _measured(changes.change, Measure(iris, axis, corners))
        for iris, corners in zip((RIGHT_IRIS, LEFT_IRIS), EYE_CORNERS, strict=True)
    ]
    return np.asarray(sum(values) / 2)


def _meeting(blink: Array, mean: Array) -> Array:
    """A blink of the right eye that brings the mean face's lids together, no less and no more.

    People with larger eyes go further, and columns differ; lids that cross would show.
    """
    upper, lower = map(list, LID_COLUMNS[0])
    gap = mean[lower, 1] - mean[upper, 1]
    closed = blink[upper, 1] - blink[lower, 1]
    blink = blink * (gap.sum() / closed.sum())
    left = gap - (blink[upper, 1] - blink[lower, 1])
    left = left[:, None] * np.array([0.0, 1.0, 0.0])
    return blink + lid_spread(0) @ np.concatenate([left / 2, -left / 2])


def _mirror_pairs(basis: Array) -> None:
    """Make each left control of the right one, and the symmetric ones symmetric, in place."""
    for c, control in enumerate(CONTROLS):
        image = control.mirror_sign * mirrored(basis[CONTROL_NAMES.index(control.mirror)])
        basis[c] = image if control.name.endswith("_left") else basis[c]
        if control.mirror == control.name:
            basis[c] = (basis[c] + image) / 2
