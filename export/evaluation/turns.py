# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a head turns: a frame of a clip moved to the pose of another frame, by degrees of turn.

The flat mesh warp, laid over the portrait, against the head in depth, laid over its plate. Both
get the real landmarks of the frame they ought to become; no network takes part.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data.clips import ClipFile
from export.evaluation.measures import psnr, ssim_map
from inference.capture.capture import capture_footage
from inference.capture.persons import PersonFinder
from inference.capture.video import open_footage, read_frames
from inference.composite import feather, lay_over
from inference.head.frame import draw_head, lay_head_over, pose_head
from inference.head.source import HeadSource, build_head
from inference.landmarks import OVAL
from inference.layers.layers import Layers, portrait_layers
from inference.performance.face.pose import fit_poses
from inference.pictures import StillPicture
from inference.portrait import Portrait, crop_box
from inference.track import LandmarkTrack
from inference.warp.mesh import WarpMesh, build_mesh
from inference.warp.warp import WarpSource, pose_target, warp, warp_plane, warp_source

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]
Scores = dict[str, float]

BINS = ((0, 6), (6, 10), (10, 15), (15, 25), (25, 60))  # degrees of yaw between the two frames
METHODS = ("flat", "head")
_RUN = 12  # neighbouring frames in which silhouettes are watched for shaking
_NEAR = 1.25  # the head ends this far from the face's middle, in faces
_SHOULDERS = 0.06  # below the chin by so much, in faces, neck and torso begin
_OUTSIDE = 0.02  # alpha below which no person is


@dataclass(frozen=True)
class Pair:
    """Two frames of a clip, and the degrees of yaw from the first to the second."""

    source: int
    target: int
    yaw: float


@dataclass(frozen=True)
class PairResult:
    """scores: method -> measure -> value. seconds: method -> of one frame's warp and composite."""

    person: str
    pair: Pair
    scores: dict[str, Scores]
    seconds: dict[str, float]


@dataclass(frozen=True)
class _Mover:
    """A source frame, ready to be moved by either method."""

    portrait: Portrait
    layers: Layers
    own: Plane
    mesh: WarpMesh
    feather: Plane
    flat: WarpSource
    alpha: Picture
    head: HeadSource

    def move(self, method: str, target: NDArray[np.float32]) -> tuple[Picture, Plane]:
        """The whole picture and the person's alpha in it."""
        portrait = self.portrait
        box = portrait.box
        alpha = np.zeros(portrait.picture.rgb.shape[:2], np.float32)
        target = target - np.array([box.x, box.y, 0], np.float32)
        if method == "flat":
            size = (box.width, box.height)
            pose = pose_target(self.mesh, target, size)
            pixels, _ = warp(self.flat, pose, size)
            own = warp_plane(self.alpha, pose, size).astype(np.float32) / 255
            whole, _ = lay_over(portrait, pixels, self.feather)
        else:
            frame = draw_head(self.head, pose_head(self.head, target))
            own = frame.alpha
            whole = lay_head_over(portrait, self.layers.plate, self.head, frame)
        left, top, right, bottom = portrait.visible()
        alpha[:] = self.own
        alpha[box.y + top : box.y + bottom, box.x + left : box.x + right] = own[
            top:bottom, left:right
        ]
        return whole.astype(np.uint8), alpha


def find_pairs(track: LandmarkTrack, each: int) -> list[Pair]:
    """Pairs of one shot's frames, `each` of every bin at most, spread over the clip."""
    valid = np.flatnonzero(track.valid)
    frames = valid[:: max(1, len(valid) // 40)]
    found: dict[int, list[Pair]] = defaultdict(list)
    for source in frames.tolist():
        rotation = fit_poses(track.points[source], track.points[frames]).rotation
        yaws = np.degrees(np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2]))
        for target, yaw in zip(frames.tolist(), yaws.tolist(), strict=True):
            same_shot = not any(
                min(source, target) < cut <= max(source, target) for cut in track.cuts
            )
            if source != target and same_shot:
                for index, (low, high) in enumerate(BINS):
                    if low <= abs(yaw) < high:
                        found[index].append(Pair(source, target, yaw))
    pairs = []
    for candidates in found.values():
        places = np.linspace(0, len(candidates) - 1, min(each, len(candidates)))
        pairs += [candidates[place] for place in sorted(set(places.round().astype(int).tolist()))]
    return pairs


