# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a track apart into head pose, named controls and a dense rest; and put it together again.

Camera: a weak-perspective one looks along z, so that the pose is a similarity of the track's own
points. A perspective one sees the head from its own place: its track's points are first led back
along its rays, at a depth of the focal length, at which a pixel of the picture is a pixel there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.landmarks import POINT_COUNT
from inference.performance.cleaning.gaps import frame_confidence
from inference.performance.face.canonical import canonical_face, control_index
from inference.performance.face.controls import CONTROL_NAMES, OPPOSITES
from inference.performance.face.lips_turn import own_lips_turn
from inference.performance.face.neutral import find_neutral
from inference.performance.face.pose import Poses, fit_pose, fit_poses, lips_opened
from inference.performance.face.rotations import to_angles, to_matrices, to_vectors
from inference.performance.taking.performance import Performance
from inference.track import LandmarkTrack

Array = NDArray[np.float64]

# A detector guesses depth: it says less about the controls than what the picture shows. And a
# control is read off the lips, lids and irises rather than off the skin around them.
_AXES = np.array([1.0, 1.0, 0.25])
_POINTS = {"mouth": 4.0, "eyes": 2.0, "irises": 2.0}
# How reluctantly a control moves, as a share of what it explains by itself. It keeps two controls
# from working against each other; those that refine what a plainer control does wait for it.
_RIDGE = 0.01
_RIDGE_OF = {"lips_together": 0.2, "lower_lip_drop": 0.2}
_SWEEPS, _SMALLEST_STEP = 100, 1e-5


def decompose(
    track: LandmarkTrack, neutral: int | None = None, focal: float | None = None
) -> Performance:
    """The performance of a track; `compose` gives the track's points back.

    neutral: the zero-based frame in which the face is at rest; None looks for it.
    focal: the camera's focal length in pixels, None for weak perspective.
    Raises InputError when the named frame is no face, or the focal length is too short.
    """
    rest = find_neutral(track, neutral)[None].astype(np.float64)
    seen = track.points[track.valid].astype(np.float64)
    if focal is not None:
        rest, seen = (_from_camera(points, track.size, focal) for points in (rest, seen))
    own = _neutral(rest[0])
    poses = _steady_poses(own, seen, track)
    change = poses.undo(seen) - own
    controls = solve_controls(change).astype(np.float32)
    explained = np.tensordot(controls.astype(np.float64), _basis(), axes=1)
    whole = Performance(
        controls=_spread(controls, track.valid),
        rotation=_spread(to_vectors(poses.rotation), track.valid),
        translation=_spread(poses.translation, track.valid),
        scale=_spread(poses.scale, track.valid),
        neutral=own,
        residual=_spread((change - explained).astype(np.float32), track.valid),
        valid=track.valid.copy(),
        filled=np.zeros(len(track), bool),
        confidence=track.valid.astype(np.float32),
        rate=track.rate,
        size=track.size,
        cuts=track.cuts,
        source=track.source,
        source_sha256=track.source_sha256,
        camera="weak" if focal is None else "perspective",
        focal=focal or 0.0,
    )
    trust = frame_confidence(whole)
    # A part that is hidden is guessed by the detector, as surely as all the rest.
    return replace(whole, confidence=trust if track.clear is None else trust * track.clear)


def compose(performance: Performance) -> LandmarkTrack:
    """The landmarks of a performance; NaN where it is not valid."""
    p = performance
    points = np.full((len(p), *p.neutral.shape), np.nan, np.float32)
    points[p.valid] = _compose(p, np.flatnonzero(p.valid))
    return LandmarkTrack(points, p.valid.copy(), p.rate, p.size, p.cuts, p.source, p.source_sha256)


