# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns measured on clips: which frames are paired, and the table."""

from fractions import Fraction

import numpy as np
import pytest

from export.evaluation.turns import BINS, METHODS, Pair, PairResult, Turns, find_pairs, table
from inference.track import LandmarkTrack
from tests.unit.drawn_person import draw_person, turned


def _track(cuts: tuple[int, ...] = ()) -> LandmarkTrack:
    person = draw_person()
    points = np.stack([turned(person, yaw) for yaw in np.linspace(-20, 20, 21)])
    return LandmarkTrack(points, np.ones(21, bool), Fraction(25), (400, 400), cuts=cuts)


def test_pairs_fill_every_bin_that_the_clip_has() -> None:
    pairs = find_pairs(_track(), 4)
    for low, high in BINS:
        inside = [pair for pair in pairs if low <= abs(pair.yaw) < high]
        assert len(inside) == 4
    for pair in pairs:
        assert abs(pair.yaw) == pytest.approx(2 * abs(pair.target - pair.source), abs=1.0)


def test_no_pair_leads_over_a_cut() -> None:
    pairs = find_pairs(_track(cuts=(10,)), 4)
    assert pairs
    assert all((pair.source < 10) == (pair.target < 10) for pair in pairs)


def test_the_table_has_a_row_a_bin_and_method() -> None:
    names = ("psnr", "ssim", "psnr_head", "ssim_head", "psnr_body", "iou", "background")
    scores = {method: dict.fromkeys(names, 0.5) for method in METHODS}
    seconds = dict.fromkeys(METHODS, 0.02)
    rows = [PairResult("a", Pair(0, 1, yaw), scores, seconds) for yaw in (3.0, -12.0)]
    text = table(Turns(rows, {"flat": 1.0, "head": 1.05}))
    assert text.count("| flat |") == text.count("| head |") == 2
    assert "10-15 | 1 (1)" in text
    assert "head 1.050" in text
    assert "20.0 ms" in text
