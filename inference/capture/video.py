# SPDX-License-Identifier: GPL-3.0-or-later
"""Read footage as a steady stream of upright RGB frames at its own rational rate.

Footage is a movie, or numbered pictures. A movie with a varying frame rate is read as a player or
Blender's movie strip shows it: output frame i is the picture on screen at i / rate seconds. Nothing
is collected, frames stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from inference.capture.clock import Clock
from inference.capture.movie import (
    MovieFacts,
    Picture,
    Reading,
    breaks_off,
    movie_facts,
    movie_pictures,
)
from inference.capture.sequence import Sequence, find_sequence, sequence_pictures
from inference.errors import InputError
from inference.inputs import LARGEST_WHOLE, MOST_FRAMES
from inference.pictures import read_picture

# Numbered pictures have no rate of their own; this is Blender's for a new scene.
SEQUENCE_RATE = Fraction(24)
# Seconds for which a picture may stand, where the container does not say how long it lasts.
_LONGEST_HOLD = 10.0


@dataclass(frozen=True)
class Footage:
    """A movie or numbered pictures: rational rate, upright size (width, height), promised frames.

    count: as the container tells, which may be a guess. source: what it is read from.
    """

    path: Path
    rate: Fraction
    size: tuple[int, int]
    count: int
    source: MovieFacts | Sequence

    @property
    def sound_leads(self) -> float:
        """Seconds by which the sound begins before the pictures, below 0: after them."""
        return self.source.sound_leads if isinstance(self.source, MovieFacts) else 0.0

    def files(self) -> list[Path]:
        """The files that it consists of."""
        if isinstance(self.source, MovieFacts):
            return [self.path]
        return [file for _, file in sorted(self.source.files.items())]


@dataclass(frozen=True)
class Frame:
    """One frame: its zero-based index, RGB pixels, and whether it repeats the picture before."""

    index: int
    picture: Picture
    repeated: bool


def open_footage(path: Path, rate: Fraction | None = None) -> Footage:
    """What a movie, a folder of numbered pictures or the first of them promises.

    rate: of numbered pictures, frames a second; None: 24. Raises InputError when it is missing or
    cannot be read.
    """
    sequence = find_sequence(path)
    if sequence is not None:
        size = read_picture(sequence.files[0]).size
        return Footage(path, rate or SEQUENCE_RATE, size, sequence.count, sequence)
    if rate is not None:
        raise InputError(f"{path}: a movie has a rate of its own; leave the rate away")
    facts = movie_facts(path)
    exact = rational_rate(facts.rate, path)
    count = round((facts.seconds or 0) * exact)
    return Footage(path, exact, facts.size, count if 1 <= count <= LARGEST_WHOLE else 1, facts)


def read_frames(
    footage: Footage,
    first: int = 0,
    last: int | None = None,
    say: Callable[[str], None] = lambda note: None,
) -> Iterator[Frame]:
    """The frames `first` to `last` (zero-based, both included; None: to the end), in order.

    say: is told, once everything was read, what was left out or guessed. Raises InputError when the
    file breaks off before the frames that it promises, and when they are more than a take can have.
    """
    reading, clock = Reading(), Clock(footage.rate, _longest_hold(footage))
    index = 0
    previous: Picture | None = None
    for start, picture in _timed_pictures(footage, reading, clock):
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
    if last is None or index <= last:
        _check_whole(footage, reading, index)
    for note in _notes(footage, reading, clock):
        say(note)


def rational_rate(rate: float, path: Path) -> Fraction:
    """The exact frame rate behind a rounded one: 29.97003 -> 30000/1001, 23.976 -> 24000/1001."""
    if not 0.1 < rate < 1000:
        raise InputError(f"{path}: the video states no usable frame rate ({rate:g} a second)")
    for exact in (Fraction(round(rate)), Fraction(round(rate * 1001 / 1000) * 1000, 1001)):
        if abs(float(exact) - rate) < 2e-3:
            return exact
    return Fraction(rate).limit_denominator(1001)


def _timed_pictures(
    footage: Footage, reading: Reading, clock: Clock
) -> Iterator[tuple[int, Picture]]:
    """Each picture with the frame from which on it is shown."""
    if isinstance(footage.source, Sequence):
        yield from sequence_pictures(footage.source, footage.size)
        return
    for time, picture in movie_pictures(footage.path, reading):
        yield clock.start(time), _fitted(picture, footage.size)


def _longest_hold(footage: Footage) -> float:
    """Seconds for which one picture may stand: as long as the movie is, where its head tells."""
    source = footage.source
    if isinstance(source, MovieFacts) and source.declared:
        return max(_LONGEST_HOLD, source.seconds or 0)
    return _LONGEST_HOLD


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """Joined takes may differ in size; a track has one."""
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _check_whole(footage: Footage, reading: Reading, index: int) -> None:
    """Raises InputError where a movie ended earlier than its container says."""
    facts = footage.source
    if isinstance(facts, MovieFacts) and breaks_off(facts, reading, footage.rate):
        raise InputError(
            f"{footage.path}: the video breaks off after frame {index} of {footage.count}; "
            f"copy the file again, or capture what is there, the frames 0-{index - 1}"
        )


def _notes(footage: Footage, reading: Reading, clock: Clock) -> Iterator[str]:
    """What the person should know of how the footage was read."""
    if isinstance(footage.source, Sequence):
        yield footage.source.words()
    if clock.joints:
        more = f" and {len(clock.joints) - 1} more" if len(clock.joints) > 1 else ""
        yield (
            f"the time stamps begin again or leap at frame {clock.joints[0]}{more}: what follows "
            "was read on without a pause"
        )
    if reading.lost:
        yield f"{reading.lost} damaged pictures could not be decoded; those before stand for them"
