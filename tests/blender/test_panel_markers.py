# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's landmarks as markers, by the panel's buttons, from a Movie Clip Editor."""

from __future__ import annotations

from pathlib import Path

import pytest

from blender_addon.performance.markers import POINTS
from tests.blender.scenes import BLENDERS, Scenario, steps_in
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("markers_inside.py")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_markers_that_are_moved_change_their_frames(scenario: Scenario) -> None:
    facts = scenario("by_hand")
    assert "no markers yet" in facts["nothing there"]
    assert facts["added"] == ["FINISHED"] and facts["tracks"] == len(POINTS)
    assert facts["none moved"] == [False, {}]
    assert facts["applied"] == ["FINISHED"] and facts["marked"]
    # A clip of 256 pixels: the chin is 0.03 lower in frame 3, the corner 0.02 to the right in 4.
    assert facts["changed"] == {
        "3": pytest.approx([0, 7.68, 0, 0], abs=0.02),
        "4": pytest.approx([0, 0, 5.12, 0], abs=0.02),
    }
    moved = [value > 0.05 for value in facts["controls"]]
    assert moved == [False, False, False, True, True, False]
    assert max(facts["controls"][frame] for frame in (0, 1, 2, 5)) < 1e-4
    assert " frames made" in facts["then"] and not facts["then"].startswith("0")


REFUSALS = {
    "no take": "no performance yet",
    "none to apply": "no performance yet",
    "no clip": "There is no movie clip",
    "footage gone": "mine.mp4: the footage of 'mine' is not there any more",
    "other footage": "the track was captured from 256 x 256",
    "no movie": "mine.mp4: Blender cannot read this movie",
    "removed": "no Likeness markers",
    "track gone": "the track of 'mine' is not there any more",
    "track gone too": "the track of 'mine' is not there any more",
    "no footage": "'mine' was not captured from footage",
}


def test_what_has_no_markers_says_so(scenario: Scenario, tmp_path: Path, footage: Path) -> None:
    frames = read_clip(footage / "sample" / "s_grid_female_ccby4.mp4", 0, 3)
    short = write_movie(tmp_path / "short.mp4", frames, rate=25)
    other = write_movie(tmp_path / "other.mp4", [frame[:128, :128] for frame in frames], rate=25)
    facts = scenario("refusals", clip=short, other=other)
    for case, words in REFUSALS.items():
        assert words in facts["lines"][case], case
        assert "\n" not in facts["lines"][case], case
    assert facts["removed"] == ["FINISHED"]
    assert facts["clips"] == 1
