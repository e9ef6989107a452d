# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames of a clip become source and target."""

import numpy as np

from export.data.episodes import EXTREME_SHARE, FAR_SHARE, choose_pair
from export.data.measures import MEASURES


def draw(
    measures: np.ndarray, numbers: np.ndarray, count: int = 4000
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    pairs = np.array([choose_pair(measures, numbers, rng) for _ in range(count)])
    return pairs[:, 0], pairs[:, 1]


def still_face(frames: int) -> np.ndarray:
    return np.zeros((frames, len(MEASURES)), np.float32)


def test_half_of_the_pairs_are_far_apart_in_time() -> None:
    first, target = draw(still_face(100), np.arange(100, dtype=np.int32))
    assert (first != target).all()
    apart = np.abs(first - target)
    reach = np.maximum(first, 99 - first)
    far = (apart >= reach / 2).mean()
    # Of the pairs that are not meant to be far, those are by chance that any two frames are.
    rng = np.random.default_rng(2)
    a, b = rng.integers(100, size=(2, 20000))
    chance = (np.abs(a - b) >= np.maximum(a, 99 - a) / 2)[a != b].mean()
    any_share = 1 - FAR_SHARE - EXTREME_SHARE
    # Nothing differs in a still face: its "most different" frames are the first ones of the clip.
    assert far > FAR_SHARE + any_share * chance * 0.8
    assert far < FAR_SHARE + any_share * chance + EXTREME_SHARE


def test_a_blink_is_found_more_often_than_by_chance() -> None:
    measures = still_face(200)
    measures[:, MEASURES.index("eyes")] = 0.3
    blink = np.arange(90, 96)
    measures[blink, MEASURES.index("eyes")] = 0.02
    _, target = draw(measures, np.arange(200, dtype=np.int32))
    share = np.isin(target, blink).mean()
    chance = len(blink) / 200
    assert share > 1.5 * chance
    measures[blink, MEASURES.index("eyes")] = 0.3
    _, target = draw(measures, np.arange(200, dtype=np.int32))
    assert np.isin(target, blink).mean() < 1.5 * chance


def test_two_frames_are_enough() -> None:
    first, target = draw(still_face(2), np.array([0, 40], np.int32), 100)
    assert set(first) == {0, 1}
    assert (first + target == 1).all()
