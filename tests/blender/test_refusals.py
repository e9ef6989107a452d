# SPDX-License-Identifier: GPL-3.0-or-later
"""Every button where it cannot do its work: one line that says what to do, and nothing changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.blender.scenes import BLENDERS, Scenario, steps_in
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("refusals_inside.py")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> dict[str, Any]:
    """short: a movie of three frames. other: a picture of 300 x 200."""
    made = tmp_path_factory.mktemp("made")
    frames = read_clip(footage / "sample" / "s_grid_female_ccby4.mp4", 0, 3)
    cv2.imwrite(str(made / "other.png"), np.full((200, 300, 3), 90, np.uint8))
    return {"short": write_movie(made / "short.mp4", frames, rate=25), "other": made / "other.png"}


PORTRAIT = "there is no portrait yet; add one in the step Portrait"
TAKE = "there is no performance yet; capture one in the step Performance"
AT_FIRST = {
    **dict.fromkeys(
        ("align", "before_after", "consent_record", "face_choose", "open_output", "person_remove",
         "personalize", "picture_remove", "portrait_remove", "synthesize", "test_clear",
         "test_frame"), PORTRAIT,
    ),
    **dict.fromkeys(
        ("curves_drop", "take_curves", "take_curves_keep", "take_markers", "take_markers_apply",
         "take_remove", "take_set", "take_update"), TAKE,
    ),
    "portrait_from_strip": "no strip is active; select an image or movie strip",
    "portrait_from_files": "no picture was chosen; choose 1 to 32",
    "capture_footage": "no strip is active; select a movie strip",
    "capture_viewport": "There is no puppet in the scene",
    "viewport_capture": "Name the file to write; it ends in .track.npz",
    "viewport_render": "Name the file to write; it ends in .mp4",
    "puppet_follow": "There are no control curves in the scene",
    "curves_load": "Name the performance",
    "curves_save": "There are no control curves in the scene",
    "markers_add": "Name the track",
    "markers_apply": "There is no movie clip",
    "markers_remove": "There is no movie clip",
    "job_again": "that job is not on the list any more",
    "job_cancel": "poll() failed",
    "puppet_add in a mesh": "poll() failed",
}  # fmt: skip


def test_in_an_empty_file_every_button_says_what_is_missing(scenario: Scenario) -> None:
    facts = scenario("empty")
    for case, words in AT_FIRST.items():
        _check(facts["lines"], case, words)
    assert facts["jobs"] == 0
    # The puppet and its camera alone can be made of nothing.
    assert facts["things"] == ["Cube", "Likeness camera", "Likeness puppet", "Likeness puppet head"]


def test_the_file_browser_begins_without_a_file_name(scenario: Scenario) -> None:
    facts = scenario("browsed")
    assert facts["offered"]["unsaved"] == [f"{facts['home']}{os.sep}"] * 2
    assert facts["offered"]["saved"] == [f"{facts['folder']}{os.sep}"] * 2
    _check(facts, "portrait", "no picture was chosen; choose 1 to 32")
    _check(facts, "footage", "no movie was chosen; choose one")


def test_it_works_in_a_file_that_is_not_saved_and_has_no_sequencer(
    scenario: Scenario, given: dict[str, Any]
) -> None:
    facts = scenario("fresh", **given)
    assert "no frames yet" in facts["not yet"]
    assert facts["opened"] == ["FINISHED"]
    strips, folder = facts["unsaved"]
    assert strips["head"]["span"] == [1, 3] and strips["portrait"]["span"] == [1, 4]
    assert "likeness_unsaved" in folder
    # Once it is saved, what is made lies beside it, and the strip goes along.
    assert "no frames yet" in facts["other folder"][0]
    assert "synthesize first" in facts["other folder"][1]
    strips_then, folder_then, message = facts["saved"]
    assert strips_then == strips
    assert folder_then.startswith("//likeness/")
    assert message.startswith("2 frames made")
    for line in facts["blocked"]:
        assert "likeness" in line and "cannot be written" in line and "\n" not in line


WRONG = {
    "no such face": "there is no face 7; the clip's faces are 1",
    "backwards": "plays backwards or is retimed",
    "none of its own": "shows none of its own pictures",
    "strip's file gone": "gone.mp4: the file of the strip 'actor' is not there any more",
    "clip's file gone": "the file of the clip 'short.mp4' is not there any more",
    "pictures": "is a sequence of pictures; give a movie file",
    "no such clip": "there is no clip 'nobody'",
    "strip's picture gone": "mine.png: the picture of the strip 'mine' is not there any more",
    "strip's movie gone": "gone.mp4: the file of the strip 'actor' is not there any more",
    "an effect": "'speed' is no image or movie strip",
    "no such frame": "the neutral frame must be 0 to 5",
    "in": "frame 90 is outside of the take, which lies at 12 to 17",
    "a result": "'Test frame' is a result of Likeness; select the portrait below it",
    "no own model": "no personalized model",
    "performance gone": "there is no such performance",
    "nothing to load": "the performance of 'actor' is not there any more",
    "not cleaned": "has no performance yet; press Update Take",
    "no shared frame": "(100 to 109) and the take (12 to 17) share no frame",
    "another size": "shows 300 x 200 pixels, the portrait has 511 x 512",
    "busy": "A job is running",
    "job gone": "not on the list any more",
    "another version": "this version of Likeness has no such job",
}


def test_what_is_wrong_is_named(scenario: Scenario, given: dict[str, Any]) -> None:
    facts = scenario("wrong", **given)
    for case, words in WRONG.items():
        _check(facts["lines"], case, words)
    assert facts["takes"] == 1
    assert facts["used"] == "In and out: timeline 14 to 17"
    assert facts["cleared"] == [["FINISHED"], False]
    # Pressed twice there is one Empty; curves that nobody edited are nothing to keep.
    assert facts["unedited"] == [["FINISHED"], "", 1]


def _check(lines: dict[str, str], case: str, words: str) -> None:
    assert words in lines[case], f"{case}: {lines[case]}"
    assert "\n" not in lines[case] and len(lines[case]) < 300, case
