# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a portrait do what its driver does? Measured on landmarks, for every pair of the two.

Shapes are compared with the head's pose taken away; lengths are in units of the distance between
the eyes. An expression turns a triangle over when it faces the camera on the face that is turned
alike without expression, and no longer does with it: what a turn of the head hides by itself is no
fold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    CHIN,
    EYE_CORNERS,
    EYES,
    FOREHEAD,
    LEFT_BROW,
    MOUTH_LOWER,
    MOUTH_UPPER,
    RIGHT_BROW,
    interocular,
)
from inference.performance.face.pose import fit_pose
from inference.performance.retargeting.folds import facing, turned_over
from inference.performance.retargeting.motion import Motion, track_motion
from inference.performance.retargeting.resting import resting_face
from inference.performance.retargeting.retarget import retarget_motion
from inference.track import LandmarkTrack, fill_gaps

Points = NDArray[np.float32]
Series = NDArray[np.float64]

FOLLOWED = ("mouth", "eyes", "brows", "yaw", "pitch", "roll")
# A driver who moves less than this does not move: lengths, then degrees.
STILL = {"mouth": 0.03, "eyes": 0.01, "brows": 0.01, "yaw": 1.0, "pitch": 1.0, "roll": 1.0}
# Lips nearer to each other than this share of the eyes' distance are closed on the driver, and
# lids nearer than this share of their gap at rest: a detector never brings them quite together.
LIPS_CLOSED = 0.012
LIDS_CLOSED = 0.22
WIDEST_YAW = 35.0  # degrees
# A portrait whose lips are further apart than this has an expression of its own to take away.
PARTED = 0.03


@dataclass(frozen=True)
class Pair:
    """One driver on one portrait.

    correlation: by name of FOLLOWED. neutral: how far a neutral driver leaves the landmarks from
    the portrait's own, mean over the points. lips, lids: the widest gap while the driver's are
    closed, NaN when they never are. folds: triangles that an expression turned over, the most in a
    frame within 35 degrees of yaw. ms: to retarget a frame. neutralized: the portrait's own
    expression was taken away first.
    """

    driver: str
    portrait: str
    neutralized: bool
    correlation: dict[str, float]
    neutral: float
    lips: float
    lids: float
    folds: int
    ms: float


@dataclass(frozen=True)
class Driver:
    """A track, made ready once for all portraits.

    frames: those that are looked at. acted: what `follow` says of them. motion: since the found
    neutral; named: since the frame `calm`, the one most like it, as if a user had named it.
    """

    name: str
    frames: tuple[int, ...]
    acted: dict[str, Series]
    neutral: Points
    motion: Motion
    named: Motion
    calm: int


def make_driver(name: str, track: LandmarkTrack, every: int = 1) -> Driver:
    """every: look at each so-manieth frame only."""
    filled = fill_gaps(track)
    motion = track_motion(filled)
    calm = _calmest(track, motion.neutral)
    seen = np.flatnonzero(track.valid)[::every]
    acted = follow(track.points[seen], motion.neutral)
    frames = tuple(int(frame) for frame in seen)
    named = track_motion(filled, calm)
    return Driver(name, frames, acted, motion.neutral, motion, named, calm)


def compare(driver: Driver, portrait: str, points: Points, neutralize: bool = False) -> Pair:
    """Drive a portrait's landmarks (478, 3) and measure what comes of it."""
    at = retarget_motion(points, driver.motion, neutralize=neutralize)
    # The time of this thread alone: other work on the machine does not count.
    start = time.thread_time()
    made = np.stack([at(frame) for frame in driver.frames])
    ms = (time.thread_time() - start) / len(driver.frames) * 1000
    named = retarget_motion(points, driver.named, neutralize=neutralize)(driver.calm)
    # What the portrait looks like at rest: its own landmarks, but for an expression taken away.
    rest = resting_face(points) if neutralize else points
    acted, shown = driver.acted, follow(made, rest)
    correlation = {name: _correlation(name, acted[name], shown[name]) for name in FOLLOWED}
    unit, own = interocular(points[:, :2]), interocular(driver.neutral)
    lids = [
        _widest(shown[side][acted[side] < LIDS_CLOSED * lid_gap(driver.neutral, index) / own])
        for index, side in enumerate(("right lids", "left lids"))
    ]
    level = np.abs(shown["yaw"]) <= WIDEST_YAW
    return Pair(
        driver.name,
        portrait,
        neutralize,
        correlation,
        float(np.linalg.norm((named - rest)[:, :2], axis=1).mean()) / unit,
        _widest(shown["mouth"][acted["mouth"] < LIPS_CLOSED]),
        float(np.nan if np.isnan(lids).all() else np.nanmax(lids)),
        max((folded(rest, shape) for shape in made[level]), default=0),
        ms,
    )


def follow(points: Points, rest: Points) -> dict[str, Series]:
    """What a face does over the frames (F, 478, 3), each (F,): FOLLOWED and both eyes' lid gaps.

    rest: (478, 3), the same face at rest; angles are degrees from its pose.
    """
    rows: dict[str, list[float]] = {name: [] for name in (*FOLLOWED, "right lids", "left lids")}
    down = rest[CHIN] - rest[FOREHEAD]
    unit = interocular(rest)
    for shape in points:
        pose = fit_pose(rest, shape)
        face = pose.inverse().apply(shape)
        turn = np.degrees(cv2.Rodrigues(pose.rotation)[0].ravel())
        rows["pitch"].append(turn[0])
        rows["yaw"].append(turn[1])
        rows["roll"].append(turn[2])
        rows["mouth"].append(lip_gap(face) / unit)
        gaps = [lid_gap(face, index) / unit for index in range(2)]
        rows["right lids"].append(gaps[0])
        rows["left lids"].append(gaps[1])
        rows["eyes"].append(sum(gaps) / 2)
        rows["brows"].append(brow_height(face, down) / unit)
    return {name: np.array(values) for name, values in rows.items()}


