# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver's motion as the (edited) performance has it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.performance.face.canonical import canonical_face
from inference.performance.face.decompose import compose
from inference.performance.face.pose import Pose, fit_pose
from inference.performance.retargeting.motion import Motion, track_motion
from inference.performance.taking.performance import Performance
from inference.track import fill_gaps

Face = NDArray[np.float64]


def performance_motion(performance: Performance, neutral_frame: int | None = None) -> Motion:
    """The motion of a performance; its gaps are bridged as a track's are.

    neutral_frame: at rest is what the face and the head do there, in place of the performance's
    own neutral and rest.
    Raises InputError when that frame is a gap or beyond the performance.
    """
    p = performance
    if neutral_frame is not None and not (0 <= neutral_frame < len(p) and p.valid[neutral_frame]):
        raise InputError(
            f"the performance has no face in frame {neutral_frame}; name another neutral frame"
        )
    if p.camera == "perspective":
        # Its points are bent by the lens: how the head is held is fitted to them.
        track = fill_gaps(compose(p))
        return track_motion(track, neutral_frame if neutral_frame is not None else _steady(p))
    basis = canonical_face().basis

    def shape(frame: int) -> Face:
        moved = np.tensordot(p.controls[frame], basis, axes=1) + p.residual[frame]
        return (p.neutral + moved).astype(np.float64)

    if neutral_frame is not None:
        rest, face = _pose(p, neutral_frame), shape(neutral_frame)
    else:
        rest, face = _rest(p), p.neutral.astype(np.float64)
    neutral = rest.apply(face).astype(np.float32)
    bridged = None if bool(p.valid.all()) else fill_gaps(compose(p)).points
    back = rest.inverse()

    def at(frame: int) -> tuple[Pose, Face]:
        if bridged is not None and not p.valid[frame]:
            pose = fit_pose(neutral, bridged[frame])
            return pose, pose.inverse().apply(bridged[frame])
        return _after(_pose(p, frame), back), rest.apply(shape(frame))

    return Motion(neutral, at)


def _rest(p: Performance) -> Pose:
    """How the head is held at rest: as the performance says, else as in its steadiest frame."""
    if p.rest is None:
        return _pose(p, _steady(p))
    return Pose(float(p.rest[6]), cv2.Rodrigues(p.rest[:3])[0], p.rest[3:6].astype(np.float64))


def _pose(p: Performance, frame: int) -> Pose:
    rotation = cv2.Rodrigues(p.rotation[frame].astype(np.float64))[0]
    return Pose(float(p.scale[frame]), rotation, p.translation[frame].astype(np.float64))


def _after(pose: Pose, first: Pose) -> Pose:
    """One pose after another."""
    return Pose(
        pose.scale * first.scale,
        pose.rotation @ first.rotation,
        pose.scale * pose.rotation @ first.translation + pose.translation,
    )


def _steady(p: Performance) -> int:
    """The frame that the controls tell best: editing curves does not make it another one."""
    untold = np.abs(np.where(p.valid[:, None, None], p.residual, np.inf)).mean(axis=(1, 2))
    return int(np.argmin(untold + (~p.valid | p.filled) * 10.0))