def measure_clip(clip: ClipFile, each: int) -> tuple[list[PairResult], dict[str, list[float]]]:
    """All pairs of a clip; and by method (and "real") the silhouette's shaking in a run."""
    track = capture_footage(clip.path).track
    pairs = find_pairs(track, each)
    runs = _runs(track, pairs)
    wanted = {frame for pair in pairs for frame in (pair.source, pair.target)}
    wanted |= {frame for run in runs.values() for frame in run}
    pictures = {
        frame.index: frame.picture
        for frame in read_frames(open_footage(clip.path), 0, max(wanted))
        if frame.index in wanted
    }
    results = []
    shaking: dict[str, list[float]] = defaultdict(list)
    with PersonFinder() as finder:
        movers: dict[int, _Mover] = {}
        for pair in pairs:
            if pair.source not in movers:
                movers[pair.source] = _mover(clip, track, pair.source, pictures)
            mover, points = movers[pair.source], track.points[pair.target]
            real = pictures[pair.target]
            person = finder.mask(real)
            scores, seconds = {}, {}
            for method in METHODS:
                start = time.thread_time()
                made, alpha = mover.move(method, points)
                seconds[method] = time.thread_time() - start
                scores[method] = _compare(made, alpha, real, person, points, mover)
            results.append(PairResult(clip.identity, pair, scores, seconds))
        for source, run in runs.items():
            masks = {"real": [finder.mask(pictures[frame]) for frame in run]}
            for method in METHODS:
                masks[method] = [movers[source].move(method, track.points[f])[1] for f in run]
            for name, planes in masks.items():
                shaking[name].append(_second_difference(planes))
    return results, shaking


def _mover(
    clip: ClipFile, track: LandmarkTrack, frame: int, pictures: dict[int, Picture]
) -> _Mover:
    picture, points = pictures[frame], track.points[frame]
    box = crop_box(points, track.size)
    portrait = Portrait(Path(clip.name), StillPicture(picture, None), points, box)
    layers = portrait_layers(portrait)
    own = layers.alpha.astype(np.float32) / np.iinfo(layers.alpha.dtype).max
    head = build_head(portrait, own, layers.person, layers.plate, beyond=layers.beyond)
    flat = warp_source(portrait.crop(), portrait.crop_points())
    alpha = Portrait(portrait.path, StillPicture(picture, layers.alpha), points, box).crop_alpha()
    assert alpha is not None
    mesh = build_mesh(portrait.crop_points(), (box.width, box.height))
    moving = alpha.astype(np.uint8)
    return _Mover(portrait, layers, own, mesh, feather(portrait), flat, moving, head)


def _compare(
    made: Picture,
    alpha: Plane,
    real: Picture,
    person: Plane,
    points: NDArray[np.float32],
    mover: _Mover,
) -> Scores:
    similar = ssim_map(made, real)
    oval = points[list(OVAL), :2]
    face = float(np.ptp(oval, axis=0).max())
    middle = (oval.min(axis=0) + oval.max(axis=0)) / 2
    y, x = np.indices(person.shape)
    near = np.hypot(x + 0.5 - middle[0], y + 0.5 - middle[1]) < _NEAR * face
    chin = oval[:, 1].max() + _SHOULDERS * face
    there = person > 0.5
    head = near & there & (y < chin)
    body = there & (y >= chin)
    ours = alpha > 0.5
    empty = (alpha < _OUTSIDE) & (mover.own < _OUTSIDE)
    still = mover.portrait.picture.rgb8().astype(np.float32)
    moved = np.abs(made - still).mean(axis=2)
    crop = near & (y < chin + 0.3 * face)
    return {
        "psnr": psnr(made, real),
        "ssim": float(similar.mean()),
        "psnr_head": psnr(made[head], real[head]),
        "ssim_head": float(similar[head].mean()),
        "psnr_body": psnr(made[body], real[body]) if body.any() else float("nan"),
        "iou": float((ours & there & crop).sum() / max(1, ((ours | there) & crop).sum())),
        "background": float(moved[empty].mean()) if empty.any() else float("nan"),
    }


