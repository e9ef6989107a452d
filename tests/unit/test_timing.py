# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of a take on the timeline: in seconds, whatever the rates are."""

from __future__ import annotations

from fractions import Fraction

import pytest

from blender_addon.errors import InputError
from blender_addon.sequencer.timing import (
    Timing,
    due,
    footage_rate,
    overlap,
    scene_rate,
    strip_pace,
)

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("scene", RATES)
def test_a_take_lasts_as_long_in_seconds_at_any_scene_rate(rate: Fraction, scene: Fraction) -> None:
    timing = Timing(1.0, float(rate / scene), 0, 239)
    begin, end = timing.span()
    assert abs((end - begin) / scene - 240 / rate) <= 1 / scene
    for frame in range(begin, end):
        late = (frame - 1) / scene - timing.index_at(frame) / rate
        assert -1e-3 / rate <= late < 1 / rate  # the picture that a player shows at that time


def test_equal_rates_show_each_frame_once() -> None:
    timing = Timing(10.0, 1.0, 2, 6)
    assert timing.span() == (12, 17)
    assert [timing.index_at(frame) for frame in range(12, 17)] == [2, 3, 4, 5, 6]
    assert due(timing, (13, 15)) == (3, 4)


def test_beyond_in_and_out_the_ends_hold() -> None:
    timing = Timing(10.0, 1.0, 2, 6)
    assert timing.index_at(0) == 2
    assert timing.index_at(99) == 6


@pytest.mark.parametrize("start", [1.0, 9.5, -3.25])
def test_a_take_of_one_frame_is_seen(start: float) -> None:
    begin, end = Timing(start, 2.5, 7, 7).span()
    assert end - begin == 1


def test_spans_that_only_touch_share_nothing() -> None:
    assert overlap((1, 5), (5, 9)) is None
    assert overlap((1, 6), (5, 9)) == (5, 6)


@pytest.mark.parametrize(
    ("fps", "base", "rate"), [(24, 1.0, Fraction(24)), (30, 1.001, Fraction(30000, 1001)),
                              (24, 1.0010000467300415, Fraction(24000, 1001))]
)  # fmt: skip
def test_a_scenes_rate_is_a_fraction(fps: int, base: float, rate: Fraction) -> None:
    assert scene_rate(fps, base) == rate


@pytest.mark.parametrize("rate", [*RATES, Fraction(15), Fraction(12), Fraction(25, 2)])
def test_a_movies_rate_is_a_fraction(rate: Fraction) -> None:
    assert footage_rate(float(rate)) == rate


def test_a_strip_shows_a_picture_a_frame_or_plays_in_real_time() -> None:
    pal, film = Fraction(25), Fraction(24)
    assert strip_pace(250, 250, pal, film) == (1.0, False)
    assert strip_pace(250, 240, pal, film) == (25 / 24, True)
    assert strip_pace(40, 40, pal, film) == (1.0, False)
    assert strip_pace(250, 250, film, film) == (1.0, True)
    assert strip_pace(250, 500, pal, film) == (0.5, False)  # slowed down
    with pytest.raises(InputError, match="no content"):
        strip_pace(0, 250, pal, film)
