# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning of real people's performances: jitter goes, blinks and closed lips stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.capture.capture import capture_footage
from inference.landmarks import EYES
from inference.live.smoothing import LiveSmoother
from inference.performance.cleaning.gaps import fill_performance, frame_confidence
from inference.performance.cleaning.smooth import smooth_performance, smooth_track
from inference.performance.face.decompose import compose, decompose
from inference.performance.face.neutral import find_neutral
from inference.performance.taking.performance import Performance
from inference.performance.taking.read import read_performance
from inference.performance.taking.table import save_table
from inference.stream.state import RestingFace
from tests.benchmarks.live_filter import blink_depths

pytestmark = pytest.mark.footage

# People who hold still for a second: the clip and the frames.
STILL = {"clips/v324_lp_d5_0.mp4": (0, 24), "clips/v122_lp_d9_1.mp4": (113, 137)}
BLINKS = ("clips/v122_lp_d9_1.mp4", "clips/v222_cvt222_0.mp4")
TALKS = "clips/v222_cvt222_0.mp4"
GAPPY = "clips/v221_cvt221_0.mp4"

Points = NDArray[np.float32]


@pytest.fixture(scope="module")
def performances(footage: Path) -> dict[str, Performance]:
    names = dict.fromkeys([*STILL, *BLINKS, TALKS, GAPPY])
    return {name: decompose(capture_footage(footage / name).track) for name in names}


def jitter(points: Points) -> float:
    return float(np.sqrt((np.diff(points[..., :2], 2, axis=0) ** 2).mean()))


def eye_openings(points: Points) -> NDArray[np.float64]:
    """The gap between the lids in eye widths, for both eyes, (2, F)."""
    gaps = []
    for upper, lower, _ in EYES:
        apart = np.linalg.norm(points[:, list(upper[2:-2])] - points[:, list(lower[2:-2])], axis=2)
        gaps.append(apart.mean(axis=1) / np.linalg.norm(points[:, 33] - points[:, 133], axis=1))
    return np.array(gaps)


def blinks(opening: NDArray[np.float64]) -> list[int]:
    """Frames in which an eye is closed furthest, for at least half of its usual opening."""
    usual = np.quantile(opening, 0.7)
    return [
        i
        for i in range(3, len(opening) - 3)
        if opening[i] < 0.5 * usual and opening[i] == opening[i - 3 : i + 4].min()
    ]


@pytest.mark.parametrize("name", STILL)
def test_a_still_face_loses_most_of_its_jitter(
    performances: dict[str, Performance], name: str
) -> None:
    take, (first, last) = performances[name], STILL[name]
    before = jitter(compose(take).points[first:last])
    assert jitter(compose(smooth_performance(take, 1, 1)).points[first:last]) < 0.4 * before
    assert jitter(compose(smooth_performance(take)).points[first:last]) < 0.5 * before


@pytest.mark.parametrize("name", BLINKS)
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_blinks_keep_their_depth_and_their_frame(
    performances: dict[str, Performance], name: str, strength: float
) -> None:
    take = performances[name]
    before = eye_openings(compose(take).points)
    after = eye_openings(compose(smooth_performance(take, strength, strength)).points)
    seen = 0
    for eye, smooth in zip(before, after, strict=True):
        usual = np.quantile(eye, 0.7)
        for frame in blinks(eye):
            depth = usual - eye[frame]
            assert usual - smooth[frame] > 0.9 * depth, frame
            # Where an eye stays closed a while, any of those frames is as deep.
            deepest = frame - 3 + int(np.argmin(smooth[frame - 3 : frame + 4]))
            assert usual - eye[deepest] > 0.9 * depth, frame
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_blinks_keep_their_depth_live(performances: dict[str, Performance], ahead: int) -> None:
    track = compose(performances[BLINKS[0]])
    face, live = RestingFace(find_neutral(track)), LiveSmoother(look_ahead=ahead)
    seen = [face.state(i / float(track.rate), points) for i, points in enumerate(track.points)]
    made = [live(state) for state in seen][ahead:]
    depths = blink_depths(face.neutral, seen[: len(made)], made)
    assert len(depths) >= 10
    assert min(depths) > 0.85


def test_lips_that_close_stay_closed(performances: dict[str, Performance]) -> None:
    take = performances[TALKS]
    unit = float(np.median(take.scale))

    def gap(points: Points) -> NDArray[np.float64]:
        pairs = points[:, [82, 13, 312]] - points[:, [87, 14, 317]]
        return np.asarray(np.linalg.norm(pairs, axis=2).mean(axis=1) / unit)

    before = gap(compose(take).points)
    after = gap(compose(smooth_performance(take, 1, 1)).points)
    closed = before < 0.02
    assert closed.sum() >= 5
    assert before.max() > 0.3
    assert (after - before)[closed].max() < 0.01
    assert after.max() > 0.95 * before.max()


def test_a_track_is_smoothed_in_pixels(performances: dict[str, Performance]) -> None:
    name = "clips/v122_lp_d9_1.mp4"
    track, (first, last) = compose(performances[name]), STILL[name]
    smoothed = smooth_track(track, 1, 1)
    assert jitter(smoothed.points[first:last]) < 0.4 * jitter(track.points[first:last])


def test_frames_without_a_face_are_filled_and_doubted(footage: Path) -> None:
    track = capture_footage(footage / TALKS, last=44).track
    track.points[20:25], track.valid[20:25] = np.nan, False
    take = decompose(track)
    missing = np.flatnonzero(~take.valid)
    assert list(missing) == list(range(20, 25))
    filled = fill_performance(take, 10)
    assert list(np.flatnonzero(filled.filled)) == list(missing)
    trust = frame_confidence(filled)
    assert trust[missing].max() < np.median(trust[take.valid])
    steps = np.linalg.norm(np.diff(compose(filled).points, axis=0), axis=2).mean(axis=1)
    usual = np.linalg.norm(np.diff(compose(take).points, axis=0), axis=2).mean(axis=1)
    assert steps[missing].max() < 2 * np.nanmax(usual)


def test_a_real_table_comes_back(performances: dict[str, Performance], tmp_path: Path) -> None:
    take = performances[GAPPY]
    path = tmp_path / "take.csv"
    save_table(take, path)
    again = read_performance(path)
    np.testing.assert_array_equal(again.valid, take.valid)
    np.testing.assert_allclose(again.controls, take.controls, atol=2e-6)
    np.testing.assert_allclose(again.rotation, take.rotation, atol=1e-6)
