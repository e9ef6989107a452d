# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare footage for training: track each clip, cut its frames out, pack them into shards.

Clips are made in processes of their own and appended by this one. Run again, it goes on where it
was interrupted; files that cannot be used are listed in `skipped.csv` with the reason.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data.clips import ClipFile, find_clips
from export.data.layout import PREPARED, SKIPPED, storable
from export.data.mattes import make_matte
from export.data.measures import face_measures
from export.data.packing import PackedClip, ShardWriter, pack_clip
from export.data.skipped import read_skipped, write_skipped
from export.data.voxceleb import read_segment
from export.folders import check_folder, writing
from inference.capture.capture import capture_footage
from inference.capture.detector import find_faces
from inference.capture.faces import face_width
from inference.capture.persons import PersonFinder
from inference.capture.video import open_footage, read_frames
from inference.errors import Cancelled, InputError, LikenessError
from inference.landmarks import OVAL
from inference.pictures import read_picture
from inference.portrait import Box, crop_box
from inference.progress import Progress
from inference.track import LandmarkTrack

Points = NDArray[np.float32]

# More is kept than the usual crop, so that a crop may move and grow at training.
_MARGIN = 1.25
_SMALLEST_FACE = 40.0  # pixels: below it there is nothing to learn lids and teeth from
_FEWEST_FRAMES = 2


@dataclass(frozen=True)
class PrepareSettings:
    """size: a clip whose crop is larger is shrunk to this many pixels; none is enlarged.

    mattes: tell the person of every frame from the background, for training.
    """

    size: int = 512
    quality: int = 92
    mattes: bool = True


@dataclass(frozen=True)
class Prepared:
    """What the folder holds now. skipped: (file, reason) of files that could not be used."""

    clips: int
    people: int
    frames: int
    megabytes: float
    skipped: list[tuple[str, str]]


