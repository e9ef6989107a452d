# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers' files where the add-on writes and removes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.scenes import BLENDERS, Scenario, steps_in

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("ownership_inside.py")
FOLDER = ["card.md", "generator.onnx", "likeness.json", "notes.txt", "person.json"]


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_removing_a_persons_model_takes_its_own_files_alone(scenario: Scenario) -> None:
    facts = scenario("persons")
    line, left = facts["recorded"]
    assert line == "" and left == ["card.md", "notes.txt"]  # the one is a link
    assert facts["victim"] == "precious"
    assert facts["older"] == ["", ["card.md"]]
    refused = "nothing in it says that Likeness made it"
    for folder, kept in (
        ("another model", ["card.md", "generator.onnx", "person.json"]),
        ("no person's", ["person.json", "plan.txt"]),
        ("another kind", FOLDER),
        ("damaged", FOLDER),
    ):
        line, left = facts[folder]
        assert refused in line and left == kept, folder
    assert refused in facts["a link"][0] and facts["target"] == FOLDER


def test_cleaning_the_cache_takes_what_the_worker_made_there(scenario: Scenario) -> None:
    facts = scenario("cache")
    assert facts["made"] and facts["mode"] == "0o700"
    assert facts["left"] == [
        "mine.txt", "test/link", "test/mine/head_000001.png", "test/ours/head_000002.png",
        "test/ours/own.txt",
    ]  # fmt: skip
    assert facts["precious"] == ["deep/head_000001.png", "deep/likeness.json"]
    assert len(facts["behind a link"]) == 4
    assert "is a link or belongs to somebody else" in facts["line"]


def test_the_cache_is_the_persons_alone(scenario: Scenario) -> None:
    facts = scenario("private")
    assert facts["where"] == "likeness/likeness_cache/test"
    assert facts["unsaved"] == "likeness/likeness_unsaved"
    assert facts["modes"] == ["0o700", "0o700"] and facts["closed again"] == "0o700"
    assert "is a link or belongs to somebody else" in facts["line"]


def test_recordings_and_movies_replace_nothing_else(scenario: Scenario) -> None:
    facts = scenario("written")
    assert facts["lines"][:2] == ["", ""]
    assert "is there already and is not a recording of Likeness" in facts["lines"][2]
    assert "is a link" in facts["lines"][3]
    assert facts["apart"]
    assert "is there already" in facts["movie"]
    assert facts["kept"] == ["mine", "mine"]
    assert facts["names"] == ["link.track.npz", "movie.mp4", "own.track.npz", "victim.track.npz"]


def test_strangers_files_among_the_head_frames_stay(scenario: Scenario) -> None:
    facts = scenario("frames")
    assert facts["done"] == ["FINISHED"] and facts["pending"]
    assert "pending.png: is there already" in facts["line"] and facts["kept"] == "mine"
    assert "pending.png: is a link" in facts["linked"] and facts["victim"] == "precious"
    assert facts["again"] == ["FINISHED"]
    assert facts["strangers"] == ["matte_v01.exr", "notes.txt"]
