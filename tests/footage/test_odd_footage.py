# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage as it comes: odd and varying rates, turned phones, gaps, and frames out of order."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest

from inference.capture.capture import capture_footage
from inference.capture.video import open_footage, rational_rate, read_frames
from inference.track import fill_gaps
from tests.movies import (
    Picture,
    mark_rotation,
    numbered,
    on_canvas,
    read_clip,
    read_number,
    write_movie,
)

pytestmark = pytest.mark.footage

ANNA, BEA = "clips/v215_ls1_0.mp4", "clips/v136_aoc_0.mp4"
WIDE = (480, 320)
# Where a person's 256 pixels lie on the wide canvas, and the part of them that holds the face.
CORNER, FACE = (112, 32), (slice(40, 250), slice(50, 210))


@pytest.fixture(scope="module")
def anna(footage: Path) -> list[Picture]:
    return read_clip(footage / ANNA, count=60)


@pytest.fixture(scope="module")
def bea(footage: Path) -> list[Picture]:
    return read_clip(footage / BEA, count=60)


def covered(person: Sequence[Picture], hidden: Sequence[int]) -> list[Picture]:
    """In the hidden frames something lies over the person's face."""
    frames = [picture.copy() for picture in person]
    for index in hidden:
        frames[index][FACE] = frames[index][FACE].mean(axis=(0, 1)).astype(np.uint8)
    return frames


def wide(person: Sequence[Picture], hidden: Sequence[int] = ()) -> list[Picture]:
    """A person on a wide plain canvas; in the hidden frames something covers the face."""
    return [on_canvas(WIDE, [(picture, CORNER)]) for picture in covered(person, hidden)]


@pytest.mark.parametrize(
    "rate",
    [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001),
     Fraction(60000, 1001), Fraction(15), Fraction(25, 2), Fraction(120)],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("b_frames", [0, 3])
def test_a_steady_rate_is_exact_and_no_frame_is_lost_or_doubled(
    tmp_path: Path, anna: list[Picture], rate: Fraction, b_frames: int
) -> None:
    path = write_movie(tmp_path / "steady.mp4", numbered(anna), rate, b_frames=b_frames)
    footage = open_footage(path)
    assert footage.rate == rate and footage.count == len(anna)
    frames = list(read_frames(footage))
    assert [frame.index for frame in frames] == list(range(len(anna)))
    assert [read_number(frame.picture) for frame in frames] == list(range(len(anna)))
    assert not any(frame.repeated for frame in frames)


@pytest.mark.parametrize(
    ("stated", "exact"),
    [(29.97, Fraction(30000, 1001)), (29.970030, Fraction(30000, 1001)),
     (23.976, Fraction(24000, 1001)), (23.98, Fraction(1199, 50)), (59.94, Fraction(60000, 1001)),
     (25.0, Fraction(25)), (30.0, Fraction(30)), (12.5, Fraction(25, 2))],
)  # fmt: skip
def test_a_rounded_rate_becomes_the_one_that_was_meant(stated: float, exact: Fraction) -> None:
    assert rational_rate(stated, Path("clip.mp4")) == exact


def test_the_track_has_the_clip_s_rate(tmp_path: Path, anna: list[Picture]) -> None:
    rate = Fraction(30000, 1001)
    path = write_movie(tmp_path / "ntsc.mp4", anna[:12], rate, b_frames=2)
    track = capture_footage(path).track
    assert track.rate == rate and len(track) == 12 and track.valid.all()


def clocks() -> dict[str, list[Fraction]]:
    """When each of sixty frames appears, in seconds, at varying rates."""
    rng = np.random.default_rng(5)
    uneven = [Fraction(int(step), 120) for step in rng.integers(2, 9, 59)]
    return {
        "30 then 15": [Fraction(i, 30) if i < 30 else Fraction(i - 15, 15) for i in range(60)],
        "uneven": list(accumulate(uneven, initial=Fraction(0))),
        "a long hold": [Fraction(i, 30) + (2 if i >= 30 else 0) for i in range(60)],
        "a phone": [Fraction(i, 30) + Fraction(i * 7 % 5, 600) for i in range(60)],
    }


@pytest.mark.parametrize("name", clocks())
@pytest.mark.parametrize("b_frames", [0, 2])
def test_at_a_varying_rate_each_frame_is_what_is_on_screen(
    tmp_path: Path, anna: list[Picture], name: str, b_frames: int
) -> None:
    """Output frame i must be on screen at i / rate seconds, a quarter of a frame's time allowed."""
    times = clocks()[name]
    path = write_movie(tmp_path / "vary.mp4", numbered(anna), 30, times, b_frames)
    footage = open_footage(path)
    grace = Fraction(1, 4) / footage.rate + Fraction(1, 1000)
    ends = [*times[1:], times[-1] + 10]
    frames = list(read_frames(footage))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    previous = -1
    for frame in frames:
        number, now = read_number(frame.picture), frame.index / footage.rate
        shown = f"frame {frame.index}, at {float(now):.3f} s, is picture {number}"
        assert times[number] - grace <= now < ends[number] + Fraction(1, 1000), shown
        assert frame.repeated == (number == previous), shown
        previous = number
    assert abs(len(frames) / footage.rate - times[-1]) < 0.15, "the clip keeps its duration"


