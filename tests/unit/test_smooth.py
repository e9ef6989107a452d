# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing: jitter goes; blinks, steps, cuts, gaps and the ends of a take stay."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.demo import TRACK
from inference.errors import InputError
from inference.performance.cleaning.curves import REGIONS, region_controls, region_points
from inference.performance.cleaning.one_euro import OneEuro
from inference.performance.cleaning.smooth import smooth_performance, smooth_track
from inference.performance.cleaning.zero_phase import smooth_together
from inference.performance.face.controls import CONTROL_NAMES
from inference.performance.face.decompose import compose, decompose
from inference.performance.face.rotations import (
    from_angles,
    mean_rotation,
    to_angles,
    to_matrices,
    to_vectors,
)
from inference.performance.taking.arrange import cut_take
from inference.performance.taking.performance import Performance
from inference.track import load_track

RATE = Fraction(30)
FRAMES = 240


@pytest.fixture(scope="module")
def take() -> Performance:
    """The first 120 frames of the project's own performance."""
    return cut_take(decompose(load_track(TRACK)), 0, 119)


def smooth(
    curves: NDArray[np.float64],
    strength: float = 1.0,
    cuts: tuple[int, ...] = (),
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    valid = np.ones(len(curves), bool) if valid is None else valid
    return smooth_together([curves], curves, valid, cuts, RATE, strength)[0]


def jitter(curves: NDArray[np.floating]) -> float:
    return float(np.sqrt((np.diff(curves, 2, axis=0) ** 2).mean()))


def blinking(rng: np.random.Generator, noise: float) -> NDArray[np.float64]:
    """Eight curves of one eye that blinks twice, with white jitter on them."""
    curves = np.zeros((FRAMES, 8))
    for middle in (70, 160):
        curves[middle - 2 : middle + 3] = np.array([0.3, 0.8, 1.0, 0.7, 0.3])[:, None]
    return curves + rng.normal(0, noise, curves.shape)


def test_jitter_at_rest_goes(rng: np.random.Generator) -> None:
    still = rng.normal(0, 0.01, (FRAMES, 8))
    assert jitter(smooth(still)) < 0.15 * jitter(still)
    assert jitter(smooth(still, 0.5)) < 0.4 * jitter(still)


def test_a_blink_keeps_its_depth_and_its_frame(rng: np.random.Generator) -> None:
    before = blinking(rng, 0.03)
    after = smooth(before)
    for middle in (70, 160):
        assert after[middle].mean() > 0.95 * before[middle].mean()
        around = after[middle - 4 : middle + 5].mean(axis=1)
        assert int(np.argmax(around)) == 4
    rest = np.r_[0:60, 80:150, 170:FRAMES]
    assert jitter(after[rest]) < 0.5 * jitter(before[rest])


def test_a_step_stays_a_step(rng: np.random.Generator) -> None:
    curves = np.where(np.arange(FRAMES)[:, None] < 120, 0.0, 1.0) + rng.normal(0, 0.01, (FRAMES, 4))
    after = smooth(curves)
    assert (after[119] < 0.06).all()
    assert (after[120] > 0.94).all()


def test_nothing_is_delayed(rng: np.random.Generator) -> None:
    curves = np.cumsum(rng.normal(0, 1, (FRAMES, 3)), axis=0)
    backwards = smooth(curves[::-1])[::-1]
    np.testing.assert_allclose(smooth(curves), backwards, atol=1e-9)


def test_a_ramp_passes_unbent_to_its_very_ends() -> None:
    ramp = np.arange(40.0)[:, None] * np.array([1.0, -2.0])
    np.testing.assert_allclose(smooth(ramp), ramp, atol=1e-9)


def test_shots_do_not_look_at_each_other(rng: np.random.Generator) -> None:
    curves = rng.normal(0, 0.01, (FRAMES, 4))
    curves[100:] += 5
    other = curves.copy()
    other[:100] += 9
    after = smooth(curves, cuts=(100,))
    np.testing.assert_allclose(after[100:], smooth(other, cuts=(100,))[100:], atol=1e-9)
    assert abs(after[99].mean()) < 0.02
    assert abs(after[100].mean() - 5) < 0.02
    assert jitter(after[90:100]) < 0.3 * jitter(curves[90:100])


def test_gaps_stay_and_are_not_looked_across(rng: np.random.Generator) -> None:
    curves = rng.normal(0, 0.01, (FRAMES, 4))
    valid = np.ones(FRAMES, bool)
    valid[100:110] = False
    curves[100:110] = np.nan
    curves[110:] += 5
    after = smooth(curves, valid=valid)
    assert np.isnan(after[100:110]).all()
    assert np.isfinite(after[valid]).all()
    assert abs(after[99].mean()) < 0.02
    assert abs(after[110].mean() - 5) < 0.02


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 9])
def test_the_shortest_takes_pass(frames: int, rng: np.random.Generator) -> None:
    curves = rng.normal(0, 1, (frames, 3))
    after = smooth(curves)
    assert after.shape == curves.shape
    assert np.isfinite(after).all()


def test_no_strength_changes_nothing(take: Performance) -> None:
    after = smooth_performance(take, 0, 0)
    np.testing.assert_array_equal(after.controls, take.controls)
    np.testing.assert_array_equal(after.residual, take.residual)
    np.testing.assert_allclose(after.rotation, take.rotation, atol=1e-9)
    np.testing.assert_allclose(after.translation, take.translation, atol=1e-9)


