# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clips are evaluated, and what is taken of them: sources early, targets late in a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.data.clips import VAL, ClipFile, find_clips
from inference.capture.capture import capture_footage
from inference.capture.detector import FaceDetector
from inference.capture.video import open_footage, read_frames
from inference.errors import InputError
from inference.sources import looks, spread
from inference.stills import longest_shot
from inference.track import LandmarkTrack

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

# Targets are neighbours, so many at a time: shaking shows in consecutive frames only.
RUN = 4
_MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class EvaluationClip:
    """One clip, tracked and read.

    sources: frames of the first half, most telling first. targets: frames of the second half in
    runs of RUN. pictures: of those frames. found: the targets' landmarks, detected as those of
    made pictures are; None where no face was found.
    """

    name: str
    person: str
    track: LandmarkTrack
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    pictures: dict[int, Picture]
    found: tuple[Points | None, ...]


def clips_to_evaluate(folder: Path) -> tuple[list[ClipFile], bool]:
    """The clips below a folder, and whether they are those of people held back from training.

    A manifest in the folder or beside it says who is held back; where it names nobody of this
    folder, every clip counts. Raises InputError when there is none.
    """
    beside = folder.parent / _MANIFEST
    source = folder
    if not (folder / _MANIFEST).is_file() and folder.is_dir() and beside.is_file():
        source = folder.parent
    clips = [clip for clip in find_clips(source, val_share=0) if not clip.still and not clip.text]
    clips = [clip for clip in clips if clip.path.resolve().is_relative_to(folder.resolve())]
    if not clips and source != folder:  # a manifest of something else
        clips = [clip for clip in find_clips(folder, val_share=0) if not clip.still]
    if not clips:
        raise InputError(f"{folder}: holds no clip; name a folder of videos that show faces")
    held_back = [clip for clip in clips if clip.split == VAL]
    return held_back or clips, bool(held_back)


def read_clip(
    clip: ClipFile,
    sources: int,
    targets: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> EvaluationClip:
    """Track a clip's largest face and read what is evaluated; of several shots the longest.

    sources, targets: at most so many frames of each. Raises InputError when it cannot be used.
    """
    track = capture_footage(clip.path, cancelled=cancelled).track
    first, last = longest_shot(track)
    middle = (first + last) // 2
    early = [frame for frame in range(first, middle) if track.valid[frame]]
    late = pick_targets(track.valid[middle:last], targets)
    if not early or not len(late):
        half = "second" if early else "first"
        raise InputError(
            f"{clip.path}: the face is seen in too few frames of its {half} half; use a longer clip"
        )
    faces = looks(track.points[early], track.points[early[0]])
    chosen = [early[i] for i in spread(faces, sources)]
    later = (late + middle).tolist()
    wanted = {*chosen, *later}
    pictures = {
        frame.index: frame.picture
        for frame in read_frames(open_footage(clip.path), 0, max(wanted))
        if frame.index in wanted
    }
    found = detect([pictures[frame] for frame in later])
    return EvaluationClip(
        clip.name, clip.identity, track, tuple(chosen), tuple(later), pictures, tuple(found)
    )


def pick_targets(valid: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """At most `count` valid frames, in runs of RUN neighbours, spread evenly over all."""
    starts = np.array(
        [i for i in range(len(valid) - RUN + 1) if valid[i : i + RUN].all()], np.int64
    )
    if not len(starts):
        return starts
    runs = max(1, min(count // RUN, (len(starts) - 1) // RUN + 1))
    places = starts[np.round(np.linspace(0, len(starts) - 1, runs)).astype(int)]
    picked: list[int] = []
    for place in places.tolist():
        if not picked or place > picked[-1]:  # rounding may let two runs touch
            picked += range(place, place + RUN)
    return np.array(picked, np.int64)


def detect(pictures: list[Picture]) -> list[Points | None]:
    """The face of each picture (478, 3), or None; they come in runs of RUN consecutive frames."""
    found: list[Points | None] = []
    with FaceDetector(1) as detector:
        for index, picture in enumerate(pictures):
            if index and index % RUN == 0:
                detector.find(picture)  # the face has leapt: a look to find it, one to settle
            faces = detector.find(picture)
            found.append(faces[0] if faces else None)
    return found
