# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesis: a portrait and a track in, head frames out; every frame on its own, many at once.

A frame depends on its own landmarks alone, never on the frame before: chunks of a range, a
resumed run and one long run write the same bytes. Each thread makes whole frames, so warping,
network, compositing and writing of neighbouring frames overlap without stages or queues.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import Cancelled, InputError
from inference.files import file_error
from inference.frames import encode_frame
from inference.job_motion import open_motion
from inference.jobs import SynthesizeJob
from inference.mattes import encode_mattes
from inference.png import encode_png
from inference.progress import Progress
from inference.provenance.facts import packet
from inference.provenance.origin import of_layer
from inference.provenance.preview import mark_preview
from inference.provenance.xmp import with_xmp
from inference.render import StageClock, face_matte, render
from inference.scene import build_scene
from inference.sidecar import open_frames
from inference.versions import choose_version

# Pixels of a crop from which on frames are made one by one: each takes some 50 bytes a pixel.
_LARGE = 6_000_000


@dataclass(frozen=True)
class Synthesized:
    """made, kept: frames written now (or just their matte), and whole ones found from before.

    gaps: frames in which the driver's face was not seen. provider, reason: what the network ran
    on, and why. seconds: thread time by stage. wall: seconds from the first frame to the last.
    out: the folder they lie in. words: what to look at in the matte, or "".
    """

    made: int
    kept: int
    gaps: int
    provider: str
    reason: str
    training: str
    seconds: dict[str, float]
    wall: float
    out: Path
    words: str = ""


def synthesize(
    job: SynthesizeJob,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    preparing: Progress | None = None,
) -> Synthesized:
    """Make the job's frames that are not there yet.

    preparing: hears, to 100, of the portrait's matte and plate, where they are made first.

    Raises InputError for what the user can fix, Cancelled, and LikenessError for a full disk.
    Frames that were finished before an error are whole and are kept by the next run.
    """
    track, motion = open_motion(job)
    scene = build_scene(job, track, motion, preparing, cancelled)
    frames = _frame_range(job, len(track))
    targets: dict[int, NDArray[np.float32]] = {}
    for frame in frames:
        targets[frame] = scene.retarget(frame)
        if cancelled():
            raise Cancelled(f"{job.out}: cancelled before the first new frame")
    scene = replace(scene, retarget=targets.__getitem__)
    clock = StageClock()
    start = time.perf_counter()
    looks, said = scene.teeth.looks, packet(of_layer(scene.facts, job.layer))
    job, begun = choose_version(job, scene.mark, targets, looks)
    with open_frames(
        job, scene.portrait, track, scene.mark, scene.match, begun, looks, scene.facts
    ) as folder:
        wanted = folder.missing(targets)
        kept = len(frames) - len(wanted)

        def make(frame: int) -> None:
            path = folder.frame(frame)
            matte = folder.matte_of(frame) if folder.matte else None
            if matte and matte.is_file():  # also where another run of the same job was faster
                matte = None
            if matte and job.matte == "face":
                data = with_xmp(encode_png(face_matte(scene, frame)), said)
                folder.put(matte, data, frame, targets[frame])
                matte = None
            if path.is_file() and not matte:
                return
            made = render(scene if matte else replace(scene, parts=None), frame, clock)
            with clock.stage("write"):
                if matte and made.mattes:
                    data = with_xmp(encode_mattes(made.mattes), said)
                    folder.put(matte, data, frame, targets[frame])
                if not path.is_file():
                    if job.preview:
                        shown = mark_preview(made.rgb, made.alpha, scene.portrait)
                        made = replace(made, rgb=shown[0], alpha=shown[1])
                    data = with_xmp(encode_frame(made.rgb, made.alpha, job.format), said)
                    folder.put(path, data, frame, targets[frame])

        box = scene.portrait.box
        threads = max(2, min(4, os.cpu_count() or 2)) if box.width * box.height < _LARGE else 1
        # Where frames run in parallel, threads inside of each would only wait.
        cv2.setNumThreads(1 if threads > 1 else -1)
        for done in _in_parallel(make, folder.in_turn(wanted), cancelled, job.out, threads):
            if progress:
                progress(kept + done, len(frames))
    gaps = int((~track.valid[frames.start : frames.stop]).sum())
    return Synthesized(
        len(wanted),
        kept,
        gaps,
        scene.generator.provider,
        scene.generator.reason,
        scene.generator.training,
        dict(clock.seconds),
        time.perf_counter() - start,
        job.out,
        scene.words,
    )


def _frame_range(job: SynthesizeJob, count: int) -> range:
    first, last = job.frames or (0, count - 1)
    if not 0 <= first <= last < count:
        raise InputError(
            f"{job.track or job.performance}: has the frames 0 to {count - 1}, not {first}-{last}"
        )
    return range(first, last + 1)


def _in_parallel(
    make: Callable[[int], None],
    frames: list[int],
    cancelled: Callable[[], bool],
    out: Path,
    threads: int,
) -> Iterator[int]:
    """Make frames in so many threads, at most two each in flight; yields the number done."""
    waiting = iter(frames)
    running: set[Future[None]] = set()
    done = 0
    pool = ThreadPoolExecutor(threads, "frame")
    try:
        while True:
            if cancelled():
                raise Cancelled(f"{out}: cancelled; {done} new frames are whole and are kept")
            for frame in waiting:
                running.add(pool.submit(make, frame))
                if len(running) >= threads + 1:
                    break
            if not running:
                return
            finished, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                done += 1
            if finished:
                yield done
    except OSError as error:
        raise file_error(error, out / "frame") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
