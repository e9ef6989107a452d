# SPDX-License-Identifier: GPL-3.0-or-later
"""Live by figures and by eye: `build.py bench --live`, or python -m tests.benchmarks.live.

A movie of 1280 x 720 is played at its own pace, as a camera would give it, into a portrait with a
crop of about 512 pixels, and the stages' times are printed; then the same from a stream on this
machine, so that only the receiver's stages count. With --sheet a clip drives portraits live,
straight and over a stream that loses a twentieth of its packets, and what is shown is kept every
half second.
"""

from __future__ import annotations

import argparse
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.demo import PORTRAIT
from inference.drawing import draw_landmarks
from inference.frames import encode_frame
from inference.live.chain import Live
from inference.live.driver import Driver, From, Wishes
from inference.live.figures import figures_table
from inference.live.performer import Performer, Performing
from inference.live.sending import Out, send_all
from inference.outputs import claim_folder
from inference.portrait import Box
from inference.stream.sockets import Caller
from inference.track import load_track
from tests.benchmarks.bench import BENCH, portrait_with_crop, write_performance

Pixels = NDArray[np.uint8]

EVERY = 0.5  # seconds between two pictures of the sheet
COLUMNS, SIDE = 9, 200
LOST = 0.05


class Kept:
    """Keeps the head as it was shown every so many seconds, made small."""

    def __init__(self, box: Box, every: float = np.inf) -> None:
        self.pictures: list[Pixels] = []
        self._box, self._every = box, every

    def show(self, picture: Pixels, seconds: float, _delay: float) -> bool:
        if seconds >= self._every * len(self.pictures):
            self.pictures.append(_small(picture, self._box))
        return True

    def is_wanted(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to end."""


class Lossy:
    """Loses every so many packets, at random."""

    def __init__(self, out: Out, share: float) -> None:
        self._out, self._share = out, share
        self._random = np.random.default_rng(3)

    def send(self, packet: bytes) -> None:
        if self._random.random() >= self._share:
            self._out.send(packet)

    def close(self) -> None:
        self._out.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run; default: 60")
    parser.add_argument("--sheet", type=Path, metavar="CLIP", help="also the sheet, of this clip")
    parser.add_argument("--portraits", type=Path, nargs="+", default=[PORTRAIT], metavar="P")
    options = parser.parse_args()
    claim_folder(options.out, BENCH)
    if options.sheet:
        sheet = make_sheet(options.sheet, options.portraits, options.out / "live.track.npz")
        (options.out / "live.png").write_bytes(encode_frame(sheet, None, "png"))
        print(options.out / "live.png")
        return 0
    movie = options.out / "performance.mp4"
    write_performance(movie)
    performer = Performer(Performing(portrait_with_crop(options.out / "portrait.png")))
    print(f"runs on {performer.words}")
    for what, run in (("a camera's pictures", straight), ("a stream", over_stream)):
        begun = _megabytes()
        live, driver = run(movie, performer, Kept(performer.head), options.seconds)
        print(
            f"\nFrom {what}: {live.figures.shown} frames shown, {driver.dropped} pictures dropped"
        )
        print(figures_table(live.figures))
        print(f"memory at most {_megabytes():.0f} MB, {_megabytes() - begun:.0f} more than before")
    return 0


def straight(clip: Path, performer: Performer, show: Kept, seconds: float) -> tuple[Live, Driver]:
    """The clip as camera drives the portrait for so long."""
    driver = Driver(From(str(clip), again=True), Wishes())
    live = Live(driver, performer, Wishes())
    live.run(show, _after(seconds))
    return live, driver


def over_stream(
    clip: Path, performer: Performer, show: Kept, seconds: float, lost: float = 0.0
) -> tuple[Live, Driver]:
    """The same over UDP on this machine, with a share of the packets lost."""
    driver = Driver(From("udp:127.0.0.1:0"), Wishes())
    assert driver.address is not None
    out = Lossy(Caller(driver.address, None), lost)
    sender = Driver(From(str(clip), again=True), Wishes())
    ends = _after(seconds)
    thread = threading.Thread(target=send_all, args=(sender, out), kwargs={"stopped": ends})
    thread.start()
    live = Live(driver, performer, Wishes())
    live.run(show, ends)
    thread.join()
    return live, driver


def make_sheet(clip: Path, portraits: list[Path], track: Path) -> Pixels:
    """A row of the driver's landmarks, and two for each portrait: straight, and with losses.

    track: of the clip, written where it is not there yet.
    """
    from inference.capture.capture import run_capture
    from inference.jobs import CaptureJob

    if not track.is_file():
        run_capture(CaptureJob(clip, track))
    seen = load_track(track)
    seconds = EVERY * COLUMNS + 0.4
    row = []
    for column in range(COLUMNS):
        frame = min(len(seen) - 1, round(column * EVERY * float(seen.rate)))
        zoom = 512 / seen.size[1]
        drawn = draw_landmarks(seen.points[frame, :, :2] * zoom, bool(seen.valid[frame]))
        row.append(_small(drawn, Box(0, 0, 512, 512)))
    rows = [np.hstack(row)]
    for portrait in portraits:
        performer = Performer(Performing(portrait, crop=256))
        for run, words in ((straight, "straight"), (_with_losses, "with losses")):
            kept = Kept(performer.head, EVERY)
            live, driver = run(clip, performer, kept, seconds)
            counts = driver.receiver.counts if driver.receiver else None
            lost = f", {counts.lost} of {counts.received + counts.lost} lost" if counts else ""
            print(f"{portrait.stem} {words}: {live.figures.shown} frames shown{lost}")
            pictures = kept.pictures[:COLUMNS]
            pictures += [np.zeros((SIDE, SIDE, 3), np.uint8)] * (COLUMNS - len(pictures))
            rows.append(np.hstack(pictures))
    return np.vstack(rows)


def _with_losses(
    clip: Path, performer: Performer, show: Kept, seconds: float
) -> tuple[Live, Driver]:
    return over_stream(clip, performer, show, seconds, LOST)


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _small(picture: Pixels, box: Box) -> Pixels:
    """A square of the picture that fits into the box, SIDE pixels."""
    side = min(box.width, box.height, *picture.shape[:2])
    top, left = (
        min(max(0, corner + (length - side) // 2), limit - side)
        for corner, length, limit in (
            (box.y, box.height, picture.shape[0]), (box.x, box.width, picture.shape[1]),
        )
    )  # fmt: skip
    square = picture[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
