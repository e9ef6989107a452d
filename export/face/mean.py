# SPDX-License-Identifier: GPL-3.0-or-later
"""The mean of many people's faces at rest, by generalised Procrustes analysis, and their motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import CHIN, FOREHEAD, RIGID, interocular, mirror_order
from inference.performance.face.pose import fit_pose, fit_poses
from inference.track import LandmarkTrack

Array = NDArray[np.float64]

FLIP = np.array([-1.0, 1.0, 1.0])
_ROUNDS = 20
_SETTLED = 1e-7
# Beyond this turn of the head, in degrees, the detector guesses half of the face.
_FRONTAL = 25.0
_RIGHT_EAR, _LEFT_EAR = 234, 454


@dataclass(frozen=True)
class Changes:
    """What faces do, away from their rest.

    change: (N, 478, 3) float32, canonical units. weight: (N,), every person's add up to the same.
    person: (N,), a number for each person.
    """

    change: NDArray[np.float32]
    weight: Array
    person: NDArray[np.intp]


def mirrored(points: NDArray[np.floating]) -> Array:
    """The mirror image of a face or of a displacement, (..., 478, 3)."""
    return np.asarray(points[..., mirror_order(), :] * FLIP)


def mean_face(rests: Mapping[str, Sequence[NDArray[np.float32]]]) -> Array:
    """The mean shape (478, 3) in canonical space, symmetric left to right.

    rests: for each person the faces at rest of their clips, each (478, 3) in any pose and size.
    All people count the same. The line from forehead to chin is upright.
    """
    first = next(iter(rests.values()))[0]
    mean = _upright(first.astype(np.float64))
    for _ in range(_ROUNDS):
        people = []
        for faces in rests.values():
            targets = np.stack(faces)
            people.append(fit_poses(mean, targets).undo(targets).mean(axis=0))
        moved = _upright(np.mean(people, axis=0))
        settled = float(np.abs(moved - mean).max()) < _SETTLED
        mean = moved
        if settled:
            break
    return mean


def clip_changes(
    track: LandmarkTrack, rest: NDArray[np.float32], mean: Array
) -> NDArray[np.float32]:
    """What the face does in the frames that are seen from the front, (F', 478, 3)."""
    own = fit_pose(rest, mean.astype(np.float32)).apply(rest)
    seen = track.points[track.valid]
    poses = fit_poses(own, seen)
    turn = np.degrees(np.arccos(np.clip(poses.rotation[:, 2, 2], -1, 1)))
    return (poses.undo(seen) - own)[turn < _FRONTAL].astype(np.float32)


def gather(people: Mapping[str, Sequence[NDArray[np.float32]]], most: int) -> Changes:
    """All people's changes, at most `most` frames a person, evenly over their clips."""
    change, weight, person = [], [], []
    for number, clips in enumerate(people.values()):
        frames = np.concatenate(list(clips))
        if len(frames) == 0:
            continue
        frames = frames[:: -(-len(frames) // most)]
        change.append(frames)
        weight.append(np.full(len(frames), 1 / len(frames)))
        person.append(np.full(len(frames), number))
    return Changes(np.concatenate(change), np.concatenate(weight), np.concatenate(person))


def _upright(shape: Array) -> Array:
    """Symmetric, the eyes' distance 1, forehead above chin, the rigid points' mean at 0."""
    # The mirror image may lie elsewhere: it is laid over the shape before both are averaged.
    image = mirrored(shape)
    image = fit_pose(image.astype(np.float32), shape.astype(np.float32)).apply(image)
    both = (shape + image) / 2
    x = both[_LEFT_EAR] - both[_RIGHT_EAR]
    x /= np.linalg.norm(x)
    down = both[CHIN] - both[FOREHEAD]
    y = down - (down @ x) * x
    y /= np.linalg.norm(y)
    turned = both @ np.stack([x, y, np.cross(x, y)]).T
    turned -= turned[list(RIGID)].mean(axis=0)
    turned = (turned + mirrored(turned)) / 2
    return np.asarray(turned / interocular(turned.astype(np.float32)))
