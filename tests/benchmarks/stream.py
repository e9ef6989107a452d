# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stream costs and loses: python -m tests.benchmarks.stream CLIP [CLIP ...]

For each clip: the mean distance of its landmarks after the stream from those before, in distances
between the eyes, at each rate; and which rate H.264 takes until faces found again in its pictures
are as near. Then the decoder is given damaged packets.
"""

from __future__ import annotations

import argparse
import io
import struct
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from inference.capture.capture import capture_footage
from inference.capture.movie import Reading, movie_pictures
from inference.landmarks import interocular
from inference.performance.face.canonical import canonical_face
from inference.performance.face.neutral import find_neutral
from inference.stream.packet import Encoder, MalformedPacket, decode
from inference.stream.state import FaceState, RestingFace, motion_of
from inference.track import LandmarkTrack

FPS = 25.0
RATES = (1250, 2000, 4000, 6000)  # bytes a second
CRFS = (8, 13, 18, 23, 28, 33, 38, 43)


@dataclass(frozen=True)
class StreamErrors:
    """flat, deep: mean distance of the landmarks in the picture and in depth too, in distances
    between the eyes. largest, mean: bytes of a packet."""

    flat: float
    deep: float
    largest: int
    mean: float


@dataclass
class Fuzzed:
    """Of damaged packets: how many there were, and of these how many with a right checksum."""

    tried: int = 0
    refused: int = 0
    sealed: int = 0
    sealed_refused: int = 0
    seconds: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--packets", type=int, default=100_000, help="damaged ones (100000)")
    parser.add_argument("--no-video", action="store_true", help="without H.264 beside it")
    options = parser.parse_args()
    rates = "".join(f"{rate / 1000:>9g} kB/s" for rate in RATES)
    print(f"{'clip':24s}{rates}   H.264 with 0.8% / 0.3%, kB/s", flush=True)
    rows, packets = [], []
    for clip in options.clips:
        track = capture_footage(clip).track
        errors = [stream_errors(track, rate, FPS).flat for rate in RATES]
        packets += _some_packets(track)
        video = [float("nan")] * 2
        if not options.no_video:
            video = _video_rates(clip, track, (0.008, 0.003))
        rows.append([*errors, *video])
        _print_row(clip.stem, rows[-1])
    _print_row("mean", np.mean(rows, axis=0))
    found = fuzzed(packets, options.packets, np.random.default_rng(0))
    print(
        f"{found.tried} damaged packets, {found.sealed} of them with a right checksum: "
        f"{found.refused} refused, the others are faces; {found.seconds:.0f} s"
    )
    return 0


def stream_errors(
    track: LandmarkTrack, rate: float, fps: float, frames: Iterable[int] | None = None
) -> StreamErrors:
    """What a stream of `rate` bytes a second, `fps` packets a second, does to a track's frames."""
    face, encoder = RestingFace(find_neutral(track)), Encoder(1, rate, fps)
    flat, deep, sizes = [], [], []
    for frame in frames if frames is not None else range(len(track)):
        if not track.valid[frame]:
            continue
        state = face.state(0.0, track.points[frame])
        data = encoder.encode(0, state)
        again = decode(data).state
        assert again is not None
        apart = moved(again, face.neutral) - moved(state, face.neutral)
        flat.append(np.linalg.norm(apart[:, :2], axis=1).mean())
        deep.append(np.linalg.norm(apart, axis=1).mean())
        sizes.append(len(data))
    unit = interocular(face.neutral)
    return StreamErrors(
        float(np.mean(flat)) / unit, float(np.mean(deep)) / unit, max(sizes), float(np.mean(sizes))
    )