def prepare(
    source: Path,
    out: Path,
    settings: PrepareSettings | None = None,
    processes: int | None = None,
    val_share: float = 0.1,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Prepared:
    """Prepare all clips below `source` that are not in `out` yet.

    Raises InputError when nothing can be used or `out` is not ours, LikenessError for a full disk,
    and Cancelled; clips that were finished before are kept by the next run.
    """
    settings = settings or PrepareSettings()
    check_folder(out, PREPARED, [source])
    clips = find_clips(source, val_share)
    stored = {"size": settings.size, "quality": settings.quality}
    with writing(out, PREPARED, [source]) as folder, ShardWriter(folder, stored) as writer:
        listed = folder.file(SKIPPED)
        skipped = read_skipped(listed)
        done = {record.name for record in writer.records} | skipped.keys()
        waiting = [clip for clip in clips if clip.name not in done]
        kept = len(clips) - len(waiting)
        for count, (clip, result) in enumerate(
            _pack_all(waiting, settings, processes or os.cpu_count() or 1, cancelled), start=1
        ):
            if isinstance(result, PackedClip):
                writer.append(result)
            else:
                skipped[clip.name] = result
                write_skipped(skipped, listed)
            if progress:
                progress(kept + count, len(clips))
        records = writer.records
    if not records:
        first = next(iter(skipped.values()))
        raise InputError(
            f"{source}: none of its {len(clips)} files can be used; the first: {first}"
        )
    return Prepared(
        len(records),
        len({record.identity for record in records}),
        sum(record.frames for record in records),
        sum(record.length for record in records) / 1e6,
        sorted(skipped.items()),
    )


def pack_footage(clip: ClipFile, settings: PrepareSettings) -> PackedClip:
    """Track a file's largest face and cut it out of every frame.

    Of a clip with cuts the longest shot is kept: another shot may show another person.
    Raises InputError when the file cannot be used.
    """
    return _pack_still(clip, settings) if clip.still else _pack_video(clip, settings)


def _pack_video(clip: ClipFile, settings: PrepareSettings) -> PackedClip:
    footage = open_footage(clip.path)
    segment = read_segment(clip.text) if clip.text else None
    start, end = segment.frames(footage.rate) if segment else (0, None)
    track = capture_footage(clip.path, None, start, end).track
    first, last = _longest_shot(track)
    valid = np.flatnonzero(track.valid[first:last]) + first
    if len(valid) < _FEWEST_FRAMES:
        raise InputError(f"{clip.path}: the face is seen in {len(valid)} frames only")
    usual = np.median(track.points[valid], axis=0)
    if segment and not _inside(usual, segment.middle_box(track.size)):
        raise InputError(f"{clip.path}: its largest face is not the one that {clip.text} means")
    view = _view(usual, track.size, settings.size, clip.path)
    numbers, points = [], []
    wanted = set(valid.tolist())
    with _Pictures(settings) as pictures:
        for frame in read_frames(footage, start + first, start + last - 1):
            index = frame.index - start
            if index in wanted:
                numbers.append(index)
                points.append(view.points(track.points[index]))
                pictures.add(view.picture(frame.picture))
    rate = f"{track.rate.numerator}/{track.rate.denominator}"
    return _pack(clip, rate, view, numbers, points, pictures)


def _pack_still(clip: ClipFile, settings: PrepareSettings) -> PackedClip:
    picture = read_picture(clip.path).rgb8()
    faces = find_faces(picture)
    if not faces:
        raise InputError(f"{clip.path}: no face was found; use a picture in which it is larger")
    face = max(faces, key=face_width)
    view = _view(face, (picture.shape[1], picture.shape[0]), settings.size, clip.path)
    with _Pictures(settings) as pictures:
        pictures.add(view.picture(picture))
    return _pack(clip, "1/1", view, [0], [view.points(face)], pictures)


def _pack(
    clip: ClipFile,
    rate: str,
    view: _View,
    numbers: list[int],
    points: list[Points],
    pictures: _Pictures,
) -> PackedClip:
    stacked = np.stack(points)
    good = np.flatnonzero(storable(stacked, view.side))
    if len(good) < (1 if clip.still else _FEWEST_FRAMES):
        raise InputError(f"{clip.path}: the face leaves the picture in nearly every frame")
    return pack_clip(
        clip.name,
        clip.identity,
        clip.split,
        clip.still,
        rate,
        view.size,
        view.side,
        np.array(numbers, np.int32)[good],
        stacked[good],
        face_measures(stacked[good]),
        [pictures.jpegs[i] for i in good],
        [pictures.mattes[i] for i in good] if pictures.mattes else None,
    )


class _Pictures:
    """A clip's pictures as they are stored, and their mattes where they are wanted; a context."""

    def __init__(self, settings: PrepareSettings) -> None:
        self.jpegs: list[bytes] = []
        self.mattes: list[bytes] = []
        self._quality = settings.quality
        self._held = ExitStack()
        self._finder = self._held.enter_context(PersonFinder()) if settings.mattes else None

    def __enter__(self) -> _Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def add(self, picture: NDArray[np.uint8]) -> None:
        self.jpegs.append(_jpeg(picture, self._quality))
        if self._finder:
            self.mattes.append(make_matte(self._finder, picture))


@dataclass(frozen=True)
class _View:
    """The part of the footage's pictures that is kept, and its size then. side: of the crop."""

    part: Box
    size: tuple[int, int]
    side: float

    def picture(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        part = self.part
        inside = picture[part.y : part.y + part.height, part.x : part.x + part.width]
        if self.size == (part.width, part.height):
            return inside
        return cv2.resize(inside, self.size, interpolation=cv2.INTER_AREA)

    def points(self, points: Points) -> Points:
        part = self.part
        zoom = np.array([self.size[0] / part.width, self.size[1] / part.height, 1], np.float32)
        zoom[2] = zoom[0]
        return (points - np.array([part.x, part.y, 0], np.float32)) * zoom


def _view(points: Points, size: tuple[int, int], largest: int, path: Path) -> _View:
    """The crop around usual landmarks (478, 3), with room, as far as the picture reaches."""
    face = float(np.ptp(points[list(OVAL), :2], axis=0).max())
    if face < _SMALLEST_FACE:
        raise InputError(
            f"{path}: the face is only {face:.0f} pixels high; "
            f"at least {_SMALLEST_FACE:.0f} are needed"
        )
    box = crop_box(points, size)
    room_x, room_y = (round(length * (_MARGIN - 1) / 2) for length in (box.width, box.height))
    left, top = max(0, box.x - room_x), max(0, box.y - room_y)
    right = min(size[0], box.x + box.width + room_x)
    bottom = min(size[1], box.y + box.height + room_y)
    if right - left < face / 2 or bottom - top < face / 2:
        raise InputError(f"{path}: the face lies beyond the picture's edge")
    shrink = min(1.0, largest / box.width)
    part = Box(left, top, right - left, bottom - top)
    return _View(
        part, (round(part.width * shrink), round(part.height * shrink)), box.width * shrink
    )


def _inside(points: Points, box: tuple[float, float, float, float]) -> bool:
    """Is the middle of a face (478, 3) within x, y, width, height?"""
    middle = points[:, :2].mean(axis=0)
    x, y, width, height = box
    return bool(x <= middle[0] <= x + width and y <= middle[1] <= y + height)


def _longest_shot(track: LandmarkTrack) -> tuple[int, int]:
    """The shot that shows the face in most frames: first frame, and one past its last."""
    bounds = [0, *track.cuts, len(track)]
    shots = list(zip(bounds, bounds[1:], strict=False))
    return max(shots, key=lambda shot: int(track.valid[shot[0] : shot[1]].sum()))


def _jpeg(rgb: NDArray[np.uint8], quality: int) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return data.tobytes()


def _pack_all(
    clips: list[ClipFile], settings: PrepareSettings, processes: int, cancelled: Callable[[], bool]
) -> Iterator[tuple[ClipFile, PackedClip | str]]:
    """Each clip packed, or the reason why it is not, in the order in which they get ready.

    A file that takes its process down (a decoder's crash) is found by trying the suspects one by
    one, and named like any other bad file.
    """
    waiting, suspects = list(reversed(clips)), list[ClipFile]()
    while waiting or suspects:
        alone = bool(suspects)
        queue, count = (suspects, 1) if alone else (waiting, processes)
        running: dict[Future[PackedClip | str], ClipFile] = {}
        # Spawned, not forked: MediaPipe's threads do not survive a fork.
        pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_start_worker)
        try:
            while queue or running:
                if cancelled():
                    raise Cancelled("prepare was cancelled; finished clips are kept")
                while queue and len(running) < (1 if alone else count + 1):
                    clip = queue.pop()
                    running[pool.submit(_pack_or_reason, clip, settings)] = clip
                finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    result = future.result()
                    yield running.pop(future), result
        except BrokenProcessPool:
            if alone:
                clip = next(iter(running.values()))
                yield clip, f"{clip.path}: reading it crashed the decoder; the file is damaged"
            else:
                suspects = list(running.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """Workers say nothing themselves: the parent hears of an interrupt, and reasons come back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders and MediaPipe talk past Python
    parent = parent_process()
    if parent:
        Thread(target=_end_with, args=(parent,), daemon=True).start()
    cv2.setNumThreads(1)


def _end_with(parent: BaseProcess) -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent.join()
    os._exit(1)


def _pack_or_reason(clip: ClipFile, settings: PrepareSettings) -> PackedClip | str:
    try:
        return pack_footage(clip, settings)
    except LikenessError as error:
        return str(error)
    except Exception as error:  # one strange file never stops a night's run
        return f"{clip.path}: {type(error).__name__}: {error}".splitlines()[0]
