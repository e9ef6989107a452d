# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of head frames, beside each other: what was made is never changed.

A job with a `base` works there as long as it only adds frames. As soon as one that is there would
be another, or frames of other choices would come beside it, the job begins a folder of its own.
There the frames that stay are hard links, which take no room; where the file system has none, they
are copies.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.files import file_error, write_whole, written_whole
from inference.jobs import SynthesizeJob
from inference.mouth.look import TeethLooks
from inference.outputs import OwnedFolder, is_ours
from inference.sidecar import (
    FRAMES,
    MARKS,
    MATTES,
    frame_mark,
    frame_names,
    frame_pattern,
    known_job,
    known_placement,
    read_marks,
    target_choices,
)

Targets = dict[int, NDArray[np.float32]]
# What two folders must have in common for a frame of one to have its place in the other.
_PLACE = ("portrait_size", "box", "count", "pattern", "alpha")


def choose_version(
    job: SynthesizeJob, shared: bytes, targets: Targets, teeth: TeethLooks
) -> tuple[SynthesizeJob, Callable[[OwnedFolder], None] | None]:
    """The job with the folder that it is to work in, and what fills that where it is new.

    shared: as `shared_mark` makes it. targets: target landmarks (478, 3) of each wanted frame.
    teeth: how they look. Raises InputError when `out` holds frames that would change.
    """
    if job.base is None:
        return job, None
    for folder in (job.out, job.base):  # `out` first: a run of this job may have been ended
        if _only_adds(job, folder, shared, targets, teeth):
            note = str(_asked(folder).get("note") or job.note)
            return replace(job, out=folder, base=None, note=note), None
    if _frames_in(job.out):
        raise InputError(
            f"{job.out}: holds frames that this would change; name a folder that is not there yet"
        )
    return job, partial(_begin, job, job.base, shared)


def _only_adds(
    job: SynthesizeJob, folder: Path, shared: bytes, targets: Targets, teeth: TeethLooks
) -> bool:
    """Would each frame that is in the folder stay, and those that are missing be of its kind?"""
    there, pattern = _frames_in(folder), frame_pattern(job)
    if not there or known_job(folder).get("fingerprint") != shared.hex():
        return False
    marks = read_marks(folder)
    present = {index for index in targets if pattern % index in there}
    wanted = {index: frame_mark(shared, targets[index], teeth.at(index)) for index in present}
    if any(not marks.is_of(index, mark) for index, mark in wanted.items()):
        return False
    choices = target_choices(job)
    alike = {key: _asked(folder).get(key) for key in choices} == choices
    return alike or len(present) == len(targets)


def _begin(job: SynthesizeJob, base: Path, shared: bytes, owned: OwnedFolder) -> None:
    """Fill a new version with its base's frames; those that change are made again after that."""
    placed, wanted = known_placement(base), known_placement(owned.path)
    if any(placed.get(key) != wanted.get(key) for key in _PLACE):
        return
    patterns = {frame_pattern(job)}
    if job.matte in MATTES and known_job(base).get("fingerprint") == shared.hex():
        patterns.add(MATTES[job.matte])
    names = {pattern % index for pattern in patterns for index in range(int(str(wanted["count"])))}
    write_whole(owned.file(MARKS), read_marks(base).data)
    for name in sorted(names & _frames_in(base)):
        _link(base / name, owned.file(name))


def _asked(folder: Path) -> dict[str, object]:
    """The job that a folder's frames were made by."""
    asked = known_job(folder).get("job")
    return asked if isinstance(asked, dict) else {}


def _frames_in(folder: Path) -> set[str]:
    """Names of the frames and mattes in a folder of ours, which no other file has."""
    if not is_ours(folder, FRAMES):
        return set()
    named = frame_names(folder)
    with os.scandir(folder) as entries:
        return {e.name for e in entries if e.name in named and e.is_file(follow_symlinks=False)}


def _link(source: Path, path: Path) -> None:
    try:
        with written_whole(path) as part:
            try:
                os.link(source, part)
            except OSError:  # another drive, or a file system without links
                shutil.copy2(source, part)
    except OSError as error:
        raise file_error(error, path) from error
