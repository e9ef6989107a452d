# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces that lie on their side or their head, and faces that are small in a large picture."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.capture.capture import capture_footage
from inference.capture.detector import Points, find_faces
from inference.capture.finder import FaceFinder
from inference.capture.movie import Picture
from inference.capture.upright import turned_back
from inference.landmarks import interocular
from inference.pictures import read_picture
from tests.conftest import ROOT
from tests.movies import on_canvas, write_movie

SAMPLE = ROOT / "inference" / "samples" / "eileen_collins.png"


@cache
def person(side: int = 512) -> Picture:
    """A portrait whose face takes the middle half of the picture."""
    return cv2.resize(read_picture(SAMPLE).rgb8(), (side, side), interpolation=cv2.INTER_AREA)


@cache
def upright() -> Points:
    (face,) = find_faces(person())
    return face


def off(face: Points, wanted: Points) -> float:
    """The mean distance in units of the eyes'."""
    apart = np.linalg.norm(face[:, :2] - wanted[:, :2], axis=1).mean()
    return float(apart / interocular(wanted[:, :2]))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_still_has_its_landmarks_on_the_same_features(turns: int) -> None:
    picture = person()
    (face,) = find_faces(np.ascontiguousarray(np.rot90(picture, turns)))
    back = turned_back(face, turns, (512, 512))
    assert off(back, upright()) < 0.05


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_footage_has_its_landmarks_on_the_same_features(tmp_path: Path, turns: int) -> None:
    frames = [np.rot90(np.roll(person(), 2 * i, axis=1), turns) for i in range(4)]
    track = capture_footage(write_movie(tmp_path / "turned.mp4", frames)).track
    assert track.valid.all()
    for i, face in enumerate(track.points):
        back = turned_back(face, turns, (512, 512)) - np.array([2 * i, 0, 0], np.float32)
        assert off(back, upright()) < 0.07


@pytest.mark.parametrize(("canvas", "side"), [((1920, 1080), 400), ((3840, 2160), 500)])
def test_a_small_face_is_found_and_followed(canvas: tuple[int, int], side: int) -> None:
    scale = side / 512
    with FaceFinder() as finder:
        for i in range(8):
            corner = (round(canvas[0] * 0.6) + 12 * i, round(canvas[1] * 0.3))
            found = finder.find(on_canvas(canvas, [(person(side), corner)]))
            (face,) = found
            assert off(face, upright() * scale + np.array([*corner, 0], np.float32)) < 0.06


def test_a_small_face_that_comes_late_is_found_within_half_a_second() -> None:
    empty = on_canvas((1920, 1080), [])
    shown = on_canvas((1920, 1080), [(person(400), (300, 500))])
    with FaceFinder() as finder:
        seen = [bool(finder.find(picture)) for picture in [empty] * 4 + [shown] * 12]
    assert not any(seen[:4]) and seen[-1]


def test_who_leaves_and_returns_elsewhere_is_known_again(tmp_path: Path) -> None:
    size, empty = (1280, 720), on_canvas((1280, 720), [], 120)
    left, right = (on_canvas(size, [(person(380), (x, 160))], 120) for x in (30, 870))
    path = write_movie(tmp_path / "back.mp4", [right] * 5 + [empty] * 2 + [left] * 4)
    captured = capture_footage(path)
    assert captured.faces == (1,) and captured.track.cuts == ()
    assert captured.track.valid[:5].all() and captured.track.valid[-2:].all()
    (note,) = captured.notes
    assert note.startswith("who comes at frame") and "probably the same person, face 1" in note
