# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist gives for the teeth: choices, tables of them, a painted plate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.demo import PORTRAIT
from inference.errors import InputError
from inference.jobs import TeethJob
from inference.mouth.look import TeethLook, check_teeth, read_looks
from inference.mouth.plate import read_plate
from inference.teeth_job import write_template


@pytest.mark.parametrize("name", ["seen", "brightness", "warmth", "size", "gap"])
def test_a_choice_out_of_range_is_one_clear_line(name: str) -> None:
    with pytest.raises(InputError, match=rf"the {name} of the teeth is 9"):
        check_teeth(replace(TeethLook(), **{name: 9.0}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "words"),
    [((300, 300, 4), "twice as wide as high"), ((512, 1024, 3), "opaque everywhere"),
     ((512, 1024), "opaque everywhere"), ((64, 128, 4), "is 128 pixels wide")],
)  # fmt: skip
def test_what_is_no_plate_is_said_in_one_line(
    shape: tuple[int, ...], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "plate.png"
    cv2.imwrite(str(path), np.full(shape, 100, np.uint8))
    with pytest.raises(InputError, match=words) as refusal:
        read_plate(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_plate_that_is_not_there_or_no_picture_is_said(tmp_path: Path) -> None:
    path = tmp_path / "plate.png"
    with pytest.raises(InputError, match="no such plate of teeth"):
        read_plate(path)
    path.write_text("teeth")
    with pytest.raises(InputError, match="not a picture that can be read"):
        read_plate(path)


def test_looks_hold_from_frame_to_frame(tmp_path: Path) -> None:
    path = tmp_path / "looks.csv"
    path.write_text("frame,seen,picture\n4,0.5,0\n6,1,2\n")
    looks = read_looks(path, TeethLook(gap=2))
    assert [looks.at(frame).seen for frame in (0, 4, 5, 6, 99)] == [0.5, 0.5, 0.5, 1, 1]
    assert looks.at(5) == TeethLook(seen=0.5, gap=2, picture=0)
    assert looks.at(7).picture == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [("seen\n1\n", "must name 'frame'"), ("frame,whiteness\n0,1\n", "'whiteness' is unknown"),
     ("frame,seen\n0,2\n", "line 2: the seen of the teeth is 2"),
     ("frame,seen\n3,1\n2,1\n", "frame 2 in line 3 follows frame 3"),
     ("frame,picture\n0,1.5\n", "not a whole number"), ("frame,seen\n", "no row follows"),
     ("frame,seen\n0\n", "line 2 has 1 cells"), ("frame,seen,seen\n0,1,1\n", "there twice"),
     ("frame,seen\n0,bright\n", "'bright' in line 2")],
)  # fmt: skip
def test_a_wrong_table_of_looks_is_said_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "looks.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as refusal:
        read_looks(path, TeethLook())
    assert str(path) in str(refusal.value)


def test_a_template_is_written_once_and_never_over_anything(tmp_path: Path) -> None:
    job = TeethJob(PORTRAIT, tmp_path / "teeth.png")
    assert write_template(job) == job.out
    plate = read_plate(job.out)
    assert plate.size == (2048, 1024) and plate.alpha is not None
    written = job.out.read_bytes()
    with pytest.raises(InputError, match="is kept"):
        write_template(job)
    with pytest.raises(InputError, match=r"name it teeth\.tif\.png"):
        write_template(replace(job, out=tmp_path / "teeth.tif"))
    assert job.out.read_bytes() == written and len(list(tmp_path.iterdir())) == 1
