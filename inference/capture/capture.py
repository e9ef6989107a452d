# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture: footage in, one face's landmark track out."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import numpy as np

from inference.capture.cuts import CutFinder
from inference.capture.detector import Points
from inference.capture.faces import FacePieces, Piece, face_width
from inference.capture.finder import FaceFinder
from inference.capture.framing import WHOLE, Framing
from inference.capture.hidden_parts import clear_shares
from inference.capture.identity import Looks, perhaps_the_same, persons
from inference.capture.video import Footage, Frame, open_footage, read_frames
from inference.errors import Cancelled, InputError, one_line
from inference.files import check_writable
from inference.inputs import MOST_FRAMES, checked_rate, sha256_of
from inference.jobs import CaptureJob
from inference.landmarks import POINT_COUNT
from inference.outputs import check_replaceable, refuse_inputs
from inference.progress import Progress
from inference.track import SUFFIX, LandmarkTrack, is_track, save_track

_MAX_FACES = 4
_READ_AHEAD, _READ_AHEAD_BYTES = 8, 400_000_000  # frames, of this size together at the most


@dataclass(frozen=True)
class Captured:
    """The chosen face's track, its number, and the numbers of all faces that were seen.

    notes: what was left out of the footage or guessed, a clause each. sound_leads: seconds by which
    the footage's sound begins before its pictures.
    """

    track: LandmarkTrack
    face: int
    faces: tuple[int, ...]
    notes: tuple[str, ...] = ()
    sound_leads: float = 0.0


def capture_footage(
    path: Path,
    face: int | None = None,
    first: int = 0,
    last: int | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    rate: Fraction | None = None,
    framing: Framing = WHOLE,
) -> Captured:
    """Track one face through the frames `first` to `last` (zero-based, both included) of footage.

    face: the number of the face, or None for the one that fills the most of the clip. rate: of
    numbered pictures, frames a second; None: 24. framing: what is seen of it; the landmarks lie in
    the whole picture, mirrored as the framing says.
    Raises InputError when the footage cannot be read, holds no face or not that one, and Cancelled.
    """
    footage = open_footage(path, rate)
    wanted = (footage.count if last is None else min(last + 1, footage.count)) - first
    if wanted > MOST_FRAMES:
        raise InputError(
            f"{path}: says that it has {footage.count} frames; capture {MOST_FRAMES} "
            "of them at the most"
        )
    if first < 0 or (last is not None and last < first):
        raise InputError(f"{path}: there are no frames {first}-{last}; the first one is 0")
    # The count is the container's word, off by a few at a varying rate: for progress alone.
    total = wanted
    cuts: list[int] = []
    notes: list[str] = []
    count = 0
    pieces, looks = FacePieces(), Looks()
    with closing(_find_faces(footage, first, last, framing, pieces, looks, notes.append)) as frames:
        for count, is_cut in enumerate(frames, start=1):
            if cancelled():
                raise Cancelled(f"{path}: capture cancelled; nothing was written")
            if is_cut:
                cuts.append(count - 1)
            if progress:
                progress(count, max(count, total))
    if count == 0:
        raise InputError(f"{path}: the clip ends before frame {first}; it has {footage.count}")
    found = persons(pieces.pieces, looks)
    seen = {
        number: {frame: each for piece in person for frame, each in piece.points.items()}
        for number, person in enumerate(found, start=1)
    }
    chosen = _choose(seen, face, path)
    notes.extend(_same_again(found[chosen - 1], chosen))
    notes.extend(_perhaps_the_same(perhaps_the_same(found, chosen - 1, looks), chosen, seen))
    points = np.full((count, POINT_COUNT, 3), np.nan, np.float32)
    valid = np.zeros(count, bool)
    clear = np.zeros(count, np.float32)
    for index, share in clear_shares(looks, found[chosen - 1]).items():
        points[index], valid[index], clear[index] = seen[chosen][index], share > 0, share
    points[~valid] = np.nan
    track = LandmarkTrack(
        points,
        valid,
        footage.rate,
        footage.size,
        tuple(cuts),
        one_line(path.name),
        sha256_of(*footage.files()),
        clear,
    )
    return Captured(track, chosen, tuple(sorted(seen)), tuple(notes), footage.sound_leads)


