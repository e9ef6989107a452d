# SPDX-License-Identifier: GPL-3.0-or-later
"""Read footage as a steady stream of upright RGB frames at the clip's own rational rate.

Footage with a varying frame rate is read as a player or Blender's movie strip shows it: output
frame i is the picture on screen at i / rate seconds. Nothing is collected, frames stream.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.open_video import video_file
from inference.errors import InputError
from inference.inputs import LARGEST_WHOLE, MOST_FRAMES

Picture = NDArray[np.uint8]

# A clip may promise more frames than it has by this many: containers round their duration.
_COUNT_SLACK = 3
# Of a time stamp, in seconds, either way: what FFmpeg tells where there is none lies far beyond.
_LATEST = 1e9


@dataclass(frozen=True)
class Footage:
    """A video file: its rational frame rate, upright size (width, height) and promised frames."""

    path: Path
    rate: Fraction
    size: tuple[int, int]
    count: int


@dataclass(frozen=True)
class Frame:
    """One frame: its zero-based index, RGB pixels, and whether it repeats the picture before."""

    index: int
    picture: Picture
    repeated: bool


def open_footage(path: Path) -> Footage:
    """What a video file promises. Raises InputError when it is missing or no readable video."""
    with _reader(path) as reader:
        ok, picture = _read(reader, path)
        if not ok:
            raise InputError(f"{path}: no frame can be read; is it a whole video file?")
        promised = reader.get(cv2.CAP_PROP_FRAME_COUNT)
        return Footage(
            path=path,
            rate=rational_rate(reader.get(cv2.CAP_PROP_FPS), path),
            size=(picture.shape[1], picture.shape[0]),
            count=int(promised) if 1 <= promised <= LARGEST_WHOLE else 1,
        )


def read_frames(footage: Footage, first: int = 0, last: int | None = None) -> Iterator[Frame]:
    """The frames `first` to `last` (zero-based, both included; None: to the end), in order.

    Raises InputError when the file breaks off before the frames that it promises, and when its
    frames are more than a take can have.
    """
    with _reader(footage.path) as reader:
        index = 0
        previous: Picture | None = None
        pictures = 0
        for start, picture in _timed_pictures(reader, footage):
            pictures += 1
            # The previous picture stays on screen until this one starts.
            repeated = False
            while previous is not None and index < start:
                if index >= first:
                    yield Frame(index, previous, repeated)
                repeated = True
                index += 1
                if last is not None and index > last:
                    return
                if index > MOST_FRAMES + first:
                    raise InputError(
                        f"{footage.path}: has more than {MOST_FRAMES} frames, or a picture that "
                        "stands for as long; capture only some of its frames"
                    )
            previous = picture
        if previous is not None:
            if index >= first:
                yield Frame(index, previous, repeated=False)
            index += 1
        if last is not None and index > last:
            return
        if pictures + _COUNT_SLACK < footage.count * 0.98:
            raise InputError(
                f"{footage.path}: the video breaks off after frame {index} of {footage.count}; "
                f"copy the file again, or capture what is there, the frames 0-{index - 1}"
            )


def rational_rate(rate: float, path: Path) -> Fraction:
    """The exact frame rate behind a rounded one: 29.97003 -> 30000/1001, 23.976 -> 24000/1001."""
    if not 0.1 < rate < 1000:
        raise InputError(f"{path}: the video states no usable frame rate ({rate:g} a second)")
    for exact in (Fraction(round(rate)), Fraction(round(rate * 1001 / 1000) * 1000, 1001)):
        if abs(float(exact) - rate) < 2e-3:
            return exact
    return Fraction(rate).limit_denominator(1001)


@contextlib.contextmanager
def _reader(path: Path) -> Iterator[cv2.VideoCapture]:
    with video_file(path) as reader:
        # Off by default in some builds: phones mark the rotation instead of turning pixels.
        reader.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        yield reader


def _read(reader: cv2.VideoCapture, path: Path) -> tuple[bool, Picture]:
    try:
        return reader.read()
    except (cv2.error, MemoryError):
        raise InputError(f"{path}: a frame cannot be read; convert the file again") from None


def _timed_pictures(reader: cv2.VideoCapture, footage: Footage) -> Iterator[tuple[int, Picture]]:
    """Each decoded RGB picture with the output frame from which on it is shown."""
    start = -1
    origin: float | None = None
    while True:
        ok, bgr = _read(reader, footage.path)
        if not ok:
            return
        time = reader.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if not abs(time) < _LATEST:
            # A raw stream has no time stamps: one picture a frame.
            start, origin = start + 1, None
        else:
            origin = time - (start + 1) / float(footage.rate) if origin is None else origin
            # A quarter of a frame of grace: time stamps are rounded to the container's clock.
            start = int(np.ceil(float((time - origin) * footage.rate) - 0.25))
        yield start, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
