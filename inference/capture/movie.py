# SPDX-License-Identifier: GPL-3.0-or-later
"""Decode one movie: upright RGB pictures of square pixels, each with its own time stamp.

The container's promises are only that: whether a file is whole is seen by the time at which its
packets end, sound included, not by a count.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.open_video import video_file
from inference.errors import InputError

Picture = NDArray[np.uint8]

# Containers whose head tells how long they are; elsewhere FFmpeg estimates it from what is there.
_DECLARED = frozenset({"mov", "matroska", "avi", "flv", "asf", "mxf"})
# A file may end earlier than it says by so many frames, and by this share.
_SLACK_FRAMES, _SLACK = 3, 0.02
# Pixels wider or higher than this are a damaged header's.
_WIDEST_PIXEL = 8
_LONGEST_LEAD = 60.0  # seconds between sound and picture; more is a damaged head's


@dataclass
class Reading:
    """What decoding tells by its end. lost: packets that could not be decoded; ends_at: seconds
    at which the last packet ended; broken: the container gave up before its end."""

    lost: int = 0
    ends_at: float | None = None
    broken: bool = False


@dataclass(frozen=True)
class MovieFacts:
    """What a movie says of itself. rate: pictures a second, as stated, maybe rounded.

    seconds: of its pictures, None where it does not say. declared: it is the container's head that
    says so. begins, ends: of all that is in it, in seconds; None where unknown. sound_leads:
    seconds by which its sound begins before its pictures; below 0: after them; 0: it has none.
    """

    size: tuple[int, int]
    rate: float
    seconds: float | None
    declared: bool
    begins: float
    ends: float | None
    sound_leads: float = 0.0


def movie_facts(path: Path) -> MovieFacts:
    """Open a movie and decode its first picture. Raises InputError when that cannot be done."""
    with video_file(path) as (container, stream):
        declared = container.format.name.split(",")[0] in _DECLARED
        first = next(_frames(container, stream, Reading()), None)
        if first is None:
            raise InputError(f"{path}: no frame can be read; is it a whole video file?")
        picture = _upright(first, stream, path)
        begins = (container.start_time or 0) / av.time_base
        ends = None
        if container.duration is not None and container.duration > 0:
            ends = begins + container.duration / av.time_base
        seconds = None
        if stream.duration:
            seconds = float(stream.duration * stream.time_base)
        elif ends is not None:
            own = stream.start_time
            seconds = ends - (begins if own is None else float(own * stream.time_base))
        rate = stream.guessed_rate or stream.average_rate or stream.base_rate or 0
        return MovieFacts(
            (picture.shape[1], picture.shape[0]),
            float(rate),
            seconds,
            declared,
            begins,
            ends,
            _sound_leads(container, stream),
        )


def _sound_leads(container: Any, stream: Any) -> float:
    sound = container.streams.best("audio")
    if sound is None or sound.start_time is None or stream.start_time is None:
        return 0.0
    starts = [float(each.start_time * each.time_base) for each in (stream, sound)]
    return starts[0] - starts[1] if abs(starts[0] - starts[1]) < _LONGEST_LEAD else 0.0


def movie_pictures(path: Path, reading: Reading) -> Iterator[tuple[float | None, Picture]]:
    """Each decoded picture in the order of showing, with its time stamp in seconds, or None."""
    with video_file(path) as (container, stream):
        for frame in _frames(container, stream, reading):
            time = None if frame.pts is None else float(frame.pts * stream.time_base)
            yield time, _upright(frame, stream, path)


def breaks_off(facts: MovieFacts, reading: Reading, rate: Fraction) -> bool:
    """Did the file end well before the time that its container names?"""
    if facts.ends is None or not facts.declared:
        return False
    if reading.ends_at is None:
        return reading.broken
    slack = _SLACK_FRAMES / float(rate) + _SLACK * (facts.ends - facts.begins)
    return reading.ends_at < facts.ends - slack


def _frames(container: Any, stream: Any, reading: Reading) -> Iterator[Any]:
    """Every frame that can be decoded; what cannot is counted and passed over."""
    watched = [each for each in container.streams if each.type in ("video", "audio")]
    packets = container.demux(watched)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, MemoryError):  # the file ends in the middle of something
            reading.broken, packet = True, None
        if packet is not None and packet.size:
            _note_end(packet, reading)
        if packet is not None and packet.stream is not stream:
            continue
        try:
            # None and a packet of nothing both bring out what the decoder still holds.
            frames = stream.decode(packet if packet and packet.size else None)
        except EOFError:  # brought out already
            return
        except (av.FFmpegError, MemoryError):
            reading.lost += 1
            frames = []
        yield from frames
        if packet is None or not packet.size:
            return


def _note_end(packet: Any, reading: Reading) -> None:
    stamp = packet.pts if packet.pts is not None else packet.dts
    if stamp is None:
        return
    end = float((stamp + (packet.duration or 0)) * packet.time_base)
    reading.ends_at = end if reading.ends_at is None else max(end, reading.ends_at)


def _upright(frame: Any, stream: Any, path: Path) -> Picture:
    """A frame's pixels as RGB, square and turned as the file says."""
    try:
        rgb = frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, ValueError, MemoryError):
        raise InputError(f"{path}: a frame cannot be read; convert the file again") from None
    rgb = _square(rgb, stream.sample_aspect_ratio)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return rgb if matrix is None else _turned(rgb, bytes(matrix))


def _square(rgb: Picture, aspect: Fraction | None) -> Picture:
    """Pixels of another shape made square; the shorter side of a pixel is enlarged."""
    if not aspect or aspect == 1 or not 1 / _WIDEST_PIXEL <= aspect <= _WIDEST_PIXEL:
        return rgb
    height, width = rgb.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _turned(rgb: Picture, matrix: bytes) -> Picture:
    """The picture after the nearest of the eight turns and mirrorings that a matrix names."""
    if len(matrix) < 36:
        return rgb
    a, b, _, c, d = struct.unpack_from("<5i", matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):  # x and y change places
        rgb = rgb.transpose(1, 0, 2)
        a, d = c, b
    rgb = rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(rgb)
