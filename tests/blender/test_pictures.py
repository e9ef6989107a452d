# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait of several pictures: faces with stable numbers, what may be beside what, what goes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.blender.scenes import BLENDERS, Scenario, steps_in
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("pictures_inside.py")
MANY = [f"copy {number}.png" for number in range(33)]


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> dict[str, Any]:
    """pair.png: the person at the left, another at the right; second and third: the person alone.

    many: 33 names; blank.png: no face. short: a movie of three frames.
    """
    sample, made = footage / "sample", tmp_path_factory.mktemp("made")
    folder = made / "Bïlder"
    folder.mkdir()
    pair = [
        cv2.resize(cv2.imread(str(sample / name)), (400, 400))
        for name in ("s_obama_official_pd.jpg", "s_girl_pearl_earring_pd.jpg")
    ]
    _save(folder / "pair.png", np.hstack(pair))
    spoken = read_clip(sample / "s_obama_whitehouse_pd.mp4", 0, 31)
    for name, index in (("second", 0), ("third", 30)):
        _save(folder / f"{name}.png", spoken[index][..., ::-1])
    for name in MANY:
        shutil.copy(folder / "second.png", folder / name)
    _save(folder / "blank.png", np.full((300, 300, 3), 127, np.uint8))
    frames = read_clip(sample / "s_grid_female_ccby4.mp4", 0, 3)
    short = write_movie(made / "short.mp4", frames, rate=25)
    return {"pictures": folder, "short": short, "many": MANY}


def test_several_pictures_make_one_person(scenario: Scenario, given: dict[str, Any]) -> None:
    facts = scenario("several", **given)
    pair, second = facts["added"]
    assert [name for name, _, _ in facts["added"]] == ["pair.png", "second.png"]
    (one, left, there), (two, right, too) = pair[2]
    assert (one, two) == (1, 2) and there and too
    assert left[0] + left[2] / 2 < 400 < right[0] + right[2] / 2
    assert pair[1] == 0 and second[1] == 1  # only of one face is it clear which is meant
    assert facts["twice"] == [["FINISHED"], 2]
    assert "at most 32 pictures" in facts["32 more"]
    assert "pair.png shows 2 faces; choose one" in facts["which"]
    (x1, _, w1, _), (x2, _, w2, _) = facts["boxes"]
    assert x1 + w1 / 2 < 400 < x2 + w2 / 2

    message, used, box = facts["made"]
    assert message.startswith("3 frames made")
    assert [Path(path).name for path in used] == ["pair.png", "second.png", "third.png"]
    assert box == facts["boxes"][0]
    assert facts["again"] == facts["reopened"]
    assert facts["again"][0][2] == pair[2] and facts["again"][0][1] == 1
    assert facts["kept"].startswith("0 frames made, 3 kept")

    for line in (*facts["gone"], facts["gone at consent"]):
        assert "third.png" in line and "is not there any more" in line
    assert facts["left"] == [["pair.png", "second.png"], 1]
    assert "consent note is for other pictures" in facts["note"]
    assert facts["fewer"].startswith("3 frames made")  # one picture less: all are made anew
    assert "the first picture" in facts["first"]
    assert facts["end"] == ["pair.png"]
    assert "at least one picture" in facts["last"]


REFUSALS = {
    "33": "at most 32 pictures, not 33",
    "none": "no picture was chosen",
    "extends nothing": "no portrait yet",
    "second has no face": "blank.png: no face was found",
    "more without a face": "blank.png: no face was found",
    "two in the second": "only the first picture may show more than one",
    "no portrait to remove": "no portrait yet",
    "no picture to remove": "no portrait yet",
    "no face to choose": "no portrait yet",
    "no consent to record": "no portrait yet",
}


def test_pictures_that_cannot_be_used_change_nothing(
    scenario: Scenario, given: dict[str, Any]
) -> None:
    facts = scenario("refusals", **given)
    for case, words in REFUSALS.items():
        assert words in facts["lines"][case], case
        assert "\n" not in facts["lines"][case], case
    assert facts["portraits"] == [0]
    assert facts["pictures"] == 1
    assert facts["removed"] == [["FINISHED"], 0]


def _save(path: Path, picture: np.ndarray) -> None:
    cv2.imencode(path.suffix, picture)[1].tofile(path)
