# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped model that finds persons is MediaPipe's own, whatever MediaPipe is installed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from blender_addon.packaging.extension import code_members
from export.persons import write_persons
from inference.capture import persons
from inference.capture.persons import MODEL, PersonFinder
from inference.capture.without_matplotlib import without_matplotlib
from inference.errors import InputError
from inference.pictures import read_picture
from inference.quiet import quiet_libraries
from tests.conftest import ROOT

COLLINS = ROOT / "inference" / "samples" / "eileen_collins.png"


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    """A photo; a part of it whose sides fit no grid; small, and grey."""
    whole = read_picture(COLLINS).rgb8()
    grey = cv2.cvtColor(cv2.cvtColor(whole, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return [whole, whole[7:480, 31:504], cv2.resize(grey, (203, 197))]


def test_it_answers_as_mediapipe_itself_does(pictures: list[NDArray[np.uint8]]) -> None:
    with without_matplotlib():
        solutions = pytest.importorskip("mediapipe.python.solutions.selfie_segmentation")
    with quiet_libraries(), solutions.SelfieSegmentation(model_selection=0) as theirs:
        wanted = [theirs.process(np.ascontiguousarray(p)).segmentation_mask for p in pictures]
    with PersonFinder() as finder:
        for picture, mask in zip(pictures, wanted, strict=True):
            found = finder.mask(picture)
            assert found.shape == picture.shape[:2]
            assert 0.2 < found.mean() < 0.9
            np.testing.assert_allclose(found, mask, atol=2e-3)
            assert np.abs(found - mask).mean() < 1e-5


def test_the_file_is_what_the_command_makes(tmp_path: Path) -> None:
    write_persons(tmp_path / "person.onnx")
    assert (tmp_path / "person.onnx").read_bytes() == MODEL.read_bytes()


def test_the_extension_carries_it_with_its_card_and_licence() -> None:
    shipped = {name.rpartition("/")[2]: path for name, path in code_members().items()}
    assert shipped["person.onnx"] == MODEL
    assert "Apache-2.0" in shipped["person.md"].read_text(encoding="utf-8")
    assert "Apache License" in shipped["LICENSE-Apache-2.0.txt"].read_text(encoding="utf-8")
    models = sum(path.stat().st_size for path in shipped.values() if path.suffix == ".onnx")
    assert models < 60e6


def test_without_its_file_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(persons, "MODEL", tmp_path / "person.onnx")
    with pytest.raises(InputError, match=r"person\.onnx") as error:
        PersonFinder()
    assert "\n" not in str(error.value)
