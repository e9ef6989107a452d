# SPDX-License-Identifier: GPL-3.0-or-later
"""Any character: the 3D view is rendered, and the face in it is found where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.blender.scenes import BLENDERS, Scenario, steps_in

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("character_inside.py")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_a_face_in_the_scene_is_found_where_it_moves(scenario: Scenario) -> None:
    facts = scenario("character")
    # At the frame of the scene that was asked for, not where the sequencer's strips lie.
    assert facts["take"] == ["some one", 6, 3, [25, 1], True]
    assert facts["source"].startswith("some one.") and facts["source"].endswith(".mp4")
    assert facts["valid"] == [True] * 6
    assert facts["size"] == [320, 240]
    assert facts["frame"] == 5  # the scene is back where it was
    found, true = np.array(facts["found"]), np.array(facts["true"])
    off = np.linalg.norm(found - true, axis=2).mean(axis=1)
    way = np.linalg.norm(true - true[0], axis=2).mean(axis=1)
    assert way[-1] > 40
    assert off.max() < 1.6, off  # pixels; the face is some 80 wide
    assert facts["strips"]["test"]["span"] == [6, 7]
    assert facts["strips"]["test"]["files"] == ["head_000003.png"]


REFUSALS = {
    "no camera": "The scene has no camera",
    "no such camera": "none: there is no such camera",
    "no face": "no face was found; use footage in which one is seen larger",
    "not whole": "The render ended after 0 of 2 frames; nothing was kept",
    "cancelled": "cancelled",
}


def test_what_gives_no_take_is_one_line(scenario: Scenario) -> None:
    facts = scenario("refusals")
    for case, words in REFUSALS.items():
        assert words in facts["lines"][case], case
        assert "\n" not in facts["lines"][case], case
    assert facts["takes"] == 0
    assert facts["job"] == "CANCELLED"
    # The scene is as it was, and nothing half-made is left.
    assert facts["size"] == [320, 240] and facts["sequencer"]
    assert facts["left"] == []