def _runs(track: LandmarkTrack, pairs: Iterable[Pair]) -> dict[int, list[int]]:
    """For one source in each bin, the frames around its target."""
    runs: dict[int, list[int]] = {}
    for low, high in BINS:
        for pair in pairs:
            around = list(range(pair.target - _RUN // 2, pair.target + _RUN // 2))
            inside: bool = around[0] >= 0 and around[-1] < len(track)
            inside = inside and bool(track.valid[around].all())
            inside = inside and not any(around[0] < c <= around[-1] for c in track.cuts)
            if low <= abs(pair.yaw) < high and pair.source not in runs and inside:
                runs[pair.source] = around
                break
    return runs


def _second_difference(planes: list[Plane]) -> float:
    stack = np.stack([cv2.resize(p, (128, 128), interpolation=cv2.INTER_AREA) for p in planes])
    return float(np.abs(np.diff(stack, n=2, axis=0)).mean())


@dataclass(frozen=True)
class Turns:
    """results: of all pairs. shaking: method -> the silhouette's second difference over the real
    one's, mean over runs.
    """

    results: list[PairResult]
    shaking: dict[str, float]


def measure_turns(
    clips: list[ClipFile], each: int, progress: Callable[[int, int], None] = lambda a, b: None
) -> Turns:
    """Measure every clip. Raises InputError when one cannot be read."""
    results: list[PairResult] = []
    shaking: dict[str, list[float]] = defaultdict(list)
    cv2.setNumThreads(1)  # a frame is made on one core: the time of its thread tells its cost
    for done, clip in enumerate(clips):
        progress(done, len(clips))
        found, shakes = measure_clip(clip, each)
        results += found
        for name, values in shakes.items():
            shaking[name] += values
    progress(len(clips), len(clips))
    real = np.array(shaking.pop("real", []))
    means = {name: float(np.mean(values) / real.mean()) for name, values in shaking.items()}
    return Turns(results, means)


def table(turns: Turns) -> str:
    """The figures as Markdown: a row a bin and method, every pair of equal weight."""
    measures = ("psnr", "ssim", "psnr_head", "ssim_head", "psnr_body", "iou", "background")
    lines = [
        "| yaw | pairs (people) | | " + " | ".join(measures) + " |",
        "|---" * (3 + len(measures)) + "|",
    ]
    for low, high in BINS:
        rows = [r for r in turns.results if low <= abs(r.pair.yaw) < high]
        if not rows:
            continue
        people = len({row.person for row in rows})
        for method in METHODS:
            means = [np.nanmean([row.scores[method][name] for row in rows]) for name in measures]
            cells = " | ".join(
                f"{value:.{2 if name.startswith(('psnr', 'back')) else 3}f}"
                for name, value in zip(measures, means, strict=True)
            )
            lines.append(f"| {low}-{high} | {len(rows)} ({people}) | {method} | {cells} |")
    shakes = ", ".join(f"{name} {value:.3f}" for name, value in turns.shaking.items())
    times = ", ".join(
        f"{method} {1000 * np.median([r.seconds[method] for r in turns.results]):.1f} ms"
        for method in METHODS
    )
    return (
        "\n".join(
            [
                *lines,
                "",
                f"Silhouette's second difference over the real one's: {shakes}.",
                f"Median thread time of a frame's warp and composite: {times}.",
            ]
        )
        + "\n"
    )
