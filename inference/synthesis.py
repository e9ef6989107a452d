# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesis: a portrait and a track in, head frames out; every frame on its own, many at once.

A frame depends on its own landmarks alone, never on the frame before: chunks of a range, a
resumed run and one long run write the same bytes. Each thread makes whole frames, so warping,
network, compositing and writing of neighbouring frames overlap without stages or queues.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.colour.match import ColourMatch, check_match, colour_match, graded_portrait
from inference.composite import Pixels, confine, face_region, feather, lay_over, merge
from inference.errors import Cancelled, InputError
from inference.files import file_error
from inference.frames import FORMATS, encode_frame, encode_grey
from inference.generator.identity import person_vector
from inference.generator.inputs import generator_input
from inference.generator.model import Generator, load_generator
from inference.generator.person import open_person
from inference.job_motion import open_motion
from inference.jobs import LAYERS, TRANSFERS, SynthesizeJob
from inference.performance.retargeting.gains import check_gains
from inference.performance.retargeting.motion import Motion, track_motion
from inference.performance.retargeting.retarget import Retarget, retarget_absolute, retarget_motion
from inference.portrait import Portrait, open_portrait
from inference.progress import Progress
from inference.sidecar import open_frames, shared_mark
from inference.track import LandmarkTrack, fill_gaps
from inference.warp.mesh import WarpMesh, build_mesh
from inference.warp.mouths import OpenMouth, open_mouth
from inference.warp.warp import WarpSource, pose_target, warp, warp_plane, warp_source

STAGES = ("warp", "network", "composite", "write")


@dataclass(frozen=True)
class Synthesized:
    """made, kept: frames written now (or just their matte), and whole ones found from before.

    gaps: frames in which the driver's face was not seen. provider, reason: what the network ran
    on, and why. seconds: thread time by stage. wall: seconds from the first frame to the last.
    """

    made: int
    kept: int
    gaps: int
    provider: str
    reason: str
    training: str
    seconds: dict[str, float]
    wall: float


@dataclass(frozen=True)
class Scene:
    """Everything that frames share: made once, then only read, by all threads.

    identity: (256,) the person's vector. small, full: the portrait's crop at the network's size
    and at its own, graded if the match says so. alpha: (H, W) the head layer's own, 0 to 1.
    match: of the colours, or None. below: the portrait that the layer "full" lies over, graded as
    the head is; None: the portrait. mark: the hash of what decides all frames' pixels.
    """

    portrait: Portrait
    retarget: Retarget
    generator: Generator
    identity: NDArray[np.float32]
    mesh: WarpMesh
    small: WarpSource
    full: WarpSource
    alpha: NDArray[np.float32]
    layer: str
    match: ColourMatch | None = None
    below: Portrait | None = None
    mark: bytes = b""


