# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheet of turned portraits: what `synthesize` would render, at known angles."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from export.cli import main
from export.evaluation.turn_sheet import contact_sheet, turn, turned_portrait
from inference.performance.face.pose import fit_pose
from inference.portrait import open_portrait
from tests.faces import SAMPLES

PORTRAIT = SAMPLES / "eileen_collins.png"


def yaw_of(rest: np.ndarray, points: np.ndarray) -> float:
    rotation = fit_pose(rest, points).rotation
    return float(np.degrees(np.arctan2(-rotation[0, 2], rotation[2, 2])))


@pytest.fixture(scope="module")
def rest() -> np.ndarray:
    return open_portrait(PORTRAIT).points


@pytest.mark.parametrize("yaw", [-15.0, 15.0])
def test_it_turns_by_the_angle_that_is_named(rest: np.ndarray, yaw: float) -> None:
    assert yaw_of(rest, turn(rest, yaw, 0.0)) == pytest.approx(yaw, abs=1.5)


def test_a_row_shows_the_portrait_and_each_turn(rest: np.ndarray) -> None:
    row = turned_portrait(PORTRAIT, [(0.0, 0.0), (20.0, 0.0)], "draft")
    portrait, still, turned = (picture.astype(int) for picture in row.pictures)
    assert np.abs(still - portrait).mean() < 3
    assert np.abs(turned - portrait).mean() > 2 * np.abs(still - portrait).mean()
    sheet = contact_sheet([row], 100)
    assert sheet.shape == (100, 300, 3)


def test_the_command_writes_it_and_replaces_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sheet.png"
    given = ["sheet", "--portrait", str(PORTRAIT), "--turn", "pitch", "--side", "80"]
    assert main([*given, "--out", str(out)]) == 0
    assert cv2.imread(str(out)).shape == (80, 400, 3)
    before = out.read_bytes()
    assert main([*given, "--out", str(out)]) != 0
    assert "not there yet" in capsys.readouterr().err
    assert out.read_bytes() == before
