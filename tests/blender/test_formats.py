# SPDX-License-Identifier: GPL-3.0-or-later
"""Head frames of every format through the operators: Blender's render is numpy's composite."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.blender import material
from tests.blender.scenes import BLENDERS, Scenario, steps_in

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("formats_inside.py")
# One strip goes through them in this order, so each follows one that is read otherwise.
FORMATS = ("png16", "exr", "png")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_every_format_is_rendered_as_it_was_made(
    scenario: Scenario, tmp_path: Path, footage: Path
) -> None:
    pending, deep = tmp_path / "pending.png", tmp_path / "deep.png"
    picture = cv2.imread(str(footage / "sample" / "s_mona_lisa_pd.jpg")).astype(np.float64)
    # Soft, in 16 bits: values between those of 8 bits.
    stored = np.round(cv2.GaussianBlur(picture, (0, 0), 1) * 257).astype(np.uint16)
    cv2.imwrite(str(deep), stored)
    picture = stored[..., ::-1] / 257
    facts = scenario("formats", formats=FORMATS, pending=pending, picture=deep)

    # What is not made yet shows the portrait.
    assert facts["part"] == ["head_000000.exr", "head_000001.exr", *["pending.png"] * 4]
    assert np.abs(material.load(pending) - picture[:, :510]).max() < 0.6

    for form in FORMATS:
        found, suffix = facts[form], ".exr" if form == "exr" else ".png"
        assert found["files"] == [f"head_{index:06d}{suffix}" for index in range(6)]
        assert found["space"] == ("Linear Rec.709" if form == "exr" else "sRGB")
        assert found["alpha"] == ("PREMUL" if form == "exr" else "STRAIGHT")
        assert found["job"].startswith("6 frames made")
        frame = _frame(Path(found["frame"]))
        wanted = material.composite(picture, frame, tuple(found["box"]))[:, :510]
        off = np.abs(material.load(Path(found["still"])) - wanted)
        assert off.max() < 0.6, f"{form}: {off.max():.2f} off"  # the render has 8 bits
        assert (len(np.unique(frame[..., 1])) > 256) == (form != "png")
        assert np.abs(picture[:, :510] - wanted).mean() > 0.5  # and the head did move


def test_the_person_is_laid_over_another_plate_and_the_portrait_comes_back(
    scenario: Scenario, tmp_path: Path
) -> None:
    """The portrait's strip is muted for its cut-out person, by one step that is undone as one."""
    blue, back = tmp_path / "blue.png", tmp_path / "back.png"
    plate = tmp_path / "plate.png"
    cv2.imwrite(str(plate), np.full((600, 600, 3), (255, 0, 0), np.uint8))
    facts = scenario("person", blue=blue, back=back, plate=plate)
    assert facts["person"]["files"][0] == "person_000000.png"
    assert facts["person"]["muted"] and not facts["head"]["muted"]
    assert facts["head"]["files"][0] == "head_000000.png"
    over_blue, over_itself = material.load(blue), material.load(back)
    # What lies beside the person is the plate below; the person is the same in both.
    corner = np.s_[10:60, 10:60]
    assert np.abs(over_blue[corner] - (0, 0, 255)).max() < 2
    assert np.abs(over_itself[corner] - (0, 0, 255)).max() > 100
    face = np.s_[200:320, 200:300]
    assert np.abs(over_blue[face] - over_itself[face]).mean() < 1.5


def _frame(path: Path) -> np.ndarray:
    """RGBA, straight, display sRGB, float64 in 0..255."""
    if path.suffix == ".exr":
        return material.load_linear_exr(path)
    frame = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    top = np.iinfo(frame.dtype).max
    return cv2.cvtColor(frame, cv2.COLOR_BGRA2RGBA).astype(np.float64) * (255 / top)
