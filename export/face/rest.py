# SPDX-License-Identifier: GPL-3.0-or-later
"""The directions in which a stream tells what the controls leave of a face's motion."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from export.face.clips import FaceClip
from inference.errors import InputError
from inference.performance.face.neutral import find_neutral
from inference.stream.rest import AXES, RestBasis, of_control_steps, steps_of_controls
from inference.stream.state import RestingFace

Array = NDArray[np.float64]

_A_PERSON = 60  # frames at most, spread over their clips
_FEWEST_PEOPLE = 8


def make_basis(clips: Iterable[FaceClip], count: int) -> tuple[RestBasis, int]:
    """The `count` principal directions of the rest, each person counted the same; and the people.

    Raises InputError where there are too few people, or frames, to say what is usual.
    """
    people: dict[str, list[Array]] = {}
    for clip in clips:
        people.setdefault(clip.person, []).append(_rests(clip))
    if len(people) < _FEWEST_PEOPLE or count < 1:
        raise InputError(f"{len(people)} people are too few for a basis; give more tracks")
    gram = np.zeros((478 * 3, 478 * 3))
    for parts in people.values():
        rests = np.concatenate(parts)
        rests = rests[:: max(1, len(rests) // _A_PERSON)]
        flat = (rests * AXES).reshape(len(rests), -1)
        gram += flat.T @ flat / len(flat) / len(people)
    power, directions = np.linalg.eigh(gram)
    order = np.argsort(power)[::-1][:count]
    found = directions[:, order].T
    unit = np.abs(found).max(axis=1) / 127
    return RestBasis(
        np.rint(found / unit[:, None]).astype(np.int8).reshape(count, 478, 3),
        unit.astype(np.float32),
        np.sqrt(np.maximum(power[order], 0)).astype(np.float32),
    ), len(people)


def _rests(clip: FaceClip) -> Array:
    face = RestingFace(find_neutral(clip.track))
    seen = np.flatnonzero(clip.track.valid)
    seen = seen[:: max(1, len(seen) // _A_PERSON)]
    change = np.stack([face.state(0.0, clip.track.points[frame]).change for frame in seen])
    return np.asarray(change - of_control_steps(steps_of_controls(change)))