@dataclass
class StageClock:
    """Adds up the time that threads spend in each stage."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[name] += time.perf_counter() - start


def synthesize(
    job: SynthesizeJob,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Synthesized:
    """Make the job's frames that are not there yet.

    Raises InputError for what the user can mend, Cancelled, and LikenessError for a full disk.
    Frames that were finished before an error are whole and are kept by the next run.
    """
    track, motion = open_motion(job)
    scene = build_scene(job, track, motion)
    frames = _frame_range(job, len(track))
    targets: dict[int, NDArray[np.float32]] = {}
    for frame in frames:
        targets[frame] = scene.retarget(frame)
        if cancelled():
            raise Cancelled(f"{job.out}: cancelled before the first new frame")
    scene = replace(scene, retarget=targets.__getitem__)
    clock = StageClock()
    start = time.perf_counter()
    with open_frames(job, scene.portrait, track, scene.mark, scene.match) as folder:
        wanted = folder.missing(targets)
        kept = len(frames) - len(wanted)

        def make(frame: int) -> None:
            path, matte = folder.frame(frame), folder.matte_of(frame)
            if job.matte and not matte.is_file():
                made = encode_grey(face_matte(scene, frame))
                folder.put(matte, made, frame, targets[frame])
            if path.is_file():  # also where another run of the same job was faster
                return
            rgb, alpha = render_frame(scene, frame, clock)
            with clock.stage("write"):
                made = encode_frame(rgb, alpha, job.format)
                folder.put(path, made, frame, targets[frame])

        cv2.setNumThreads(1)  # frames run in parallel; threads inside of each would only wait
        for done in _in_parallel(make, folder.in_turn(wanted), cancelled, job.out):
            if progress:
                progress(kept + done, len(frames))
    gaps = int((~track.valid[frames.start : frames.stop]).sum())
    return Synthesized(
        len(wanted), kept, gaps, scene.generator.provider, scene.generator.reason,
        scene.generator.training, dict(clock.seconds), time.perf_counter() - start,
    )  # fmt: skip


def build_scene(job: SynthesizeJob, track: LandmarkTrack, motion: Motion | None = None) -> Scene:
    """Check the job's choices and prepare what all frames share.

    track: the driver's landmarks. motion: what to perform; None: the track's.
    """
    for value, known in (
        (job.transfer, TRANSFERS), (job.layer, LAYERS), (job.format, FORMATS),
    ):  # fmt: skip
        if value not in known:
            raise InputError(f"'{value}' is not one of {', '.join(known)}")
    if job.model and job.person:
        raise InputError("a model and a person's folder were both given; choose one of them")
    check_gains(job.gains)
    check_match(job.match, job.match_strength)
    person = open_person(job.person) if job.person else None
    generator = load_generator(person.model if person else job.model or job.tier, job.provider)
    portrait = open_portrait(job.portrait[0], job.portrait_face)
    others = [open_portrait(path) for path in job.portrait[1:]]
    match = colour_match(job.match, job.match_strength, portrait)
    if job.transfer == "absolute":
        retarget = retarget_absolute(portrait.points, fill_gaps(track))
    else:
        motion = motion or track_motion(fill_gaps(track), job.neutral)
        retarget = retarget_motion(portrait.points, motion, job.gains, job.neutralize)
    crop, points = portrait.crop(), portrait.crop_points()
    mouth = open_mouth(portrait, others)
    full = warp_source(crop, points, mouth=mouth)
    small = _at_model_size(full, generator.size)
    below = None
    if match and match.grade:
        # The network sees the portrait as it is; what is shown of it is graded here, once.
        if job.layer == "full":
            below = graded_portrait(portrait, match.grade)
        if mouth:
            mouth = replace(mouth, pixels=match.grade.of_picture(mouth.pixels))
        full = warp_source(match.grade.of_picture(crop), points, mouth=mouth)
    size = (portrait.box.width, portrait.box.height)
    read = [*(each.picture.sha256 for each in (portrait, *others)), generator.sha256]
    if person:
        read.append(hashlib.sha256(person.identity.tobytes()).hexdigest())
    if match:
        read.append(match.sha256)
    return Scene(
        portrait=portrait,
        retarget=retarget,
        generator=generator,
        identity=person.identity if person else person_vector(generator, [portrait, *others]),
        mesh=build_mesh(points, size),
        small=small,
        full=full,
        alpha=feather(portrait, job.feather),
        layer=job.layer,
        match=match,
        below=below,
        mark=shared_mark(job, read),
    )


def render_frame(
    scene: Scene, frame: int, clock: StageClock
) -> tuple[Pixels, NDArray[np.float32] | None]:
    """One frame's picture (H, W, 3) and alpha (H, W), of the crop or of the whole portrait."""
    portrait, generator = scene.portrait, scene.generator
    size = (portrait.box.width, portrait.box.height)
    with clock.stage("warp"):
        corner = np.array([portrait.box.x, portrait.box.y, 0], np.float32)
        target = pose_target(scene.mesh, scene.retarget(frame) - corner, size)
        small, patches = warp(scene.small, target, size, interpolation=cv2.INTER_LINEAR)
        zoom = np.float32(generator.size) / np.array(size, np.float32)
        picture = generator_input(_rgb8(small), target.raster, target.points[:, :2] * zoom, patches)
    with clock.stage("network"):
        answer = generator.run(picture, scene.identity)
    with clock.stage("composite"):
        answer = confine(answer, target.points[:, :2] * zoom)
        residual = answer.flow / zoom
        if residual.any():
            small, _ = warp(scene.small, target, size, residual, cv2.INTER_LINEAR)
        full, _ = warp(scene.full, target, size, residual)
        match = scene.match.of_network if scene.match else None
        head = merge(answer, _rgb8(small), full, match)
        alpha = scene.alpha
        transparent = portrait.crop_alpha()
        if transparent is not None:
            top = np.iinfo(transparent.dtype).max
            alpha = alpha * (warp_plane(transparent, target, size, residual) / np.float32(top))
        if scene.layer == "head":
            return head, alpha
        whole, whole_alpha = lay_over(scene.below or portrait, head, scene.alpha)
        if whole_alpha is None:
            return whole, None
        return whole, whole_alpha.astype(np.float32) / np.iinfo(whole_alpha.dtype).max


def face_matte(scene: Scene, frame: int) -> NDArray[np.uint8]:
    """The region (H, W) in which the network may change the frame, 0 to 255; the layer's size."""
    portrait, side = scene.portrait, scene.generator.size
    box = portrait.box
    corner = np.array([box.x, box.y], np.float32)
    zoom = np.float32(side) / np.array((box.width, box.height), np.float32)
    region = face_region((scene.retarget(frame)[:, :2] - corner) * zoom, side)
    full = cv2.resize(region, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    grey = np.round(full * 255).astype(np.uint8)
    if scene.layer == "head":
        return grey
    left, top, right, bottom = portrait.visible()
    whole = np.zeros(portrait.picture.rgb.shape[:2], np.uint8)
    whole[box.y + top : box.y + bottom, box.x + left : box.x + right] = grey[top:bottom, left:right]
    return whole


def _at_model_size(full: WarpSource, size: int) -> WarpSource:
    """The crop as the network sees it: `size` x `size`, 8 bits."""
    mouth = full.mouth and OpenMouth(_rgb8(full.mouth.pixels), full.mouth.points)
    return warp_source(_rgb8(full.pixels), full.points, (size, size), mouth)


def _rgb8(pixels: Pixels) -> NDArray[np.uint8]:
    return (pixels if pixels.dtype == np.uint8 else pixels // 257).astype(np.uint8, copy=False)


def _frame_range(job: SynthesizeJob, count: int) -> range:
    first, last = job.frames or (0, count - 1)
    if not 0 <= first <= last < count:
        raise InputError(
            f"{job.track or job.performance}: has the frames 0 to {count - 1}, not {first}-{last}"
        )
    return range(first, last + 1)


def _in_parallel(
    make: Callable[[int], None], frames: list[int], cancelled: Callable[[], bool], out: Path
) -> Iterator[int]:
    """Make frames on all cores, at most two a thread in flight; yields the number done."""
    threads = max(2, min(4, os.cpu_count() or 2))
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
