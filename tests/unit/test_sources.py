# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of one person: which are unlike each other."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.landmarks import MOUTH_LOWER
from inference.sources import looks, spread
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
