# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracks: what is written is read back, what is wrong is refused in one line, gaps are bridged."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from inference.errors import InputError
from inference.track import LandmarkTrack, fill_gaps, load_track, save_track


def straight_track(frames: int = 10, gaps: tuple[int, ...] = ()) -> LandmarkTrack:
    """A face that moves right by one pixel a frame."""
    points = np.zeros((frames, 478, 3), np.float32)
    points[...] = np.random.default_rng(1).uniform(100, 200, (478, 3))
    points[:, 0] = 0
    points[..., 0] += np.arange(frames, dtype=np.float32)[:, None]
    valid = np.ones(frames, bool)
    valid[list(gaps)] = False
    points[list(gaps)] = np.nan
    return LandmarkTrack(points, valid, Fraction(30000, 1001), (640, 480), (5,), "ä.mp4", "00")


def test_a_saved_track_comes_back_whole(tmp_path: Path) -> None:
    track = straight_track(gaps=(3,))
    path = tmp_path / "spå ce" / "日本.track.npz"
    save_track(track, path)
    again = load_track(path)
    np.testing.assert_array_equal(again.points, track.points)
    np.testing.assert_array_equal(again.valid, track.valid)
    assert replace(again, points=track.points, valid=track.valid) == track
    assert [p.name for p in path.parent.iterdir()] == ["日本.track.npz"]


def test_gaps_are_bridged_within_a_shot_and_held_at_its_ends() -> None:
    filled = fill_gaps(straight_track(gaps=(0, 2, 3, 4, 5, 7)))
    assert filled.valid.all()
    # 0 holds 1; 2..4 lie before the cut and hold 1; 5 lies after it and holds 6; 7 lies between.
    np.testing.assert_allclose(filled.points[:, 0, 0], [1, 1, 1, 1, 1, 6, 6, 7, 8, 9])


def test_a_shot_without_the_face_holds_its_neighbours() -> None:
    filled = fill_gaps(straight_track(gaps=(5, 6, 7, 8, 9)))
    np.testing.assert_allclose(filled.points[5:, 0, 0], 4)


def test_a_whole_track_is_left_as_it_is() -> None:
    track = straight_track()
    assert fill_gaps(track) is track


def rewritten(path: Path, **changes: object) -> Path:
    save_track(straight_track(), path)
    with np.load(path) as data:
        content = {key: data[key] for key in data.files}
    content.update(changes)
    np.savez_compressed(path, **content)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"topology": "mediapipe-468-0"}, "topology is 'mediapipe-468-0'"),
        ({"points": np.zeros((0, 478, 3), np.float32), "valid": np.zeros(0, bool)}, "empty"),
        ({"valid": np.zeros(10, bool)}, "empty"),
        ({"points": np.full((10, 478, 3), np.nan, np.float32)}, "not numbers"),
        ({"points": np.zeros((10, 468, 3), np.float32)}, "shape"),
        ({"rate": np.array([25, 0])}, "damaged"),
        ({"size": np.array([0, 480])}, "not positive"),
    ],
)
def test_a_wrong_track_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    path = rewritten(tmp_path / "wrong.track.npz", **changes)
    with pytest.raises(InputError, match=r"wrong\.track\.npz") as caught:
        load_track(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 10, 2000])
def test_a_truncated_track_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.track.npz"
    save_track(straight_track(200), path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match="damaged"):
        load_track(path)
