# SPDX-License-Identifier: GPL-3.0-or-later
"""The head strip's colours match the portrait's or a plate's, as the step Composite says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.blender.scenes import BLENDERS, Scenario, steps_in

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("match_inside.py")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_a_strip_matches_what_was_chosen(scenario: Scenario, tmp_path: Path, footage: Path) -> None:
    home = tmp_path / "ein Ordner"
    portrait = tmp_path / "lisa.png"
    lisa = cv2.imread(str(footage / "sample" / "s_mona_lisa_pd.jpg"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(portrait), lisa)
    blue = np.round(lisa[..., None] * (1, 0.75, 0.55)).astype(np.uint8)
    # The scenario copies them beside its .blend.
    plates = tmp_path / "plates"
    plates.mkdir()
    cv2.imencode(".png", blue)[1].tofile(plates / "plate é.png")
    (plates / "notes.txt").write_text("no picture")
    facts = scenario("matched", picture=portrait, folder=home, plates=plates)

    assert facts["unasked"] == ["portrait", 1]
    shown = facts["portrait"]
    assert shown["asked"] == ["portrait", 1] and shown["match"]["share"] == 1
    assert shown["message"].startswith("6 frames made")
    assert np.ptp(_head(shown["frame"]), axis=2).max() <= 1, "a monochrome portrait stays one"
    off = facts["off"]
    assert off["match"] is None and off["message"].startswith("6 frames made")
    assert np.ptp(_head(off["frame"]), axis=2).max() > 1, "and would not, even with closed lips"

    assert "no picture is chosen" in facts["none"]
    assert "gone.png: there is no such file" in facts["gone"]
    assert facts["gone for a test"] == facts["gone"]
    assert "notes.txt: not a picture that can be read" in facts["text"]
    for line in (facts["none"], facts["gone"], facts["text"]):
        assert "Traceback" not in line

    graded = facts["picture"]
    assert Path(graded["asked"][0]) == home / "plate é.png"
    assert graded["match"]["by"] == "same picture"
    assert facts["test"]["match"] == graded["match"], "a test frame shows the same"
    plain, whole, half = (_head(facts[name]["frame"]) for name in ("portrait", "picture", "half"))
    assert (whole[..., 0] - plain[..., 0]).mean() > (whole[..., 2] - plain[..., 2]).mean() + 20
    assert np.abs(half - (plain + whole) / 2).mean() < 1
    assert facts["reopened"] == ["picture", "//plate é.png", 0.5]
    assert facts["again"]["message"].startswith("0 frames made, 6 kept")


def _head(path: str) -> np.ndarray:
    """A head frame's colours, (N, 1, 3) int in 0..255, where it is opaque."""
    frame = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED).astype(int)
    return np.asarray(frame[frame[..., 3] == 255][:, None, :3])
