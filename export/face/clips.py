# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracks that a canonical face is computed from, out of prepared footage or track files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from export.data.layout import SETTINGS
from export.data.shards import PreparedData
from inference.errors import InputError
from inference.track import SUFFIX, LandmarkTrack, load_track

SPLIT = "train"
FEWEST_FRAMES = 50  # fewer say too little about how a face looks at rest


@dataclass(frozen=True)
class FaceClip:
    """A track and whose face it is."""

    person: str
    track: LandmarkTrack


def read_clips(sources: Sequence[Path]) -> Iterator[FaceClip]:
    """The clips of folders that `export prepare` wrote (their train split), and of track files.

    A folder without prepared data gives the track files in it; each file counts as one person.
    Tracks of fewer than `FEWEST_FRAMES` valid frames are left out.
    Raises InputError when a source holds neither.
    """
    for source in sources:
        found = _prepared(source) if (source / SETTINGS).is_file() else _files(source)
        yield from (clip for clip in found if clip.track.valid.sum() >= FEWEST_FRAMES)


def _prepared(folder: Path) -> Iterator[FaceClip]:
    data = PreparedData(folder, SPLIT)
    for index, record in enumerate(data.records):
        if record.still or record.frames < FEWEST_FRAMES:
            continue
        clip = data.clip(index)
        points = np.stack([clip.points(frame) for frame in range(record.frames)])
        valid = np.ones(record.frames, bool)
        track = LandmarkTrack(points, valid, Fraction(record.rate), record.size)
        yield FaceClip(record.identity, track)


def _files(source: Path) -> Iterator[FaceClip]:
    if source.is_dir():
        paths = sorted(source.glob(f"*{SUFFIX}"))
        if not paths:
            raise InputError(
                f"{source}: holds no prepared footage and no *{SUFFIX} files; make "
                "them with python -m inference capture"
            )
    else:
        paths = [source]
    for path in paths:
        yield FaceClip(path.name.removesuffix(SUFFIX), load_track(path))
