# SPDX-License-Identifier: GPL-3.0-or-later
"""Real people's clips taken apart: the curves follow what is seen, and the head keeps still."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.capture.capture import capture_footage
from inference.landmarks import interocular
from inference.performance.face.controls import CONTROL_NAMES
from inference.performance.face.decompose import compose, decompose
from inference.performance.face.measures import lid_gap, lip_gap
from inference.performance.face.rotations import to_angles
from inference.performance.taking.performance import Performance
from inference.track import LandmarkTrack

pytestmark = pytest.mark.footage

# People whom the canonical face has not seen.
CLIPS = ("v042_tv42_0.mp4", "v048_tv48_0.mp4", "v066_tv66_0.mp4")
Parts = dict[str, tuple[LandmarkTrack, Performance]]


@pytest.fixture(scope="module")
def parts(footage: Path) -> Parts:
    found = {}
    for clip in CLIPS:
        track = capture_footage(footage / "clips" / clip).track
        found[clip] = track, decompose(track)
    return found


def curve(performance: Performance, *names: str) -> NDArray[np.floating]:
    return performance.controls[:, [CONTROL_NAMES.index(name) for name in names]].mean(axis=1)


def alike(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize("clip", CLIPS)
def test_the_parts_add_up(clip: str, parts: Parts) -> None:
    track, performance = parts[clip]
    again = compose(performance)
    assert np.abs(again.points[track.valid] - track.points[track.valid]).max() < 0.01


@pytest.mark.parametrize("clip", CLIPS)
def test_jaw_and_blinks_follow_the_lips_and_the_lids(clip: str, parts: Parts) -> None:
    track, performance = parts[clip]
    units = [interocular(points) for points in track.points]
    lips = np.array([lip_gap(points) for points in track.points]) / units
    lids = np.array([(lid_gap(p, 0) + lid_gap(p, 1)) / 2 for p in track.points]) / units
    assert alike(curve(performance, "jaw_open"), lips) > 0.75
    assert alike(curve(performance, "blink_left", "blink_right"), -lids) > 0.9
    closed = int(np.argmin(lids))
    assert curve(performance, "blink_left", "blink_right")[closed] > 0.7


@pytest.mark.parametrize("clip", CLIPS)
def test_opening_the_mouth_turns_the_head_by_less_than_0_7_degrees(clip: str, parts: Parts) -> None:
    """Heads do turn as people talk; but not within the tenth of a second in which lips part."""
    track, performance = parts[clip]
    gap = np.array([lip_gap(points) / interocular(points) for points in track.points])
    pitch = to_angles(performance.rotation)[:, 1]
    lag = max(1, round(float(track.rate) * 0.1))
    opened, turned = (x[2 * lag :] - 2 * x[lag:-lag] + x[: -2 * lag] for x in (gap, pitch))
    steady = np.abs(turned) < 3  # further, it was thrown
    slope = opened[steady] @ turned[steady] / (opened[steady] @ opened[steady])
    assert abs(slope) * np.quantile(gap, 0.98) < 0.7


def test_a_long_clip_takes_about_a_second(parts: Parts) -> None:
    track = parts[CLIPS[0]][0]
    frames = np.arange(240) % len(track)
    longer = LandmarkTrack(track.points[frames], track.valid[frames], track.rate, track.size)
    start = time.process_time()
    decompose(longer)
    assert time.process_time() - start < 2