def test_capture_of_a_varying_rate_holds_the_face_while_the_picture_stands(
    tmp_path: Path, anna: list[Picture]
) -> None:
    times = clocks()["a long hold"]
    path = write_movie(tmp_path / "vary.mp4", anna, 30, times)
    frames = [frame.repeated for frame in read_frames(open_footage(path))]
    track = capture_footage(path).track
    assert len(track) == len(frames) and track.valid.all() and track.cuts == ()
    same = (np.diff(track.points, axis=0) == 0).all(axis=(1, 2))
    np.testing.assert_array_equal(same, frames[1:])
    assert sum(frames) > 25, "two seconds of the clip stand still"


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_phone_s_footage_is_upright(
    tmp_path: Path, anna: list[Picture], degrees: int
) -> None:
    upright = wide(anna[:8])
    stored = [np.rot90(frame, degrees // 90) for frame in upright]
    path = mark_rotation(write_movie(tmp_path / "phone.mp4", stored), degrees)
    footage = open_footage(path)
    assert footage.size == WIDE
    first = next(read_frames(footage)).picture
    assert np.abs(first.astype(int) - upright[0]).mean() < 3

    track = capture_footage(path).track
    straight = capture_footage(write_movie(tmp_path / "straight.mp4", upright)).track
    assert track.size == WIDE and track.valid.all()
    assert np.linalg.norm((track.points - straight.points)[..., :2], axis=2).mean() < 1
    forehead, chin = track.points[:, 10, 1], track.points[:, 152, 1]
    assert (forehead + 50 < chin).all()


def test_a_hidden_face_is_a_gap_and_comes_back_with_its_number(
    tmp_path: Path, anna: list[Picture]
) -> None:
    hidden = range(15, 25)
    path = write_movie(tmp_path / "gap.mp4", wide(anna[:40], hidden))
    captured = capture_footage(path)
    track = captured.track
    assert captured.faces == (1,) and track.cuts == () and len(track) == 40
    assert np.flatnonzero(~track.valid).tolist() == list(hidden)
    assert np.isnan(track.points[15:25]).all() and np.isfinite(track.points[track.valid]).all()

    filled = fill_gaps(track)
    assert filled.valid.all()
    share = np.linspace(0, 1, 12)[1:-1, None, None]
    between = (1 - share) * track.points[14] + share * track.points[25]
    np.testing.assert_allclose(filled.points[15:25], between, atol=1e-3)
    np.testing.assert_array_equal(filled.points[track.valid], track.points[track.valid])


def test_black_frames_are_a_gap_and_capture_goes_on(tmp_path: Path, anna: list[Picture]) -> None:
    black = [np.zeros_like(anna[0])] * 10
    path = write_movie(tmp_path / "black.mp4", anna[:15] + black + anna[25:40])
    track = capture_footage(path).track
    assert np.flatnonzero(~track.valid).tolist() == list(range(15, 25))
    assert np.isnan(track.points[15:25]).all()
    assert track.cuts == (15, 25)


def test_gaps_are_bridged_on_their_own_side_of_a_cut(tmp_path: Path, anna: list[Picture]) -> None:
    wall = np.full((320, 200, 3), 250, np.uint8)
    frames = wide(anna[:20], range(14, 20)) + [
        on_canvas(WIDE, [(wall, (0, 0)), (picture, (210, 32))])
        for picture in covered(anna[40:60], range(4))
    ]
    track = capture_footage(write_movie(tmp_path / "cut.mp4", frames)).track
    assert track.cuts == (20,)
    assert np.flatnonzero(~track.valid).tolist() == list(range(14, 24))
    filled = fill_gaps(track)
    for frame in range(14, 20):
        np.testing.assert_array_equal(filled.points[frame], track.points[13])
    for frame in range(20, 24):
        np.testing.assert_array_equal(filled.points[frame], track.points[24])


def test_a_face_in_one_frame_only_is_enough(tmp_path: Path, anna: list[Picture]) -> None:
    frames = wide(anna[:20], [i for i in range(20) if i != 7])
    captured = capture_footage(write_movie(tmp_path / "once.mp4", frames))
    assert captured.faces == (1,)
    assert np.flatnonzero(captured.track.valid).tolist() == [7]
    filled = fill_gaps(captured.track).points
    assert np.isfinite(filled).all()
