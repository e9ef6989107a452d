# SPDX-License-Identifier: GPL-3.0-or-later
"""What the invisible mark survives, as a table, and how often it is seen where there is none.

    python -m tests.benchmarks.mark --out DIR [--portrait P ...] [--track T.track.npz]
            [--frames A-B] [--strength S] [--unmarked CLIP ...]

Synthesizes each portrait with and without its mark, treats the marked frames as footage is treated,
and looks for the mark in the movie. Writes DIR/mark.json and prints a table: seconds in which the
mark was read by themselves, of all. `--unmarked` names real clips, in which none may be found.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from inference.demo import PORTRAIT, TRACK
from inference.jobs import SynthesizeJob
from inference.mark.detect import detect_mark
from inference.mark.embed import payload_of
from inference.pictures import read_picture
from inference.portrait import open_portrait
from inference.synthesis import synthesize
from inference.track import load_track

Frame = NDArray[np.uint8]
Change = Callable[[Frame], Frame]


@dataclass(frozen=True)
class Treatment:
    """change: of each frame. quality: the crf of the H.264 after it; None: no loss. rate: what it
    is played at, times the frames' own; frames are dropped or doubled.
    """

    change: Change | None = None
    quality: int | None = None
    rate: Fraction = Fraction(1)


@dataclass(frozen=True)
class Row:
    """One portrait, one treatment. crop: its head's side in pixels. found: of `seconds`, in which
    the right mark was read; whole: it was read over all of them together.
    """

    portrait: str
    crop: int
    treatment: str
    found: int
    seconds: int
    whole: bool


def halved(frame: Frame) -> Frame:
    return _sized(frame, 0.5)


def cropped(frame: Frame) -> Frame:
    """Without a fifth of its width and height."""
    height, width = frame.shape[:2]
    return frame[height // 10 : height - height // 10, width // 10 : width - width // 10]


def graded(frame: Frame) -> Frame:
    """Gain 1.15 and gamma 1.25, then a little less contrast."""
    curve = 255 * np.minimum(1, (np.arange(256) / 255 * 1.15) ** (1 / 1.25) * 0.95)
    return np.round(curve).astype(np.uint8)[frame]


def blended(frame: Frame) -> Frame:
    """A quarter of another picture over it."""
    height, width = frame.shape[:2]
    other = np.full_like(frame, 60)
    other[:] = np.linspace(30, 200, width)[None, :, None]
    cv2.circle(other, (width // 2, height // 2), height // 3, (220, 120, 60), -1)
    return np.asarray(cv2.addWeighted(frame, 0.75, other, 0.25, 0), np.uint8)


TREATMENTS = {
    "none": Treatment(),
    "H.264 crf 18": Treatment(quality=18),
    "H.264 crf 23": Treatment(quality=23),
    "H.264 crf 28": Treatment(quality=28),
    "half the size": Treatment(halved),
    "crop of 20%": Treatment(cropped),
    "gain and gamma": Treatment(graded),
    "25% blend": Treatment(blended),
    "crop, grade, crf 23": Treatment(lambda frame: graded(cropped(frame)), 23),
    "half the size, crf 23": Treatment(halved, 23),
    "half the size, crf 28": Treatment(halved, 28),
    "24 frames a second": Treatment(rate=Fraction(4, 5)),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--portrait", type=Path, nargs="*", default=[PORTRAIT])
    parser.add_argument("--track", type=Path, default=TRACK)
    parser.add_argument("--frames", default="0-239")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--unmarked", type=Path, nargs="*", default=[])
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    first, last = map(int, options.frames.split("-"))
    rate = load_track(options.track).rate
    rows: list[Row] = []
    noise: dict[str, float] = {}
    for path in options.portrait:
        marked, plain = (
            _frames(path, options.track, options.out, (first, last), strength)
            for strength in (options.strength, 0.0)
        )
        portrait = open_portrait(path)
        noise[path.stem] = _psnr(marked, plain)
        for name, treatment in TREATMENTS.items():
            movie = options.out / "treated.mkv"
            _write(movie, marked, treatment, rate)
            report = detect_mark(movie)
            right = report.payload == payload_of(portrait.picture.sha256)
            found, crop = report.found if right else 0, portrait.box.width
            rows.append(Row(path.stem, crop, name, found, report.seconds, right))
            print(rows[-1], f"PSNR {noise[path.stem]:.1f} dB", flush=True)
    unmarked = {}
    for clip in options.unmarked:
        report = detect_mark(clip)
        unmarked[str(clip)] = (report.seconds, report.digits)
    content = {"psnr": noise, "rows": [asdict(row) for row in rows], "unmarked": unmarked}
    (options.out / "mark.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(_table(rows))
    if unmarked:
        seconds = sum(each for each, _ in unmarked.values())
        found = sum(bool(digits) for _, digits in unmarked.values())
        print(f"unmarked: {len(unmarked)} clips, {seconds} seconds, a mark in {found} of them")
    return 0


def _frames(
    portrait: Path, track: Path, out: Path, frames: tuple[int, int], strength: float
) -> list[Frame]:
    folder = out / f"{portrait.stem}-{strength:g}"
    synthesize(
        SynthesizeJob((portrait,), track, folder, layer="full", frames=frames, mark=strength)
    )
    names = [folder / f"full_{index:06d}.png" for index in range(frames[0], frames[1] + 1)]
    return [read_picture(name).rgb8() for name in names]


def _psnr(marked: list[Frame], plain: list[Frame]) -> float:
    pairs = zip(marked, plain, strict=True)
    errors = [((one.astype(np.float32) - other) ** 2).mean() for one, other in pairs]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def _write(path: Path, frames: list[Frame], treatment: Treatment, rate: Fraction) -> None:
    played = rate * treatment.rate
    count = int(len(frames) * treatment.rate)
    chosen = (frames[int(index / treatment.rate)] for index in range(count))
    with av.open(str(path), "w") as container:
        codec = "ffv1" if treatment.quality is None else "libx264"
        stream = container.add_stream(codec, rate=played)
        stream.pix_fmt = "bgr0" if treatment.quality is None else "yuv420p"
        if treatment.quality is not None:
            stream.options = {"crf": str(treatment.quality), "preset": "medium"}
        for index, frame in enumerate(chosen):
            changed = treatment.change(frame) if treatment.change else frame
            height, width = (length // 2 * 2 for length in changed.shape[:2])
            if index == 0:
                stream.width, stream.height = width, height
            even = np.ascontiguousarray(changed[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, "rgb24")))
        container.mux(stream.encode())


def _sized(frame: Frame, factor: float) -> Frame:
    how = cv2.INTER_AREA
    return np.asarray(cv2.resize(frame, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def _table(rows: list[Row]) -> str:
    heads = {row.portrait: f"{row.portrait}, {row.crop}" for row in rows}
    lines = [f"| treatment | {' | '.join(heads.values())} |", "|---" * (len(heads) + 1) + "|"]
    for name in TREATMENTS:
        cells = {
            row.portrait: f"{row.found}/{row.seconds}" + ("" if row.found or not row.whole else "*")
            for row in rows
            if row.treatment == name
        }
        lines.append(f"| {name} | {' | '.join(cells[each] for each in heads)} |")
    return "\n".join([*lines, "", "*: read only over all seconds together"])


if __name__ == "__main__":
    sys.exit(main())