def run_capture(
    job: CaptureJob,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Captured:
    """Capture as the job says and write its track. Raises as `capture_footage` does.

    Raises InputError when the track's name is not one, or something else has that name.
    """
    if not job.out.name.endswith(SUFFIX):
        raise InputError(f"{job.out}: a track's name ends in {SUFFIX}; choose such a name")
    refuse_inputs([job.out], [job.footage])
    check_replaceable(job.out, is_track, "a landmark track")
    check_writable(job.out)
    first, last = job.frames or (0, None)
    rate = None if job.rate is None else _rate(job.rate)
    framing = Framing(job.crop or WHOLE.crop, job.mirror or WHOLE.mirror)
    captured = capture_footage(
        job.footage, job.face, first, last, progress, cancelled, rate, framing
    )
    save_track(captured.track, job.out)
    return captured


def _rate(given: tuple[int, int]) -> Fraction:
    try:
        return checked_rate(*given)
    except ValueError:
        raise InputError(f"{given[0]}/{given[1]} frames a second is no frame rate") from None


def _find_faces(
    footage: Footage,
    first: int,
    last: int | None,
    framing: Framing,
    pieces: FacePieces,
    looks: Looks,
    say: Callable[[str], None],
) -> Generator[bool]:
    """Lay every frame's faces into `pieces`; for each: does a shot begin here?"""
    cuts = CutFinder()
    current: list[Piece] = []
    with FaceFinder(_MAX_FACES) as finder:
        for index, frame in enumerate(_read_ahead(footage, first, last, say)):
            is_cut = False
            if not frame.repeated:
                seen = framing.part(frame.picture)
                is_cut = cuts.is_cut(seen)
                if is_cut:
                    finder.forget()
                    pieces.forget()
                faces = finder.find(seen)
                placed = [framing.placed(each, footage.size) for each in faces]
                current = pieces.add(index, placed)
                for piece, face in zip(current, faces, strict=True):
                    looks.look(seen, piece, index, face)
            else:
                for piece in current:
                    piece.points[index] = piece.points[index - 1]
                    looks.cells[piece.number][index] = looks.cells[piece.number][index - 1]
            yield is_cut


def _read_ahead(
    footage: Footage, first: int, last: int | None, say: Callable[[str], None]
) -> Generator[Frame]:
    """Decode in a thread of its own, a few frames ahead of the detector."""
    width, height = footage.size
    ahead = min(_READ_AHEAD, _READ_AHEAD_BYTES // (3 * width * height))
    queue: Queue[Frame | Exception | None] = Queue(max(1, ahead))
    stop = Event()

    def decode() -> None:
        try:
            for frame in read_frames(footage, first, last, say):
                queue.put(frame)
                if stop.is_set():
                    return
            queue.put(None)
        except Exception as error:
            queue.put(error)

    thread = Thread(target=decode, daemon=True)
    thread.start()
    try:
        while True:
            item = queue.get()
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stop.set()
        while thread.is_alive():  # make room, so that a waiting decoder sees the stop
            while not queue.empty():
                queue.get_nowait()
            thread.join(0.01)


def _choose(seen: dict[int, dict[int, Points]], face: int | None, path: Path) -> int:
    if not seen:
        raise InputError(f"{path}: no face was found; use footage in which one is seen larger")
    if face is None:
        return max(seen, key=lambda number: sum(face_width(p) for p in seen[number].values()))
    if face not in seen:
        known = ", ".join(str(number) for number in sorted(seen))
        raise InputError(f"{path}: there is no face {face}; the clip's faces are {known}")
    return face


def _same_again(person: list[Piece], number: int) -> list[str]:
    """A word on somebody who was gone, or came close to others, and was known again by looks."""
    again = [min(piece.points) for piece in person[1:] if piece.follows is None]
    if not again:
        return []
    named = ", ".join(str(frame) for frame in again[:3]) + (" and on" if len(again) > 3 else "")
    return [f"who comes at frame {named} is probably the same person, face {number}"]


def _perhaps_the_same(
    others: list[int], chosen: int, seen: dict[int, dict[int, Points]]
) -> list[str]:
    """A word on faces that fill the chosen one's gaps and look like it, but not for certain."""
    if not others:
        return []
    named = ", ".join(str(index + 1) for index in others)
    filled = len(set().union(*(seen[index + 1] for index in others)))
    return [
        f"never seen together with face {chosen}, so perhaps the same person: face {named}, in "
        f"{filled} of its gaps"
    ]
