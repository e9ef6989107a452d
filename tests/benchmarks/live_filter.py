# SPDX-License-Identifier: GPL-3.0-or-later
"""The live filter against the recorded one: python -m tests.benchmarks.live_filter CLIP [CLIP ...]

Lag: by how much the smoothed mouth is later than the recorded filter's, which delays nothing.
Jitter: of the landmarks in the calmest quarter of the frames, as a share of what was captured.
Blinks: how deep the shallowest one stays. A look-ahead's own frames come on top of the lag.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.capture.capture import capture_footage
from inference.landmarks import EYES, MOUTH_LOWER
from inference.live.smoothing import MOST_AHEAD, STRENGTH, LiveSmoother
from inference.performance.cleaning.smooth import smooth_track
from inference.performance.face.neutral import find_neutral
from inference.stream.state import FaceState, RestingFace
from inference.track import LandmarkTrack

Array = NDArray[np.float64]

STRENGTHS = (0.2, STRENGTH, 0.7, 1.0)
_MOUTH = list(MOUTH_LOWER[2:-2])
_CALM = 0.25
_MOST_LAG = 6.0  # frames


@dataclass(frozen=True)
class Clip:
    """States as captured and as the recorded filter makes them; the face at rest."""

    seen: list[FaceState]
    smooth: list[FaceState]
    neutral: NDArray[np.float32]
    rate: float


@dataclass(frozen=True)
class Filtered:
    """lag in ms; jitter and the recorded filter's, as shares; blink depths, as shares."""

    lag: float
    jitter: float
    recorded: float
    blinks: list[float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    clips = [read_clip(capture_footage(path).track) for path in parser.parse_args().clips]
    print("| strength | look-ahead | lag, ms, median (most) | jitter (recorded) | blinks keep |")
    print("|---|---|---|---|---|")
    for ahead in range(MOST_AHEAD + 1):
        for strength in STRENGTHS:
            found = [filtered(clip, strength, ahead) for clip in clips]
            lags = [each.lag for each in found]
            blinks = [depth for each in found for depth in each.blinks]
            print(
                f"| {strength:g} | {ahead} | {np.median(lags):.0f} ({max(lags):.0f}) "
                f"| {np.mean([f.jitter for f in found]):.2f} "
                f"({np.mean([f.recorded for f in found]):.2f}) | {min(blinks):.0%} |",
                flush=True,
            )
    return 0


def read_clip(track: LandmarkTrack) -> Clip:
    """A track's states, and what the recorded filter makes of them."""
    neutral, rate = find_neutral(track), float(track.rate)
    face, frames = RestingFace(neutral), np.flatnonzero(track.valid)
    smooth = smooth_track(track, 0.5, 0.5)
    seen, after = (
        [face.state(i / rate, each.points[i]) for i in frames] for each in (track, smooth)
    )
    return Clip(seen, after, face.neutral, rate)


def filtered(clip: Clip, strength: float, ahead: int) -> Filtered:
    """What the live filter makes of a clip."""
    live = LiveSmoother(strength, strength, look_ahead=ahead)
    made = [live(state) for state in clip.seen][ahead:]
    seen, smooth = clip.seen[: len(made)], clip.smooth[: len(made)]
    calm = np.abs(np.diff(_flat(smooth), 2, axis=0)).mean(axis=1)
    calm = calm < np.quantile(calm, _CALM)

    def jitter(states: list[FaceState]) -> float:
        return float(np.sqrt((np.diff(_flat(states), 2, axis=0)[calm] ** 2).mean()))

    return Filtered(
        1000 / clip.rate * _lag(_mouth(made), _mouth(smooth)),
        jitter(made) / jitter(seen),
        jitter(smooth) / jitter(seen),
        blink_depths(clip.neutral, seen, made),
    )


def blink_depths(
    neutral: NDArray[np.float32], seen: list[FaceState], made: list[FaceState]
) -> list[float]:
    """How deep each blink of either eye still is, as a share of what was seen."""
    depths = []
    for before, after in zip(_openings(neutral, seen), _openings(neutral, made), strict=True):
        usual = float(np.quantile(before, 0.7))
        for i in range(3, len(before) - 3):
            if before[i] < 0.5 * usual and before[i] == before[i - 3 : i + 4].min():
                deepest = after[i - 1 : i + 3].min()
                depths.append(float((usual - deepest) / (usual - before[i])))
    return depths


def _flat(states: Sequence[FaceState]) -> Array:
    return np.stack([np.concatenate([s.pose, s.change[:, :2].ravel()]) for s in states])


def _mouth(states: Sequence[FaceState]) -> Array:
    return np.stack([s.change[_MOUTH, :2].ravel() for s in states]).astype(np.float64)


def _openings(neutral: NDArray[np.float32], states: Sequence[FaceState]) -> Array:
    faces = np.stack([neutral + state.change for state in states])
    pairs = [(list(upper[2:-2]), list(lower[2:-2])) for upper, lower, _ in EYES]
    return np.array(
        [np.linalg.norm(faces[:, a] - faces[:, b], axis=2).mean(axis=1) for a, b in pairs]
    )


def _lag(made: Array, true: Array) -> float:
    """By how many frames `true` must be put off to be most like `made`."""
    frames = np.arange(len(true))
    shifts = np.arange(-2, _MOST_LAG, 0.1)
    errors = []
    for shift in shifts:
        at = np.clip(frames - shift, 0, len(true) - 1)
        low = np.floor(at).astype(int)
        share = (at - low)[:, None]
        moved = true[low] * (1 - share) + true[np.minimum(low + 1, len(true) - 1)] * share
        errors.append(((made - moved)[8:-8] ** 2).mean())
    return float(shifts[int(np.argmin(errors))])


if __name__ == "__main__":
    sys.exit(main())