def solve_controls(change: NDArray[np.floating]) -> Array:
    """The controls (F, C), within their ranges, that best tell displacements (F, 478, 3).

    change: from the face at rest, in canonical units. Bounded least squares by coordinate
    descent, all frames at once.
    """
    face, basis = canonical_face(), _basis()
    low, high = face.low.astype(np.float64), face.high.astype(np.float64)
    weighted = (basis * _weights()).reshape(len(basis), -1)
    left = change.reshape(len(change), -1) @ weighted.T  # what is still to be explained
    gram = basis.reshape(len(basis), -1) @ weighted.T
    for a, b in OPPOSITES:
        # As much as would cancel out between them is charged to both, so that one of them stays.
        i, j = control_index(a), control_index(b)
        gram[[i, j], [j, i]] += np.sqrt(gram[i, i] * gram[j, j])
    ridge = np.array([_RIDGE_OF.get(name, _RIDGE) for name in CONTROL_NAMES])
    diagonal = np.diag(gram) * (1 + ridge)
    x = np.zeros_like(left)
    for _ in range(_SWEEPS):
        largest = 0.0
        for c in range(len(gram)):
            wanted = (left[:, c] + x[:, c] * gram[c, c]) / diagonal[c]
            step = np.clip(wanted, low[c], high[c]) - x[:, c]
            x[:, c] += step
            left -= step[:, None] * gram[c]
            largest = max(largest, float(np.abs(step).max(initial=0.0)))
        if largest < _SMALLEST_STEP:
            break
    return x


@cache
def _basis() -> Array:
    return canonical_face().basis.astype(np.float64)


@cache
def _weights() -> Array:
    """How much every coordinate counts, (478, 3)."""
    weights = np.tile(_AXES, (POINT_COUNT, 1))
    for name, times in _POINTS.items():
        weights[canonical_face().regions[name]] *= times
    return weights


def _neutral(points: Array) -> NDArray[np.float32]:
    """A face at rest in canonical space, head unposed."""
    mean = canonical_face().mean
    return fit_pose(points.astype(np.float32), mean).apply(points).astype(np.float32)


def _steady_poses(own: NDArray[np.float32], seen: Array, track: LandmarkTrack) -> Poses:
    """The poses of the valid frames, freed of what this track's talking does to them."""
    poses = fit_poses(own, seen, lips_turn=0.0)
    opened = lips_opened(own, seen, poses)
    pitch = np.radians(to_angles(to_vectors(poses.rotation))[:, 1])
    turn = own_lips_turn(opened, pitch, track.valid, track.cuts, track.rate)
    return fit_poses(own, seen, turn)


def _compose(p: Performance, frames: NDArray[np.intp]) -> NDArray[np.float32]:
    explained = np.tensordot(p.controls[frames].astype(np.float64), _basis(), axes=1)
    shape = p.neutral + explained + p.residual[frames]
    poses = Poses(p.scale[frames], to_matrices(p.rotation[frames]), p.translation[frames])
    points = poses.apply(shape)
    if p.camera == "perspective":
        points = _through_camera(points, p.size, p.focal)
    return points.astype(np.float32)


def _from_camera(points: Array, size: tuple[int, int], focal: float) -> Array:
    """Picture points (F, 478, 3) led back along the camera's rays to their own depth."""
    if not focal > 0 or not (focal + points[..., 2] > 0.1 * focal).all():
        raise InputError(
            f"the focal length of {focal:g} pixels is too short for this face; give "
            "the camera's own, in pixels of the footage"
        )
    middle = np.array(size) / 2
    away = (focal + points[..., 2:]) / focal
    return np.concatenate([middle + (points[..., :2] - middle) * away, points[..., 2:]], axis=-1)


def _through_camera(points: Array, size: tuple[int, int], focal: float) -> Array:
    """The way back from `_from_camera`."""
    middle = np.array(size) / 2
    # An edited head must not come behind the camera.
    away = np.maximum(focal + points[..., 2:], 0.1 * focal) / focal
    return np.concatenate([middle + (points[..., :2] - middle) / away, points[..., 2:]], axis=-1)


def _spread(values: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Values of the valid frames among all frames, NaN in the gaps."""
    every = np.full((len(valid), *values.shape[1:]), np.nan, values.dtype)
    every[valid] = values
    return every
