# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd test movies made from real frames: any rate, varying rate, rotated, cut off, side by side.

Frames are (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

# A clock that all of 24, 25, 30 frames a second and their 1000/1001 relatives divide.
_CLOCK = 240_000
_MARK_BITS = 8
# The pixels that a codec takes, where they are not the usual ones.
_PIXELS = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le", "dnxhd": "yuv422p"}
# The first row of a track header's matrix is (cos, sin, 0), the second (-sin, cos, 0), as 16.16
# fixed-point numbers; this is the upright one.
_UPRIGHT = (1, 0, 0, 0, 1, 0)


def read_clip(path: Path, first: int = 0, count: int = 10_000) -> list[Picture]:
    """Up to `count` frames of a real clip from frame `first` on, upright."""
    reader = cv2.VideoCapture(str(path))
    frames = []
    for index in range(first + count):
        ok, bgr = reader.read()
        if not ok:
            break
        if index >= first:
            frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    reader.release()
    assert frames, f"{path} holds no frame {first}"
    return frames


def write_movie(
    path: Path,
    frames: Iterable[Picture],
    rate: Fraction | int = 25,
    times: Sequence[Fraction] | None = None,
    b_frames: int = 0,
    faststart: bool = False,
) -> Path:
    """An H.264 mp4 at a steady rate, or with each frame shown from its own time (seconds) on.

    faststart: the index lies before the pictures, so that a cut-off file still opens.
    """
    options = {"movflags": "faststart"} if faststart else {}
    codec = {"crf": "8", "preset": "veryfast", "bf": str(b_frames), "g": "24"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options=codec)
        stream.codec_context.time_base = Fraction(1, _CLOCK)
        for i, pixels in enumerate(frames):
            if i == 0:
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            time = times[i] if times is not None else i / Fraction(rate)
            frame.pts, frame.time_base = round(time * _CLOCK), Fraction(1, _CLOCK)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_container(
    path: Path,
    frames: Sequence[Picture],
    form: str,
    codec: str,
    rate: Fraction | int = 25,
    times: Sequence[Fraction] | None = None,
    sound: float = 0.0,
    sound_from: float = 0.0,
    aspect: Fraction = Fraction(1),
    options: dict[str, str] | None = None,
) -> Path:
    """A movie of any container and codec. times: as of `write_movie`; aspect: of a pixel.

    sound: seconds of a quiet tone; sound_from: when it begins.
    """
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=Fraction(rate), options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = _PIXELS.get(codec, "yuv420p")
        stream.codec_context.sample_aspect_ratio = aspect
        clock = Fraction(1) / Fraction(rate) if times is None else Fraction(1, 1000)
        stream.codec_context.time_base = clock
        tone = container.add_stream("mp2", rate=48000) if sound else None
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = i if times is None else round(times[i] / clock)
            frame.time_base = clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone is not None:
            for i in range(round(sound * 48000 / 1152)):
                samples = av.AudioFrame(format="s16", layout="mono", samples=1152)
                samples.planes[0].update(bytes(2 * 1152))
                samples.sample_rate, samples.time_base = 48000, Fraction(1, 48000)
                samples.pts = i * 1152 + round(sound_from * 48000)
                container.mux(tone.encode(samples))
            container.mux(tone.encode())
    return path


def hide_start(path: Path, source: Path, seconds: Fraction) -> Path:
    """A copy of an mp4 whose edit list hides its first seconds, as a trim without encoding."""
    with (
        av.open(str(source)) as given,
        av.open(str(path), "w", format="mp4", options={"avoid_negative_ts": "disabled"}) as made,
    ):
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.pts -= round(seconds / packet.time_base)
                packet.dts -= round(seconds / packet.time_base)
                packet.stream = stream
                made.mux(packet)
    return path


def mark_rotation(path: Path, degrees: int) -> Path:
    """Say in the track header that players must turn the picture clockwise, as a phone does."""
    data = path.read_bytes()
    header = data.index(b"tkhd")
    upright = _matrix(_UPRIGHT)
    where = data.index(upright, header)
    sin, cos = round(math.sin(math.radians(degrees))), round(math.cos(math.radians(degrees)))
    turned = _matrix((cos, sin, 0, -sin, cos, 0))
    path.write_bytes(data[:where] + turned + data[where + len(upright) :])
    return path


def cut_file(path: Path, share: float) -> Path:
    """Keep only the first `share` of a file's bytes, as a broken copy does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def numbered(frames: Sequence[Picture]) -> list[Picture]:
    """Frames that carry their own index as a row of black and white blocks at the top."""
    marked = []
    for index, frame in enumerate(frames):
        copy, side = frame.copy(), frame.shape[1] // _MARK_BITS
        for bit in range(_MARK_BITS):
            copy[:16, bit * side : (bit + 1) * side] = 255 if index >> bit & 1 else 0
        marked.append(copy)
    return marked


def read_number(picture: Picture) -> int:
    """The index that `numbered` wrote into a frame."""
    side = picture.shape[1] // _MARK_BITS
    blocks = (picture[4:12, b * side + 8 : (b + 1) * side - 8].mean() for b in range(_MARK_BITS))
    return sum((block > 127) << bit for bit, block in enumerate(blocks))


def on_canvas(
    size: tuple[int, int], placed: Iterable[tuple[Picture, tuple[int, int]]], shade: int = 90
) -> Picture:
    """Pictures laid onto a plain canvas of `size` (width, height), each with its corner (x, y).

    What reaches beyond the canvas is cut off.
    """
    width, height = size
    canvas = np.full((height, width, 3), shade, np.uint8)
    for picture, (x, y) in placed:
        left, top = max(0, x), max(0, y)
        right, bottom = min(width, x + picture.shape[1]), min(height, y + picture.shape[0])
        if left < right and top < bottom:
            canvas[top:bottom, left:right] = picture[top - y : bottom - y, left - x : right - x]
    return canvas


def enlarged(picture: Picture, side: int) -> Picture:
    """A square picture at another size."""
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)


def _matrix(rows: Sequence[int]) -> bytes:
    """A transform of the plane as an mp4 file writes it, up to the row of the translation."""
    a, b, u, c, d, v = rows
    numbers = (a << 16, b << 16, u, c << 16, d << 16, v)
    return b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
