# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's Prefetch Frames while jobs run; LIKENESS_SYNTHESES: how many one after the other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.blender.scenes import BLENDERS, Scenario, steps_in

pytestmark = [pytest.mark.blender, pytest.mark.footage, pytest.mark.timeout(3600)]

INSIDE = Path(__file__).with_name("prefetch_inside.py")
COUNT = int(os.environ.get("LIKENESS_SYNTHESES", "2"))


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_prefetching_stands_still_and_comes_back(scenario: Scenario, tmp_path: Path) -> None:
    saved, crashed = tmp_path / "saved.blend", tmp_path / "crashed.blend"
    facts = scenario("prefetching", saved=saved, crashed=crashed)
    assert facts["seen"] == ["False"]
    assert not facts["at work"] and not facts["after saving"]
    assert facts["done"] == ["DONE", True] and facts["undone"] and facts["redone"]
    assert facts["cancelled"] == ["CANCELLED", True] and facts["lost"] == ["FAILED", True]
    assert facts["opened crashed"] == [True, True] and facts["opened saved"] == [True, True]
    assert not facts["before unregistering"] and facts["unregistered"]
    assert facts["without the add-on"] and not facts["never on"]


def test_syntheses_with_rendering_between(scenario: Scenario) -> None:
    facts = scenario("many", count=COUNT)
    assert facts["ended"] == [["DONE", True, 12]] * COUNT