def test_pose_and_expression_are_smoothed_apart(take: Performance) -> None:
    head = smooth_performance(take, 1, 0)
    np.testing.assert_array_equal(head.controls, take.controls)
    assert jitter(head.rotation) < 0.95 * jitter(take.rotation)
    face = smooth_performance(take, 0, 1)
    np.testing.assert_allclose(face.rotation, take.rotation, atol=1e-9)
    assert jitter(face.residual) < 0.9 * jitter(take.residual)
    assert jitter(face.controls) < 0.9 * jitter(take.controls)


def test_a_region_has_a_strength_of_its_own(take: Performance) -> None:
    after = smooth_performance(take, 0, 0, {"brows": 1})
    brows = list(region_points("brows"))
    others = np.setdiff1d(np.arange(478), brows)
    np.testing.assert_array_equal(after.residual[:, others], take.residual[:, others])
    assert jitter(after.residual[:, brows]) < 0.9 * jitter(take.residual[:, brows])


def test_every_point_and_control_is_in_one_region() -> None:
    points = sorted(point for region in REGIONS for point in region_points(region))
    assert points == list(range(478))
    controls = sorted(i for region in REGIONS for i in region_controls(region))
    assert controls == list(range(len(CONTROL_NAMES)))


def test_a_track_is_smoothed_as_its_performance_is(take: Performance) -> None:
    track = compose(take)
    smoothed = smooth_track(track, 1, 1)
    assert (smoothed.rate, smoothed.size, smoothed.cuts) == (track.rate, track.size, track.cuts)
    assert jitter(smoothed.points) < 0.95 * jitter(track.points)
    assert np.abs(smoothed.points - track.points).max() < 0.15 * take.scale[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"pose": 1.5}, "smoothing of the pose is 1.5"),
        ({"expression": -0.1}, "smoothing of the expression is -0.1"),
        ({"regions": {"ears": 1.0}}, "no region 'ears'"),
        ({"regions": {"mouth": float("nan")}}, "smoothing of the mouth is nan"),
    ],
)
def test_wrong_strengths_are_refused(
    take: Performance, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        smooth_performance(take, **arguments)  # type: ignore[arg-type]


def test_live_jitter_goes_and_a_blink_stays(rng: np.random.Generator) -> None:
    before = 0.1 * blinking(rng, 0.02)  # canonical units: a lid's way is about 0.1
    one = OneEuro(1.0)
    after = np.stack([one(values, i / 30) for i, values in enumerate(before)])
    assert jitter(after[20:60]) < 0.3 * jitter(before[20:60])
    for middle in (70, 160):
        assert after[middle - 1 : middle + 2].mean(axis=1).max() > 0.9 * before[middle].mean()


def test_live_values_begin_anew_after_a_pause_or_a_reset() -> None:
    one = OneEuro(1.0)
    one(np.zeros(2), 0.0)
    assert (one(np.ones(2), 5.0) == 1).all()  # five seconds later
    assert (one(np.full(2, 1.01), 5.04) < 1.01).all()
    one.reset()
    assert (one(np.full(2, 3.0), 5.08) == 3).all()
    assert np.isnan(one(np.full(2, np.nan), 5.12)).all()
    assert (one(np.full(2, 4.0), 5.16) == 4).all()


def test_no_strength_passes_live_values() -> None:
    one = OneEuro(0.0)
    for i in range(5):
        assert (one(np.full(3, float(i)), i / 25) == i).all()


def test_rotations_come_back_whole(rng: np.random.Generator) -> None:
    vectors = rng.normal(0, 1, (200, 3))
    vectors = vectors / np.linalg.norm(vectors, axis=1)[:, None] * rng.uniform(0, 3.1, (200, 1))
    vectors[0] = 0
    vectors[1] = [np.pi, 0, 0]
    vectors[2] = [0, 1e-9, 0]
    matrices = to_matrices(vectors)
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.tile(np.eye(3), (200, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(to_vectors(matrices), vectors, atol=1e-7)
    small = vectors[np.linalg.norm(vectors, axis=1) < 1.4]
    np.testing.assert_allclose(
        to_matrices(from_angles(to_angles(small))), to_matrices(small), atol=1e-9
    )
    np.testing.assert_allclose(
        mean_rotation(np.array([[0, 0.2, 0], [0, 0.4, 0], [np.nan] * 3])),
        to_matrices(np.array([[0, 0.3, 0]]))[0],
        atol=1e-12,
    )


@pytest.mark.parametrize(
    ("angles", "nose"),
    [([30, 0, 0], [1, 0]), ([0, 30, 0], [0, -1])],
)
def test_angles_turn_the_nose_where_they_say(angles: list[float], nose: list[float]) -> None:
    """Yaw to the picture's right, pitch up; the nose looks at the camera, along -z."""
    matrix = to_matrices(from_angles(np.array([angles])))[0]
    np.testing.assert_allclose((matrix @ [0, 0, -1])[:2], 0.5 * np.array(nose), atol=1e-9)


def test_roll_turns_clockwise() -> None:
    matrix = to_matrices(from_angles(np.array([[0, 0, 90.0]])))[0]
    np.testing.assert_allclose(matrix @ [0, -1, 0], [1, 0, 0], atol=1e-9)  # the crown goes right
