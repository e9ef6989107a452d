# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the canonical face together and say how good it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.face.basis import control_basis
from export.face.clips import FaceClip
from export.face.mean import Changes, clip_changes, gather, mean_face
from inference.errors import InputError
from inference.landmarks import (
    EYES,
    LEFT_BROW,
    LEFT_BROW_LOWER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    LIPS_LOWER,
    LIPS_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    NOSE_BASE,
    NOSE_BRIDGE,
    OVAL,
    RIGHT_BROW,
    RIGHT_BROW_LOWER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
    RIGID,
    face_triangles,
    mirror_order,
)
from inference.performance.face.canonical import CanonicalFace
from inference.performance.face.controls import CONTROLS
from inference.performance.face.neutral import find_neutral

FRAMES_A_PERSON = 120
_JAW = OVAL[:17] + OVAL[35:]
_RIGHT_CHEEK = (50, 36, 101, 205, 187, 207, 117, 118, 123, 147)
_FEWEST_PEOPLE = 2


@dataclass(frozen=True)
class MadeFace:
    """The face, and of how many people, clips and frames it was made."""

    face: CanonicalFace
    changes: Changes
    people: int
    clips: int


def make_face(clips: Iterable[FaceClip], progress: Callable[[int], None]) -> MadeFace:
    """Compute the canonical face; `progress` is called with how many clips are read.

    Raises InputError when there are fewer than two people.
    """
    tracks: dict[str, list[FaceClip]] = {}
    rests: dict[str, list[NDArray[np.float32]]] = {}
    count = 0
    for clip in clips:
        tracks.setdefault(clip.person, []).append(clip)
        rests.setdefault(clip.person, []).append(find_neutral(clip.track))
        count += 1
        progress(count)
    if len(rests) < _FEWEST_PEOPLE:
        raise InputError("a mean face needs the tracks of several people; name more of them")
    mean = mean_face(rests)
    people = {
        person: [
            clip_changes(clip.track, rest, mean)
            for clip, rest in zip(tracks[person], rests[person], strict=True)
        ]
        for person in tracks
    }
    changes = gather(people, FRAMES_A_PERSON)
    face = CanonicalFace(
        mean=mean.astype(np.float32),
        triangles=face_triangles().astype(np.int32),
        iris_triangles=iris_triangles(),
        mirror=mirror_order().astype(np.int32),
        low=np.array([control.low for control in CONTROLS], np.float32),
        high=np.array([control.high for control in CONTROLS], np.float32),
        basis=control_basis(changes, mean),
        regions={name: _array(points) for name, points in region_sets().items()},
        contours={name: _array(points) for name, points in contour_lines().items()},
    )
    return MadeFace(face, changes, len(rests), count)


def iris_triangles() -> NDArray[np.int32]:
    """Four triangles for each iris, (8, 3), clockwise as seen on the screen."""
    rows = []
    for center, *rim in (RIGHT_IRIS, LEFT_IRIS):
        # A rim's points lie counter-clockwise, each a quarter turn further.
        rows += [(center, b, a) for a, b in zip(rim, rim[1:] + rim[:1], strict=True)]
    return np.array(rows, np.int32)


def region_sets() -> dict[str, tuple[int, ...]]:
    """Which points belong to each region of the face, ascending."""
    order = mirror_order()
    return {
        "rigid": tuple(sorted(RIGID)),
        "mouth": _sorted(MOUTH_UPPER, MOUTH_LOWER, LIPS_UPPER, LIPS_LOWER),
        "eyes": _sorted(*(lid for upper, lower, _ in EYES for lid in (upper, lower))),
        "brows": _sorted(RIGHT_BROW, RIGHT_BROW_LOWER, LEFT_BROW, LEFT_BROW_LOWER),
        "jaw": _sorted(_JAW),
        "cheeks": _sorted(_RIGHT_CHEEK, tuple(int(order[point]) for point in _RIGHT_CHEEK)),
        "nose": _sorted(NOSE_BRIDGE, NOSE_BASE),
        "irises": (*RIGHT_IRIS, *LEFT_IRIS),
    }


def contour_lines() -> dict[str, tuple[int, ...]]:
    """The face's lines: closed ones run around their opening, brows along their upper edge."""
    return {
        "oval": OVAL,
        "mouth_inner": _around(MOUTH_UPPER, MOUTH_LOWER),
        "mouth_outer": _around(LIPS_UPPER, LIPS_LOWER),
        "right_eye": _around(RIGHT_EYE_UPPER, RIGHT_EYE_LOWER),
        "left_eye": _around(LEFT_EYE_UPPER, LEFT_EYE_LOWER),
        "right_brow": RIGHT_BROW,
        "left_brow": LEFT_BROW,
    }


def _around(upper: tuple[int, ...], lower: tuple[int, ...]) -> tuple[int, ...]:
    return upper + lower[-2:0:-1]


def _sorted(*groups: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({point for group in groups for point in group}))


def _array(points: tuple[int, ...]) -> NDArray[np.int32]:
    return np.array(points, np.int32)
