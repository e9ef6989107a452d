# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaps: short ones are filled smoothly and marked, long ones stay; confidence tells the weak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.demo import TRACK
from inference.errors import InputError
from inference.performance.cleaning.gaps import fill_performance, frame_confidence
from inference.performance.cleaning.shots import gaps, runs, shots
from inference.performance.face.decompose import compose, decompose
from inference.performance.face.rotations import from_angles
from inference.performance.taking.performance import Performance, load_performance, save_performance
from inference.track import load_track


@pytest.fixture(scope="module")
def whole() -> Performance:
    return decompose(load_track(TRACK))


def without(performance: Performance, *frames: int) -> Performance:
    """The performance with a hole where the face was not found."""
    hole = list(frames)
    changes = {}
    for name in ("controls", "rotation", "translation", "scale", "residual"):
        array = getattr(performance, name).copy()
        array[hole] = np.nan
        changes[name] = array
    valid, trust = performance.valid.copy(), performance.confidence.copy()
    valid[hole], trust[hole] = False, 0
    return replace(performance, **changes, valid=valid, confidence=trust)


def gap_lengths(performance: Performance) -> tuple[int, ...]:
    return tuple(len(gap) for gap in gaps(performance.valid, performance.cuts))


def test_runs_and_gaps_end_at_cuts() -> None:
    valid = np.array([1, 1, 0, 0, 1, 1, 1, 0], bool)
    assert shots(8, (3, 6)) == [range(3), range(3, 6), range(6, 8)]
    assert runs(valid, (3, 6)) == [range(2), range(4, 6), range(6, 7)]
    assert gaps(valid, (3, 6)) == [range(2, 3), range(3, 4), range(7, 8)]


def test_a_short_gap_is_filled_and_marked_near_the_truth(whole: Performance) -> None:
    hole = range(100, 104)
    filled = fill_performance(without(whole, *hole), 4)
    assert filled.valid.all()
    assert list(np.flatnonzero(filled.filled)) == list(hole)
    truth, made = compose(whole).points, compose(filled).points
    unit = float(np.median(whole.scale))
    error = np.linalg.norm(made[hole.start : hole.stop] - truth[hole.start : hole.stop], axis=2)
    frozen = np.linalg.norm(truth[[99] * len(hole)] - truth[hole.start : hole.stop], axis=2)
    assert error.mean() < 0.05 * unit
    assert error.mean() < frozen.mean()
    untouched = np.setdiff1d(np.arange(len(whole)), list(hole))
    np.testing.assert_allclose(made[untouched], truth[untouched], atol=1e-2)


def test_a_fill_joins_without_a_jump(whole: Performance) -> None:
    filled = fill_performance(without(whole, *range(60, 68)), 8)
    points = compose(filled).points
    steps = np.linalg.norm(np.diff(points, axis=0), axis=2).mean(axis=1)
    assert steps[59:68].max() < 2 * steps[40:59].max() + 0.5


def test_a_longer_gap_stays_a_gap(whole: Performance) -> None:
    holed = without(whole, *range(100, 110), 150)
    filled = fill_performance(holed, 9)
    assert gap_lengths(holed) == (10, 1)
    assert gap_lengths(filled) == (10,)
    assert np.isnan(filled.residual[100:110]).all()
    assert not filled.filled[100:110].any()


def test_nothing_is_mixed_across_a_cut(whole: Performance) -> None:
    shifted = whole.translation.copy()
    shifted[100:] += 1000
    cut = replace(whole, translation=shifted, cuts=(100,))
    filled = fill_performance(without(cut, 98, 99, 100, 101), 5)
    np.testing.assert_allclose(filled.translation[98:100], cut.translation[[97, 97]], atol=1e-9)
    np.testing.assert_allclose(filled.translation[100:102], cut.translation[[102, 102]], atol=1e-9)


def test_an_empty_shot_stays_empty(whole: Performance) -> None:
    cut = without(replace(whole, cuts=(100, 103)), 100, 101, 102)
    assert gap_lengths(fill_performance(cut, 50)) == (3,)


def test_controls_do_not_overshoot(whole: Performance) -> None:
    hole = range(30, 200)
    filled = fill_performance(without(whole, *hole), 400)
    seen = np.setdiff1d(np.arange(len(whole)), list(hole))
    assert (filled.controls >= whole.controls[seen].min(axis=0) - 1e-6).all()
    assert (filled.controls <= whole.controls[seen].max(axis=0) + 1e-6).all()


def test_a_whole_take_and_no_length_change_nothing(whole: Performance) -> None:
    assert fill_performance(whole, 5) is whole
    holed = without(whole, 7)
    assert fill_performance(holed, 0) is holed
    with pytest.raises(InputError, match="-1 frames"):
        fill_performance(whole, -1)


def test_a_filled_take_is_saved_and_read(whole: Performance, tmp_path: Path) -> None:
    path = tmp_path / "filled.performance.npz"
    filled = fill_performance(without(whole, 10, 11), 3)
    save_performance(filled, path)
    again = load_performance(path)
    np.testing.assert_array_equal(again.filled, filled.filled)
    np.testing.assert_array_equal(again.confidence, filled.confidence)


def test_a_well_seen_take_is_trusted_and_a_gap_is_not(whole: Performance) -> None:
    trust = frame_confidence(without(whole, 50, 51))
    assert trust.dtype == np.float32
    assert (trust[[50, 51]] == 0).all()
    assert np.median(trust) > 0.9
    assert trust[52] < trust[60]


def test_filled_frames_are_trusted_less_towards_the_middle(whole: Performance) -> None:
    filled = fill_performance(without(whole, *range(50, 57)), 7)
    trust = filled.confidence
    assert 0 < trust[53] < trust[51] < trust[50] < trust[48]


def test_turned_small_and_cut_off_faces_are_trusted_less(whole: Performance) -> None:
    front = frame_confidence(whole)
    turned = replace(whole, rotation=np.tile(from_angles(np.array([[60.0, 0, 0]])), (240, 1)))
    assert frame_confidence(turned).max() < 0.5 < front.mean()
    small = replace(whole, scale=whole.scale * 0.1)
    assert frame_confidence(small).mean() < 0.6 * front.mean()
    outside = replace(whole, translation=whole.translation + [whole.size[0], 0, 0])
    assert frame_confidence(outside).max() < 0.5


def test_a_frame_that_leaps_is_trusted_less(whole: Performance) -> None:
    moved = whole.translation.copy()
    moved[77, 0] += 2 * whole.scale[77]
    trust = frame_confidence(replace(whole, translation=moved))
    assert trust[77] < 0.2
    assert trust[70] > 0.8
    assert trust[84] > 0.8
