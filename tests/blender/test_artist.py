# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist sees and is asked beside the four steps: consent, crop, overlay, gaps, matte."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.blender import material
from tests.blender.scenes import BLENDERS, Scenario, steps_in
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("artist_inside.py")
CLEANED, EDITED = "performance.npz", "edited.performance.npz"


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_consent_is_chosen_and_named(scenario: Scenario) -> None:
    facts = scenario("consent")
    # Files that were saved hold these numbers.
    known = {"OWN": 0, "AGREED": 1, "LICENSED": 2, "HISTORIC": 3, "FICTION": 4}
    assert facts["numbers"] == {**known, "CHOOSE": 5}
    assert facts["begins"] == ["CHOOSE", "CHOOSE", "Choose..."]
    assert "needs a name and a basis: say whose face this is, and choose" in facts["nothing"]
    for case in ("no basis", "chosen to choose"):
        assert facts[case].endswith("needs a basis: choose on what ground it may be animated")
    assert facts["no name"].endswith("needs a name: say whose face this is")
    assert facts["kept"] == ["", ""]
    assert facts["done"] == ["FINISHED"]
    assert facts["after"] == facts["reopened"] == ["Lisa", "OWN"]


def test_the_crop_that_is_drawn_is_made_anew(scenario: Scenario) -> None:
    facts = scenario("crop")
    assert facts["drawn"] == facts["made"]
    assert facts["target"].startswith("portrait:") and facts["shown"]


def test_a_take_is_drawn_over_its_strip_and_clip(scenario: Scenario) -> None:
    facts = scenario("views")
    portrait = ["STRIP", "portrait", 1, "face1.npy", True]
    # The take begins two pictures into the strip's content and into the clip.
    strip = ["STRIP", "take", 2, CLEANED, True]
    clip = ["CLIP", "clip", 2, CLEANED, True]
    points = facts["captured"][0]
    assert points[:3] == portrait[:3] and points[3].endswith(portrait[3]) and points[4]
    assert facts["captured"][1:] == [strip]
    assert facts["confidence"] == [6, 6]
    assert facts["begins"] == [12, 19]  # the strip was moved by 7
    assert facts["markers"][1:] == [strip, clip] and facts["clip"]
    assert [each[3] for each in facts["edited"][1:]] == [EDITED, EDITED]
    assert facts["dropped"] == facts["markers"]
    assert facts["of two"] == [["actor 2"], ["actor"]]
    assert facts["saved elsewhere"] == facts["markers"]
    assert all(path.startswith("//../likeness/takes/") for path in facts["relative"])
    assert len(facts["relative"]) == 2
    assert facts["removed"] == 2  # the portrait's and the other take's


def test_a_clip_that_begins_later_has_its_markers_in_place(
    scenario: Scenario, tmp_path: Path, footage: Path
) -> None:
    short = tmp_path / "short.mp4"
    write_movie(short, read_clip(footage / "sample" / "s_grid_female_ccby4.mp4", 0, 7))
    facts = scenario("late_clip", short=short)
    assert facts["take"] == [3, 4]
    assert facts["layers"] == [["CLIP", "clip", 0, CLEANED, True]]
    # Blender counts markers from the first picture that the clip shows.
    assert facts["markers"] == [1, 2, 3, 4]
    assert facts["applied"] == ["FINISHED"] and facts["job"]["kind"] == "performance"


def test_gaps_are_bridged_as_the_field_says(
    scenario: Scenario, tmp_path: Path, footage: Path
) -> None:
    frames = read_clip(footage / "sample" / "s_grid_female_ccby4.mp4", 0, 15)
    for index in (6, 7):  # out of focus: a black frame would be a cut
        frames[index] = cv2.GaussianBlur(frames[index], (0, 0), frames[index].shape[0] / 12)
    gappy = tmp_path / "gappy.mp4"
    write_movie(gappy, frames)
    facts = scenario("gaps", gappy=gappy)
    asked, left, filled = facts["12"]
    assert asked == 12 and left == 0 and filled >= 2
    assert facts["3"] == [3, 0, filled]
    assert facts["1"] == [1, filled, 0]


def test_the_lens_reaches_the_performance(scenario: Scenario) -> None:
    facts = scenario("lens")
    assert facts["0"] == ["weak", 0, ""]
    assert facts["40"] == ["perspective", pytest.approx(40 / 36), ""]
    camera, focal, line = facts["3"]
    assert "a lens of 3 mm cannot be; give 8 to 1000" in line
    assert (camera, focal) == ("perspective", pytest.approx(40 / 36))  # as it was


def test_the_matte_masks_a_grade_of_the_face_alone(scenario: Scenario, tmp_path: Path) -> None:
    shots = {name: tmp_path / f"{name}.png" for name in ("plain", "graded", "mask", "file")}
    scenario("graded", **shots)
    plain, graded, mask = (material.load(shots[name]) for name in ("plain", "graded", "mask"))
    mask = mask[..., 0] / 255
    grey = cv2.imread(str(shots["file"]), cv2.IMREAD_UNCHANGED)
    assert grey.ndim == 2 and grey.max() == 255 and grey.min() == 0
    change = (graded - plain).mean(axis=-1)
    outside, inside = mask < 0.01, mask > 0.99
    assert 0.05 < inside.mean() < 0.5 and outside.mean() > 0.4
    assert np.abs(change[outside]).max() < 3
    # Where nothing is clipped it is as bright as asked for; the mask's edge is the grade's.
    free = plain.max(axis=-1) < 180
    full = np.median(change[inside & free])
    assert full > 15
    soft = free & (mask > 0.2) & (mask < 0.8)
    assert np.abs(change[soft] - full * mask[soft]).mean() < 0.12 * full


def test_a_recording_that_is_no_take_is_kept_and_told(scenario: Scenario, tmp_path: Path) -> None:
    out = tmp_path / "speech.track.npz"
    facts = scenario("no_take", out=out)
    assert facts["line"] == "the disk is full (the recording speech.track.npz is kept)"
    assert facts["heard"] == [out.name]  # the others hear of it all the same
    assert facts["frames"] == 6 and facts["beside"] == [out.name]