def lip_gap(face: NDArray[np.floating]) -> float:
    """Mean distance of the inner lips between their corners."""
    gap = face[list(MOUTH_UPPER[2:-2])] - face[list(MOUTH_LOWER[2:-2])]
    return float(np.linalg.norm(gap, axis=1).mean())


def lid_gap(face: NDArray[np.floating], eye: int) -> float:
    """Mean distance of an eye's lids, 0 the right and 1 the left."""
    upper, lower, _ = EYES[eye]
    gap = face[list(upper[2:-2])] - face[list(lower[2:-2])]
    return float(np.linalg.norm(gap, axis=1).mean())


def brow_height(face: NDArray[np.floating], down: NDArray[np.floating]) -> float:
    """Height of the brows over the line of the eye corners.

    down: (3,), from the forehead to the chin at rest: the chin moves with the jaw.
    """
    corners = face[[index for pair in EYE_CORNERS for index in pair]].mean(axis=0)
    brows = face[[*RIGHT_BROW, *LEFT_BROW]].mean(axis=0)
    return float((corners - brows) @ down / np.linalg.norm(down))


def folded(rest: Points, face: Points) -> int:
    """How many triangles the expression of `face` turned over, both (478, 3)."""
    turned = fit_pose(rest, face).apply(rest)
    return int((facing(turned) & turned_over(face)).sum())


def parted(points: Points) -> bool:
    """Whether a portrait's lips (478, 3) are apart: closed ones need its expression taken away."""
    return lip_gap(points) > PARTED * interocular(points)


def compare_all(
    drivers: dict[str, LandmarkTrack],
    portraits: dict[str, Points],
    every: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Pair]:
    """Every driver on every portrait; one whose lips are parted as it is, and neutralized.

    every: look at each so-manieth frame only. progress: drivers done, of so many.
    """
    pairs: list[Pair] = []
    for index, (file, track) in enumerate(drivers.items()):
        driver = make_driver(file, track, every)
        for name, points in portraits.items():
            for neutralize in (False, True) if parted(points) else (False,):
                pairs.append(compare(driver, name, points, neutralize))
        progress(index + 1, len(drivers))
    return pairs


def report(pairs: list[Pair]) -> str:
    """The figures as Markdown: over all pairs, then by portrait."""
    lines = [
        f"{len({p.driver for p in pairs})} drivers on {len({p.portrait for p in pairs})} "
        "portraits. Correlations are the lowest (and the mean) over the pairs in which the "
        "driver moves at all; lengths are in per cent of the distance between the eyes, the "
        "largest over the pairs; folds are triangles turned over within 35 degrees of yaw, the "
        "most in any frame. Lips that the portrait itself holds apart close when its own "
        "expression is taken away first (neutralized); as it is, they stay its own.",
        "",
        "| portrait | " + " | ".join(FOLLOWED) + " | neutral | lips | lids | folds | ms |",
        "|---" * (len(FOLLOWED) + 6) + "|",
    ]
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        name = Path(pair.portrait).stem + (", neutralized" if pair.neutralized else "")
        groups.setdefault(name, []).append(pair)
    for name, group in [*groups.items(), ("**all**", pairs)]:
        # Lips that stay open by choice are not counted as lips that should have closed.
        closing = [p for p in group if p.neutralized or not _stays_open(p, pairs)]
        lips = [p.lips for p in closing]
        cells = [
            f"{np.nanmin(v):.3f} ({np.nanmean(v):.3f})"
            for v in ([p.correlation[key] for p in group] for key in FOLLOWED)
        ]
        cells += [f"{100 * max(p.neutral for p in group):.2f}"]
        cells += [f"{100 * _most(lips):.2f}" if lips else "own"]
        cells += [f"{100 * _most([p.lids for p in group]):.2f}"]
        cells += [str(max(p.folds for p in group)), f"{np.median([p.ms for p in group]):.2f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _stays_open(pair: Pair, pairs: list[Pair]) -> bool:
    return any(other.neutralized and other.portrait == pair.portrait for other in pairs)


def _most(values: list[float]) -> float:
    return float(np.nan if np.isnan(values).all() else np.nanmax(values))


def _widest(gaps: Series) -> float:
    return float(gaps.max()) if len(gaps) else float("nan")


def _calmest(track: LandmarkTrack, neutral: Points) -> int:
    """The frame most like the driver's neutral."""
    errors = np.full(len(track), np.inf)
    for frame in np.flatnonzero(track.valid):
        shape = fit_pose(track.points[frame], neutral).apply(track.points[frame])
        errors[frame] = np.linalg.norm(shape - neutral, axis=1).mean()
    return int(errors.argmin())


def _correlation(name: str, acted: Series, shown: Series) -> float:
    """NaN where the driver keeps still: what is left is the detector's noise."""
    low, high = np.quantile(acted, [0.02, 0.98])
    return float("nan") if high - low < STILL[name] else float(np.corrcoef(acted, shown)[0, 1])
