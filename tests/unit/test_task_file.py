# SPDX-License-Identifier: GPL-3.0-or-later
"""The face model that an extension carries: in order, and as right as the one it was made from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.capture import detector, small_faces, tasks
from inference.capture.detector import FaceDetector, find_faces
from inference.capture.task_file import sources, write_task
from inference.capture.without_matplotlib import without_matplotlib
from inference.errors import InputError
from inference.landmarks import POINT_COUNT
from inference.pictures import read_picture

EYES = (33, 263)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "face_landmarker.task"
    write_task(path)
    return path


@pytest.fixture
def newer(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if MediaPipe had no models of its own."""
    for module in (detector, small_faces):
        monkeypatch.setattr(module, "has_solutions", lambda: False)
    monkeypatch.setattr(tasks, "MODEL", model)


def test_every_value_has_one_source_and_finer_ones_win() -> None:
    places = sources().reshape(POINT_COUNT, 3)
    assert places.min() >= 0
    assert len(np.unique(places)) == places.size - 8, "five points of an iris share one depth"
    mesh = 3 * 468
    finer = (places[:, 0] >= mesh).sum()
    assert finer == 80 + 2 * 71 + 2 * 5
    assert (places[:468, 2] < mesh).all(), "depths of the skin are the mesh's"


def test_the_same_file_every_time(model: Path, tmp_path: Path) -> None:
    write_task(tmp_path / "again.task")
    assert (tmp_path / "again.task").read_bytes() == model.read_bytes()


@pytest.mark.usefixtures("newer")
def test_the_newer_api_finds_the_same_face(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = read_picture(samples / "eileen_collins.png").rgb8()
    (newer_face,) = find_faces(picture)
    monkeypatch.undo()
    (older_face,) = find_faces(picture)
    eyes = np.linalg.norm(older_face[EYES[0], :2] - older_face[EYES[1], :2])
    away = np.linalg.norm(newer_face[:, :2] - older_face[:, :2], axis=1) / eyes
    # A scrambled order would be off by whole eyes' distances.
    assert away.mean() < 0.02
    assert away.max() < 0.08, "at the forehead, below the hair"


@pytest.mark.usefixtures("newer")
def test_small_faces_are_looked_for_in_parts_of_the_picture(samples: Path) -> None:
    sample = read_picture(samples / "eileen_collins.png").rgb8()
    picture = np.full((900, 1600, 3), 127, np.uint8)
    picture[300:460, 1200:1360] = cv2.resize(sample, (160, 160), interpolation=cv2.INTER_AREA)
    (face,) = find_faces(picture)
    assert np.abs(face[:, :2].mean(axis=0) - (1270, 340)).max() < 10


@pytest.mark.usefixtures("newer")
def test_after_a_cut_the_newer_api_begins_anew(samples: Path) -> None:
    picture = read_picture(samples / "eileen_collins.png").rgb8()
    with FaceDetector() as finder:
        (first,) = finder.find(picture)
        finder.forget()
        assert finder.find(np.zeros_like(picture)) == []
        (again,) = finder.find(picture)
    assert np.abs(first - again).max() < 2


def test_a_missing_model_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tasks, "MODEL", tmp_path / "none.task")
    with pytest.raises(InputError, match=r"none\.task: the face model"):
        tasks.TaskMesh(1)


def test_a_system_without_graphics_libraries_is_told_which_package(
    newer: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_matplotlib():
        from mediapipe.tasks.python import vision

    def refuse(_options: object) -> None:
        raise OSError("libGLESv2.so.2: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(vision.FaceLandmarker, "create_from_options", refuse)
    with pytest.raises(
        InputError, match=r"libGLESv2\.so\.2 is missing on this system: .* apt-get install libgles2"
    ):
        tasks.TaskMesh(1)
