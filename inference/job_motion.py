# SPDX-License-Identifier: GPL-3.0-or-later
"""What a synthesis job performs: a track or a performance, cleaned as the job says."""

from __future__ import annotations

from inference.errors import InputError
from inference.jobs import SynthesizeJob
from inference.performance.retargeting.motion import Motion, track_motion
from inference.plausible import check_faces
from inference.track import LandmarkTrack, fill_gaps, load_track


def open_motion(job: SynthesizeJob) -> tuple[LandmarkTrack, Motion]:
    """The job's motion, and the driver's landmarks that it amounts to, gaps still being gaps.

    Raises InputError for a file that cannot be used, or when not just one is named.
    """
    for name, value in (("pose", job.smooth_pose), ("expression", job.smooth_expression)):
        if not 0 <= value <= 1:
            raise InputError(f"the {name} cannot be smoothed by {value:g}; choose from 0 to 1")
    smooth = bool(job.smooth_pose or job.smooth_expression)
    if job.performance is not None and job.track is None:
        return _performance(job, smooth)
    if job.track is None or job.performance is not None:
        raise InputError("name the motion by a track or by a performance, one of the two")
    track = load_track(job.track)
    if smooth:
        from inference.performance.cleaning.smooth import smooth_track

        track = smooth_track(track, job.smooth_pose, job.smooth_expression, neutral=job.neutral)
    return track, track_motion(fill_gaps(track), job.neutral)


def _performance(job: SynthesizeJob, smooth: bool) -> tuple[LandmarkTrack, Motion]:
    # A track alone is performed without the canonical face.
    from inference.performance.cleaning.smooth import smooth_performance
    from inference.performance.face.decompose import compose
    from inference.performance.retargeting.from_performance import performance_motion
    from inference.performance.taking.read import read_performance

    assert job.performance is not None
    performance = read_performance(job.performance)
    if smooth:
        performance = smooth_performance(performance, job.smooth_pose, job.smooth_expression)
    track = compose(performance)
    wrong = check_faces(track.points, track.valid, track.size)
    if wrong:
        raise InputError(f"{job.performance}: {wrong}; fix the take, or make it again")
    return track, performance_motion(performance, job.neutral)
