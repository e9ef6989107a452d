# SPDX-License-Identifier: GPL-3.0-or-later
"""A canonical face computed from real people's tracks by the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.cli import main
from export.face.locality import locality
from inference.performance.face.canonical import canonical_face, load_face
from tests.strangers import plant

pytestmark = pytest.mark.footage


def test_a_face_is_made_of_prepared_footage_and_drawn(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, chart = tmp_path / "face.npz", tmp_path / "chart.jpg"
    strangers = plant(tmp_path)
    command = ["face", "--tracks", str(data), "--out", str(out), "--chart", str(chart)]
    assert main(command) == 0
    assert main(command) == 0, "both may be made again"
    strangers.check()
    face = load_face(out)
    # Two people's mean is still a face as the shipped one, but its own.
    apart = np.linalg.norm(face.mean - canonical_face().mean, axis=1)
    assert 0.01 < apart.mean() < 0.15
    assert max(reach.elsewhere for reach in locality(face)) < 0.02
    picture = cv2.imread(str(chart))
    assert picture is not None and picture.shape[1] > 1500
    said = capsys.readouterr().out
    assert "the mean of 2 people in 2 clips" in said and "jaw_open" in said


def test_one_person_is_no_mean(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track, out = samples / "weekly_address.track.npz", tmp_path / "face.npz"
    assert main(["face", "--tracks", str(track), "--out", str(out)]) == 2
    assert "several people" in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_without_tracks_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.json").write_text(json.dumps({}), encoding="utf-8")
    assert main(["face", "--tracks", str(tmp_path), "--out", str(tmp_path / "face.npz")]) == 2
    assert "holds no prepared footage" in capsys.readouterr().err
