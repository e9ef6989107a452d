# SPDX-License-Identifier: GPL-3.0-or-later
"""The softness of the head layer's edge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.composite import feather
from inference.errors import InputError
from inference.portrait import Portrait, open_portrait


@pytest.fixture(scope="module")
def portrait(samples: Path) -> Portrait:
    return open_portrait(samples / "eileen_collins.png")


def test_a_softer_edge_reaches_further_in_and_leaves_the_middle_whole(portrait: Portrait) -> None:
    narrow, soft = feather(portrait), feather(portrait, 0.2)
    assert (soft <= narrow).all()
    assert soft.mean() < narrow.mean() - 0.05
    height, width = soft.shape
    assert soft[height // 2, width // 2] == 1


def test_an_edge_is_never_narrower_than_the_border_that_moves(portrait: Portrait) -> None:
    np.testing.assert_array_equal(feather(portrait, 1e-4), feather(portrait))


@pytest.mark.parametrize("softness", [-0.1, 0.3, float("nan")])
def test_a_softness_out_of_range_is_one_line(portrait: Portrait, softness: float) -> None:
    with pytest.raises(InputError, match=r"give 0 to 0\.25"):
        feather(portrait, softness)