def moved(state: FaceState, neutral: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Where the landmarks are (478, 3), head and face moved, in canonical units."""
    pose, shape = motion_of(canonical_face().mean if neutral is None else neutral, state).at(0)
    return pose.apply(shape)


def fuzzed(packets: Sequence[bytes], count: int, rng: np.random.Generator) -> Fuzzed:
    """Give the decoder `count` damaged packets; anything but a face or a refusal is raised."""
    found, begun = Fuzzed(), time.perf_counter()
    for data, is_sealed in _damaged(packets, count, rng):
        found.tried += 1
        found.sealed += is_sealed
        try:
            state = decode(data).state
        except MalformedPacket:
            found.refused += 1
            found.sealed_refused += is_sealed
        else:
            assert state is None or np.isfinite(state.pose).all()
            assert state is None or float(np.abs(state.change).max()) <= 3.0
    found.seconds = time.perf_counter() - begun
    return found


def _damaged(
    packets: Sequence[bytes], count: int, rng: np.random.Generator
) -> Iterator[tuple[bytes, bool]]:
    """Damaged packets, every other one with its checksum set right, as who means harm would."""
    for number in range(count):
        data = bytearray(packets[int(rng.integers(len(packets)))])
        kind = int(rng.integers(6))
        if kind == 0:
            for at in rng.integers(len(data), size=int(rng.integers(1, 9))):
                data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            for at in rng.integers(10, len(data), size=int(rng.integers(1, 30))):
                data[at] = int(rng.integers(256))
        elif kind == 2:
            del data[int(rng.integers(len(data))) :]
        elif kind == 3:
            data += rng.bytes(int(rng.integers(1, 1200)))
        elif kind == 4:
            data[14:] = rng.bytes(len(data) - 14)
        else:
            data[10:12] = rng.bytes(2)
        is_sealed = bool(number % 2) and len(data) >= 14
        if is_sealed:
            blank = bytes(data[:12]) + b"\0\0" + bytes(data[14:])
            data[12:14] = struct.pack(">H", zlib.crc32(blank) & 0xFFFF)
        yield bytes(data), is_sealed


def _some_packets(track: LandmarkTrack) -> list[bytes]:
    face = RestingFace(find_neutral(track))
    encoder = Encoder(1, 2000, FPS)
    frames = np.flatnonzero(track.valid)[::10]
    return [encoder.encode(40 * int(i), face.state(0.0, track.points[i])) for i in frames]


def _video_rates(clip: Path, track: LandmarkTrack, errors: Sequence[float]) -> list[float]:
    """Bytes a second of H.264 whose faces, found again, err as much, each in kB; NaN: beyond."""
    pictures = [picture for _, picture in movie_pictures(clip, Reading())]
    rate = float(track.rate)
    unit = np.median([interocular(points) for points in track.points[track.valid]])
    rates, found = [], []
    for crf in CRFS:
        data = _encoded(pictures, rate, crf)
        path = Path(f"{clip.stem}.{crf}.mp4")
        again = _captured(data, path)
        both = again.valid & track.valid[: len(again)]
        apart = again.points[both] - track.points[: len(again)][both]
        found.append(float(np.linalg.norm(apart[..., :2], axis=2).mean() / unit))
        rates.append(len(data) / len(pictures) * rate / 1000)
    # Rising errors, falling rates: between two of them the logarithm of the rate goes evenly.
    out = []
    for error in errors:
        inside = found[0] <= error <= found[-1]
        log_rate = np.interp(error, found, np.log(rates))
        out.append(float(np.exp(log_rate)) if inside else float("nan"))
    return out


def _captured(data: bytes, name: Path) -> LandmarkTrack:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return capture_footage(path).track


def _encoded(pictures: Sequence[NDArray[np.uint8]], rate: float, crf: int) -> bytes:
    """The pictures as H.264 for a conversation: no look-ahead, a key frame every two seconds."""
    from fractions import Fraction

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), "preset": "medium", "tune": "zerolatency", "g": "50"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def _print_row(name: str, row: Iterable[float]) -> None:
    *errors, high, low = row
    cells = "".join(f"{100 * error:13.2f}%" for error in errors)
    print(f"{name:24s}{cells}   {high:8.1f} / {low:.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
