# SPDX-License-Identifier: GPL-3.0-or-later
"""From a clip to pictures of its person for `--portrait`: sharp, unlike each other, one leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.capture.capture import capture_footage
from inference.capture.video import open_footage, read_frames
from inference.errors import Cancelled, InputError
from inference.files import write_whole
from inference.frames import encode_frame
from inference.merge.sharpness import face_sharpness
from inference.outputs import FolderKind, OwnedFolder, check_claimable, claim_folder
from inference.performance.face.measures import eye_opening, mouth_opening
from inference.portrait import SMALLEST_FACE
from inference.progress import Progress, portions
from inference.shows import OPEN, TURN, shows, turns_of
from inference.sources import looks, spread
from inference.track import LandmarkTrack

MOST = 32
STILLS_FOLDER = FolderKind("pictures of a person, from a clip", (r"\d{2}[a-z-]*\.png",))

Points = NDArray[np.float32]

_SHARP = 0.7  # of the usual sharpness: a frame below it is blurred by motion
_UNLIKE = 0.7  # steps of `looks`: a frame that is nearer to one that was chosen adds nothing


@dataclass(frozen=True)
class Still:
    """A chosen frame. frame: zero-based; shows: what it is good for, words joined by hyphens."""

    frame: int
    shows: str


def write_stills(
    clip: Path,
    out: Path,
    count: int = 8,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[tuple[Path, Still]]:
    """Choose at most `count` frames of a clip and write them into the folder `out`, numbered.

    The clip's largest face is followed; of several shots the one that shows it longest is taken.
    progress counts to 100. Raises InputError when no face can be used, or the folder is not ours or
    holds pictures already, and Cancelled.
    """
    if not 1 <= count <= MOST:
        raise InputError(f"{count} pictures: choose 1 to {MOST}")
    check_claimable(out, STILLS_FOLDER, [clip])
    if any(OwnedFolder(out, STILLS_FOLDER).files()):
        raise InputError(f"{out}: holds pictures already; remove them, or choose another folder")
    watching, reading = portions(progress, 3, 1)
    track = capture_footage(clip, progress=watching, cancelled=cancelled).track
    first, last = longest_shot(track)
    seen = {frame for frame in range(first, last) if track.valid[frame] and _large(track, frame)}
    sharpness = {}
    for frame in read_frames(open_footage(clip), 0, last - 1):
        if cancelled():
            raise Cancelled(f"{clip}: cancelled; nothing was written")
        reading(frame.index + 1, last)
        if frame.index in seen:
            sharpness[frame.index] = face_sharpness(frame.picture, track.points[frame.index])
    chosen = choose(track, sharpness, count)
    if not chosen:
        raise InputError(f"{clip}: the face is too small in every frame; use a larger picture")
    wanted = {still.frame: (index, still) for index, still in enumerate(chosen, 1)}
    folder = claim_folder(out, STILLS_FOLDER, [clip])
    written = []
    for frame in read_frames(open_footage(clip), 0, max(wanted)):
        if frame.index in wanted:
            index, still = wanted[frame.index]
            path = folder.file(f"{index:02d}-{still.shows}.png")
            write_whole(path, encode_frame(frame.picture, None, "png"))
            written.append((path, still))
    return sorted(written)


def choose(track: LandmarkTrack, sharpness: dict[int, float], count: int) -> list[Still]:
    """The frames to take, the one that leads first.

    sharpness: of the frames that may be taken. The one that leads looks ahead, with closed lips
    and open eyes; each further one is what is least like all before it.
    """
    if not sharpness:
        return []
    usual = float(np.median(list(sharpness.values())))
    frames = [frame for frame, sharp in sharpness.items() if sharp >= _SHARP * usual]
    faces = track.points[frames]
    turns = turns_of(faces)
    lips = np.array([mouth_opening(face) for face in faces])
    eyes = np.array([eye_opening(face) for face in faces])
    calm = np.linalg.norm(turns, axis=1) / TURN + lips / OPEN
    calm += 4 * np.maximum(0, 1 - eyes / np.median(eyes))
    order = [int(np.argmin(calm)), *range(len(frames))]  # the first one twice: it is like itself
    rows = looks(faces[order], faces[order[0]])
    taken: list[int] = []
    for row in spread(rows, min(count, len(rows))):
        apart = np.linalg.norm(rows[taken] - rows[row], axis=1)
        if not taken or apart.min() > _UNLIKE:
            taken.append(row)
    picked = [order[row] for row in taken]
    leading = faces[picked[0]]
    return [
        Still(frames[i], "leads" if i == picked[0] else shows(faces[i], leading) or "other")
        for i in picked
    ]


def longest_shot(track: LandmarkTrack) -> tuple[int, int]:
    """First frame, and one past the last, of the shot that shows the face most often."""
    bounds = [0, *track.cuts, len(track)]
    shots = list(zip(bounds, bounds[1:], strict=False))
    return max(shots, key=lambda shot: int(track.valid[shot[0] : shot[1]].sum()))


def _large(track: LandmarkTrack, frame: int) -> bool:
    return float(np.ptp(track.points[frame, :, :2], axis=0).max()) >= SMALLEST_FACE
