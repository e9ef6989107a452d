# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as in a window: what ticks bring is undone with the button that asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.blender.scenes import BLENDERS, Scenario, steps_in

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("ticks_inside.py")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_each_button_is_one_undo_step(scenario: Scenario, footage: Path) -> None:
    second = footage / "sample" / "s_girl_pearl_earring_pd.jpg"
    facts = scenario("one_step", second=second)
    for button in ("capture", "update", "synthesize", "again", "test", "portrait"):
        _check(button, facts[button])
    assert facts["capture"]["after"][1] == [True, True]  # the take is cleaned in the same step
    assert "head" in facts["synthesize"]["after"][2]
    assert "test" in facts["test"]["after"][2]
    # Frames came in several ticks, so there was something to be joined; they stay on the disk.
    assert len(set(facts["shown"])) > 2
    assert facts["on the disk"] == 28


def test_the_artists_own_edits_keep_their_steps(scenario: Scenario) -> None:
    facts = scenario("meanwhile")
    assert facts["job"]["state"] == "DONE"
    # The rest of the frames, the new name, then the button with its first frames.
    assert facts["steps"] == [[True, True], [False, True], [False, False]]
    assert facts["undone while it ran"][2] == ["footage", "portrait"]


def test_escape_ends_the_job_of_the_scene_that_is_edited(scenario: Scenario) -> None:
    facts = scenario("escape")
    assert not facts["at rest"]
    assert facts["elsewhere"] == [["PASS_THROUGH"], 1]
    assert facts["here"] == ["FINISHED"]
    assert facts["job"]["state"] == "CANCELLED" and facts["kept"]
    assert facts["keys"] == [["Video Sequence Editor", "SEQUENCE_EDITOR", "ESC"]]
    assert facts["again"] == 1


@pytest.mark.parametrize("scenario", ["this"], indirect=True)
def test_a_personalized_model_is_one_undo_step(scenario: Scenario) -> None:
    pytest.importorskip("torch", reason="personalizing needs torch")
    facts = scenario("person")
    _check("personalize", facts)
    assert facts["after"][3] and not facts["undone"][3]
    assert facts["folder"]


def _check(button: str, facts: dict[str, Any]) -> None:
    assert facts["job"]["state"] == "DONE", facts["job"]
    assert facts["after"] != facts["before"], button
    assert facts["undone"] == facts["before"], button
    assert facts["redone"] == facts["after"], button
