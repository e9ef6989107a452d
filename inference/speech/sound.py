# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the sound of a file, of whatever rate and channels, as 16 kHz mono, without keeping it.

What is decoded goes into a temporary file without a name, so that an hour takes no more memory than
a second. Time 0 is where the file begins: sound that starts later begins with silence.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from inference.capture.open_video import sound_file
from inference.errors import Cancelled, InputError

Samples = NDArray[np.int16]

RATE = 16000  # samples a second
_LONGEST = 4 * 3600  # seconds
_LATEST = 60.0  # seconds; a sound that begins later has a damaged head
_FULL = 32700  # of 32767: as loud as samples can be
_CLIPPED = 0.002  # this share of the samples at full scale is heard


@dataclass(frozen=True)
class Sound:
    """Mono sound of 16,000 samples a second, on the disk.

    seconds: how long it is. clipped: share of its samples at full scale. broken: the file gave up
    before its end.
    """

    file: BinaryIO
    count: int
    clipped: float
    broken: bool

    @property
    def seconds(self) -> float:
        return self.count / RATE

    def samples(self, begin: float, end: float) -> Samples:
        """The samples from `begin` to `end`, in seconds, as far as there are any."""
        first, last = (min(self.count, max(0, round(at * RATE))) for at in (begin, end))
        self.file.seek(2 * first)
        return np.frombuffer(self.file.read(2 * max(0, last - first)), np.int16)

    def blocks(self, seconds: float = 10.0) -> Iterator[Samples]:
        """All of it, piece by piece."""
        step = round(seconds * RATE)
        for first in range(0, self.count, step):
            yield self.samples(first / RATE, (first + step) / RATE)

    def notes(self) -> list[str]:
        """What a person should know of it."""
        found = []
        if self.broken:
            found.append(f"the file breaks off at {self.seconds:.1f} s")
        if self.clipped > _CLIPPED:
            found.append(f"{100 * self.clipped:.1f}% of the sound is clipped")
        return found


@contextlib.contextmanager
def opened_sound(
    path: Path,
    begin: float = 0.0,
    end: float | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Sound]:
    """The sound of a recording or a video, from `begin` to `end` in seconds of the file.

    Raises InputError when there is none, when nothing of it can be decoded, when it is longer than
    four hours, or when the range lies outside; Cancelled.
    """
    with tempfile.TemporaryFile() as file:
        count, full, broken = 0, 0, False
        first, last = round(begin * RATE), None if end is None else round(end * RATE)
        with sound_file(path) as (container, stream):
            at = 0
            try:
                for block in _decoded(container, stream):
                    if cancelled():
                        raise Cancelled("cancelled while the sound was read")
                    kept = block[max(0, first - at) : None if last is None else max(0, last - at)]
                    at += len(block)
                    full += int((np.abs(kept.astype(np.int32)) >= _FULL).sum())
                    file.write(kept.tobytes())
                    count += len(kept)
                    if count > _LONGEST * RATE:
                        raise InputError(f"{path}: is longer than four hours; cut it")
                    if last is not None and at >= last:
                        break
            except (av.FFmpegError, ValueError, MemoryError):
                broken = True
        if not count:
            if at:
                raise InputError(
                    f"{path}: has {at / RATE:.1f} s of sound, nothing from {begin:g} s on; "
                    "name an earlier part"
                )
            raise InputError(f"{path}: no sound can be decoded; export it again, as WAV")
        yield Sound(file, count, full / count, broken)


def _decoded(container: Any, stream: Any) -> Iterator[Samples]:
    """Blocks of 16 kHz mono from the beginning of the file on."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    began = (container.start_time or 0) / av.time_base
    first = True
    for frame in _frames(container, stream):
        if first:
            late = 0.0 if frame.pts is None else float(frame.pts * stream.time_base) - began
            if 0 < late < _LATEST:
                yield np.zeros(round(late * RATE), np.int16)
            first = False
        frame.pts = None  # the resampler would stumble over stamps that leap
        for made in resampler.resample(frame):
            yield made.to_ndarray()[0]
    if not first:
        for made in resampler.resample(None):
            yield made.to_ndarray()[0]


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Every frame of sound that can be decoded; what cannot is passed over."""
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except (av.FFmpegError, MemoryError):
            continue
        yield from frames
