# SPDX-License-Identifier: GPL-3.0-or-later
"""The job that makes an editable performance of a track."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from inference.errors import InputError
from inference.files import check_writable
from inference.jobs import PerformanceJob
from inference.outputs import check_replaceable, refuse_inputs
from inference.performance.cleaning.gaps import fill_performance
from inference.performance.cleaning.smooth import smooth_performance
from inference.performance.face.decompose import decompose
from inference.performance.face.neutral import calm_frames
from inference.performance.taking.performance import SUFFIX, is_performance, save_performance
from inference.track import load_track

_FRAME = 36.0  # mm: the longer side of the picture that a lens is given for


@dataclass(frozen=True)
class MadePerformance:
    """frames: of the performance; gaps: of these, without a face; filled: bridged ones.

    neutral: the frames of the track that say how the face looks at rest, the calmest first.
    """

    frames: int
    gaps: int
    filled: int
    neutral: tuple[int, ...]


def run_performance(job: PerformanceJob) -> MadePerformance:
    """Take a track apart, bridge its short gaps, smooth it and write it.

    Raises InputError for what the user can fix, LikenessError for a full disk.
    """
    if not job.out.name.endswith(SUFFIX):
        raise InputError(f"{job.out}: a performance's name ends in {SUFFIX}; choose such a name")
    for name, value in (("pose", job.smooth_pose), ("expression", job.smooth_expression)):
        if not 0 <= value <= 1:
            raise InputError(f"the {name} cannot be smoothed by {value:g}; choose from 0 to 1")
    if job.lens and not 8 <= job.lens <= 1000:
        raise InputError(f"a lens of {job.lens:g} mm cannot be; give 8 to 1000, or 0 for unknown")
    refuse_inputs([job.out], [job.track])
    check_replaceable(job.out, is_performance, "a performance")
    track = load_track(job.track)
    focal = job.lens / _FRAME * max(track.size) if job.lens else None
    check_writable(job.out)
    calm = calm_frames(track) if job.neutral is None else (job.neutral,)
    performance = fill_performance(decompose(track, job.neutral, focal), job.fill)
    if job.smooth_pose or job.smooth_expression:
        performance = smooth_performance(performance, job.smooth_pose, job.smooth_expression)
    p, at = performance, calm[0]
    rest = np.concatenate([p.rotation[at], p.translation[at], [p.scale[at]]])
    save_performance(replace(p, rest=rest), job.out)
    return MadePerformance(
        len(performance),
        int((~performance.valid).sum()),
        int(performance.filled.sum()),
        tuple(int(frame) for frame in np.asarray(calm)),
    )
