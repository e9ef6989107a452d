# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pictures of one person: which are unlike, which is moved, and how seldom that changes."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.landmarks import MOUTH_LOWER
from inference.sources import choose_sources, looks, spread, steady
from inference.track import fill_gaps, load_track

Points = NDArray[np.float32]


@pytest.fixture(scope="module")
def faces() -> Points:
    """The sample performance's landmarks (F, 478, 3), in pixels of 256 x 256."""
    track = load_track(Path(__file__).parents[2] / "inference/samples/weekly_address.track.npz")
    return fill_gaps(track).points


def turned(face: Points, degrees: float, axis: tuple[float, float, float]) -> Points:
    """The face turned about its own middle."""
    rotation = cv2.Rodrigues(np.radians(degrees) * np.array(axis))[0]
    middle = face.mean(axis=0)
    return ((face - middle) @ rotation.T + middle).astype(np.float32)


def opened(face: Points, share: float) -> Points:
    """The face with a gap between its lips, in widths of the mouth."""
    result = face.copy()
    result[14] = result[13]
    result[14, 1] += share * np.linalg.norm(face[78] - face[308])
    return result


def test_spread_takes_what_is_unlike_first(faces: Points) -> None:
    still = np.repeat(faces[:1], 20, axis=0)
    still[7] = turned(faces[0], 25, (0, 1, 0))
    still[11, 14:18] += np.array([0, 4, 0], np.float32)
    still[11, list(MOUTH_LOWER[1:-1]), 1] += 25
    found = looks(still, still[0])
    assert spread(found, 3)[0] == 0
    assert set(spread(found, 3)) == {0, 7, 11}
    on_a_line = np.array([[0.0], [10.0], [1.0], [5.0]])
    assert spread(on_a_line, 3) == [0, 1, 3]  # 1 lies far from 10, but close to 0
    real = looks(faces[:120], faces[0])
    assert spread(real, 8) == spread(real, 32)[:8]
    assert len(set(spread(real, 32))) == 32
    assert sorted(spread(real[:5], 32)) == [0, 1, 2, 3, 4]


def test_where_change_is_free_the_nearest_source_is_taken(faces: Points) -> None:
    sources = faces[:60:6]
    chosen = choose_sources(faces[:60:6], sources, change=0)
    assert [one.source for one in chosen] == list(range(10))
    # Where a head is and how large it looks is no difference; how it is turned is one.
    heads = np.stack([turned(faces[0], angle, (0, 1, 0)) for angle in (-20, 0, 20)])
    seen = turned(faces[0], 17, (0, 1, 0)) * np.float32(1.4) + 30
    assert choose_sources(seen[None], heads)[0].source == 2


def test_a_mouth_is_borrowed_for_a_wider_one_only(faces: Points) -> None:
    closed, wide = opened(faces[0], 0), opened(faces[0], 0.4)
    for target, source, lent in ((wide, closed, True), (closed, wide, False), (wide, wide, False)):
        assert choose_sources(target[None], source[None])[0].mouth is lent


def test_a_head_that_sways_between_two_pictures_does_not_flicker(faces: Points) -> None:
    heads = np.stack([turned(faces[0], angle, (0, 1, 0)) for angle in (-10, 10)])
    sway = np.array([-1, 2, -2, 1, -1, 2, -2, 1], float)
    targets = np.stack([turned(faces[0], angle, (0, 1, 0)) for angle in sway])
    flicker = [one.source for one in choose_sources(targets, heads, change=0)]
    assert flicker == [0, 1, 0, 1, 0, 1, 0, 1]
    assert len({one.source for one in choose_sources(targets, heads)}) == 1
    # A head that really turns changes over, once.
    there = np.linspace(-10, 10, 16)
    targets = np.stack([turned(faces[0], angle, (0, 1, 0)) for angle in there])
    chosen = [one.source for one in choose_sources(targets, heads)]
    assert chosen[0] == 0 and chosen[-1] == 1
    assert np.abs(np.diff(chosen)).sum() == 1


def test_a_mouth_at_the_limit_does_not_flicker(faces: Points) -> None:
    source = opened(faces[0], 0.1)[None]
    gaps = (0.15, 0.17, 0.15, 0.17, 0.15, 0.17)
    targets = np.stack([opened(faces[0], gap) for gap in gaps])
    assert len({one.mouth for one in choose_sources(targets, source, change=0)}) == 2
    assert len({one.mouth for one in choose_sources(targets, source)}) == 1


@pytest.mark.parametrize("change", [0.0, 0.3, 1.0])
def test_no_other_path_costs_less(rng: np.random.Generator, change: float) -> None:
    costs = rng.random((6, 3))

    def price(path: tuple[int, ...]) -> float:
        rows = sum(float(costs[i, s]) for i, s in enumerate(path))
        return rows + change * sum(a != b for a, b in zip(path, path[1:], strict=False))

    found = steady(costs, change)
    best = min(price(path) for path in product(range(3), repeat=6))
    assert price(tuple(found.tolist())) == pytest.approx(best)


def test_real_speech_changes_pictures_seldom_and_stays_near(faces: Points) -> None:
    first, second = faces[: len(faces) // 2], faces[len(faces) // 2 :]
    sources = first[spread(looks(first, first[0]), 8)]

    def changes_and_distance(change: float) -> tuple[int, float]:
        chosen = [one.source for one in choose_sources(second, sources, change)]
        apart = looks(second, sources[0]) - looks(sources, sources[0])[chosen]
        return int((np.diff(chosen) != 0).sum()), float(np.linalg.norm(apart, axis=1).mean())

    often, near = changes_and_distance(0)
    seldom, still_near = changes_and_distance(2)
    assert seldom < 0.5 * often
    assert still_near < 1.1 * near
