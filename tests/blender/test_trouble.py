# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes away while jobs run, or before a file is opened again: said in a line, nothing lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.blender import material
from tests.blender.scenes import BLENDERS, Scenario, steps_in

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("trouble_inside.py")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_what_goes_away_while_a_job_runs_is_named(scenario: Scenario, footage: Path) -> None:
    facts = scenario("meanwhile", second=footage / "sample" / "s_girl_pearl_earring_pd.jpg")
    killed, again = facts["killed"], facts["again"]
    assert killed["job"]["state"] == "FAILED"
    assert "the worker ended in the middle (signal 9)" in killed["job"]["message"]
    # What was whole is shown, and is not made a second time.
    assert 3 <= len(killed["there"]) < 20
    assert killed["shown"] == killed["there"]
    assert again["state"] == "DONE"
    made, kept = 20 - len(killed["there"]), len(killed["there"])
    assert again["message"].startswith(f"{made} frame{'s' * (made != 1)} made, {kept} kept")
    assert facts["rest"] == []

    cancelled = facts["cancelled"]
    assert cancelled["job"]["state"] == "CANCELLED"
    kept = len(cancelled["shown"])
    assert 3 <= kept < 20
    made = 20 - kept
    said = f"{made} frame{'s' * (made != 1)} made, {kept} kept"
    assert facts["after"]["message"].startswith(said)

    job, strips = facts["deleted"]
    assert job["state"] == "FAILED" and "was deleted meanwhile" in job["message"]
    assert strips == ["footage"]
    job, strips = facts["laid anew"]
    assert job["state"] == "DONE" and strips == ["footage", "head", "portrait"]
    job, takes = facts["take removed"]
    assert job["state"] == "FAILED" and "the take that this was for was removed" in job["message"]
    assert takes == 0
    job, portraits = facts["portrait removed"]
    assert job["state"] == "FAILED" and "the portrait that this was for" in job["message"]
    assert portraits == 1


def test_a_file_opens_where_nothing_can_run(
    scenario: Scenario, tmp_path: Path, footage: Path
) -> None:
    second = footage / "sample" / "s_girl_pearl_earring_pd.jpg"
    facts = scenario("other_machine", second=second, stills=tmp_path)
    assert facts["same"] and facts["unchanged"]
    for line in facts["lines"]:
        assert "no python: neither a Python nor the folder of an environment" in line
        assert "\n" not in line and "Traceback" not in line
    assert facts["works"] == [["FINISHED"]] * 3
    # Without the add-on it renders alike, and what the add-on kept survives being saved.
    assert facts["no property"] and facts["came back"]
    here = material.load(tmp_path / "here.png")
    portrait = material.load(footage / "sample" / "s_mona_lisa_pd.jpg")[:, :510]
    assert np.abs(here - portrait).mean() > 0.5
    for name in ("no runtime", "no add-on"):
        assert np.array_equal(material.load(tmp_path / f"{name}.png"), here), name
