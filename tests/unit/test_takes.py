# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: cut, joined, retimed, mirrored and mixed, each without a trace where nothing changed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from inference.demo import TRACK
from inference.errors import InputError
from inference.landmarks import mirror_order
from inference.performance.cleaning.curves import region_points
from inference.performance.face.controls import CONTROL_NAMES
from inference.performance.face.decompose import compose, decompose
from inference.performance.taking.arrange import (
    cut_take,
    join_takes,
    mirror_take,
    mix_takes,
    retime,
)
from inference.performance.taking.performance import Performance, load_performance, save_performance
from inference.track import load_track


@pytest.fixture(scope="module")
def take() -> Performance:
    return decompose(load_track(TRACK))


def hole(performance: Performance, first: int, last: int) -> Performance:
    """The performance without the frames `first` to `last`."""
    changes = {}
    for name in ("controls", "rotation", "translation", "scale", "residual"):
        array = getattr(performance, name).copy()
        array[first : last + 1] = np.nan
        changes[name] = array
    valid = performance.valid.copy()
    valid[first : last + 1] = False
    return replace(performance, **changes, valid=valid)


def readable(performance: Performance, folder: Path) -> Performance:
    """What the file holds; loading checks it."""
    path = folder / "take.performance.npz"
    save_performance(performance, path)
    return load_performance(path)


def test_a_cut_take_holds_its_frames(take: Performance, tmp_path: Path) -> None:
    part = readable(cut_take(replace(take, cuts=(20, 50, 90)), 30, 89), tmp_path)
    assert len(part) == 60
    assert part.cuts == (20,)
    np.testing.assert_array_equal(compose(part).points, compose(take).points[30:90])


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (5, 4), (0, 240), (240, 241)])
def test_frames_beyond_the_take_are_refused(take: Performance, first: int, last: int) -> None:
    with pytest.raises(InputError, match="which has 0-239"):
        cut_take(take, first, last)


def test_joined_parts_are_the_take_again(take: Performance, tmp_path: Path) -> None:
    parts = [cut_take(take, 0, 79), cut_take(take, 80, 199), cut_take(take, 200, 239)]
    joined = readable(join_takes(*parts), tmp_path)
    assert joined.cuts == (80, 200)
    assert joined.source == take.source
    np.testing.assert_array_equal(joined.controls, take.controls)
    np.testing.assert_array_equal(compose(joined).points, compose(take).points)


def test_a_joined_take_follows_the_first_one_s_rate_and_picture(take: Performance) -> None:
    other = replace(
        cut_take(take, 0, 119),
        rate=take.rate * 2,
        size=(take.size[0] * 2, take.size[1] * 2),
        translation=take.translation[:120] * 2,
        scale=take.scale[:120] * 2,
    )
    joined = join_takes(cut_take(take, 0, 9), other)
    assert joined.rate == take.rate
    assert len(joined) == 10 + 60
    np.testing.assert_allclose(
        compose(joined).points[10:], compose(take).points[0:120:2], atol=1e-2
    )


def test_retiming_keeps_seconds(take: Performance, tmp_path: Path) -> None:
    rate = Fraction(24000, 1001)
    slower = readable(retime(take, rate), tmp_path)
    assert slower.rate == rate
    assert abs(len(slower) / float(rate) - len(take) / float(take.rate)) < 1 / float(rate)
    before, after = compose(take).points, compose(slower).points
    for second in (1.0, 3.0, 7.0):
        frame = round(second * float(rate))
        place = frame / float(rate) * float(take.rate)
        low = int(place)
        between = before[low] + (place - low) * (before[low + 1] - before[low])
        assert np.abs(after[frame] - between).mean() < 0.01 * take.scale[0]


def test_a_doubled_rate_keeps_every_frame_and_puts_one_between(take: Performance) -> None:
    double = retime(take, take.rate * 2)
    assert len(double) == 2 * len(take)
    points, made = compose(take).points, compose(double).points
    np.testing.assert_allclose(made[::2], points, atol=1e-2)
    odd = made[1:-1:2]
    line = (points[:-1] + points[1:]) / 2
    hold = points[:-1]
    assert np.abs(odd - line).mean() < 0.5 * np.abs(odd - hold).mean()


def test_speed_plays_the_same_motion_faster(take: Performance) -> None:
    fast = retime(take, take.rate, Fraction(2))
    assert len(fast) == len(take) // 2
    np.testing.assert_allclose(compose(fast).points, compose(take).points[::2], atol=1e-2)


def test_retiming_mixes_nothing_across_cuts_and_gaps(take: Performance) -> None:
    moved = take.translation.copy()
    moved[100:] += 500
    cut = hole(replace(take, translation=moved, cuts=(100,)), 40, 49)
    double = retime(cut, cut.rate * 2)
    assert double.cuts == (200,)
    np.testing.assert_allclose(double.translation[199], cut.translation[99], atol=1e-6)
    np.testing.assert_allclose(double.translation[200], cut.translation[100], atol=1e-6)
    assert list(np.flatnonzero(~double.valid)) == list(range(79, 100))
    assert np.isnan(double.residual[~double.valid]).all()
    assert np.isfinite(double.residual[double.valid]).all()


def test_retiming_is_exact_over_a_long_take(take: Performance) -> None:
    long = join_takes(*[cut_take(take, 0, 59)] * 20)
    there = retime(long, Fraction(60000, 1001))
    assert [there.cuts[i] for i in (0, 18)] == [
        -(-60 * k * Fraction(60000, 1001) // long.rate) for k in (1, 19)
    ]


@pytest.mark.parametrize(("rate", "speed"), [(0, 1), (-1, 1), (24, 0)])
def test_impossible_rates_are_refused(take: Performance, rate: int, speed: int) -> None:
    with pytest.raises(InputError, match="must be positive"):
        retime(take, Fraction(rate), Fraction(speed))


@pytest.mark.parametrize("focal", [None, 600.0])
def test_a_mirrored_take_is_the_mirror_image(focal: float | None, tmp_path: Path) -> None:
    track = load_track(TRACK)
    take = decompose(track, focal=focal)
    mirrored = readable(mirror_take(take), tmp_path)
    wanted = track.points[:, mirror_order()] * [-1, 1, 1] + [track.size[0], 0, 0]
    np.testing.assert_allclose(compose(mirrored).points, wanted, atol=0.05)
    left, right = CONTROL_NAMES.index("blink_left"), CONTROL_NAMES.index("blink_right")
    np.testing.assert_array_equal(mirrored.controls[:, left], take.controls[:, right])
    gaze = CONTROL_NAMES.index("gaze_x")
    np.testing.assert_array_equal(mirrored.controls[:, gaze], -take.controls[:, gaze])


def test_mirrored_twice_is_the_take(take: Performance) -> None:
    rest = np.concatenate([take.rotation[3], take.translation[3], [take.scale[3]]])
    once = mirror_take(replace(take, rest=rest))
    held = np.concatenate([once.rotation[3], once.translation[3], [once.scale[3]]])
    assert once.rest is not None
    np.testing.assert_array_equal(once.rest, held)
    again = mirror_take(once)
    assert again.rest is not None
    np.testing.assert_allclose(again.rest, rest)
    np.testing.assert_allclose(compose(again).points, compose(take).points, atol=1e-3)


def test_a_mix_ends_at_either_take(take: Performance) -> None:
    a, b = cut_take(take, 0, 99), cut_take(take, 100, 239)
    points = [compose(mix_takes(a, b, weight)).points for weight in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(points[0], compose(a).points, atol=1e-2)
    np.testing.assert_allclose(points[2], compose(b).points[:100], atol=1e-2)
    middle = (points[0] + points[2]) / 2
    assert np.abs(points[1] - middle).mean() < 0.02 * take.scale[0]
    assert np.abs(points[1] - points[0]).mean() > np.abs(points[1] - middle).mean()


def test_a_mouth_of_one_take_and_the_rest_of_another(take: Performance, tmp_path: Path) -> None:
    a, b = cut_take(take, 0, 99), cut_take(take, 120, 219)
    mixed = readable(mix_takes(a, b, 0.0, {"mouth": 1.0}), tmp_path)
    np.testing.assert_allclose(mixed.rotation, a.rotation, atol=1e-9)
    mouth, eyes = list(region_points("mouth")), list(region_points("eyes"))
    np.testing.assert_array_equal(mixed.residual[:, mouth], b.residual[:, mouth])
    np.testing.assert_array_equal(mixed.residual[:, eyes], a.residual[:, eyes])
    jaw, blink = CONTROL_NAMES.index("jaw_open"), CONTROL_NAMES.index("blink_left")
    np.testing.assert_array_equal(mixed.controls[:, jaw], b.controls[:, jaw])
    np.testing.assert_array_equal(mixed.controls[:, blink], a.controls[:, blink])


def test_a_gap_counts_only_where_its_take_does(take: Performance) -> None:
    a, b = cut_take(take, 0, 99), hole(cut_take(take, 120, 219), 10, 14)
    assert mix_takes(a, b, 0.0).valid.all()
    half = mix_takes(a, b, 0.5)
    assert list(np.flatnonzero(~half.valid)) == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    ("weight", "weights", "words"),
    [(0.5, {"ears": 1.0}, "no part 'ears'"), (1.5, None, "weight of the pose is 1.5")],
)
def test_wrong_weights_are_refused(
    take: Performance, weight: float, weights: dict[str, float] | None, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        mix_takes(take, take, weight, weights)


def test_takes_of_different_cameras_are_refused(take: Performance) -> None:
    other = decompose(load_track(TRACK), focal=600.0)
    with pytest.raises(InputError, match="different cameras"):
        mix_takes(take, other)
    with pytest.raises(InputError, match="different cameras"):
        join_takes(take, other)
