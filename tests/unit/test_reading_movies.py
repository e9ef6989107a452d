# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of movie is read whole: counts that are guesses, time stamps that lie, odd pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.capture.framing import Framing
from inference.capture.video import Frame, open_footage, read_frames
from inference.errors import InputError
from tests.movies import (
    Picture,
    cut_file,
    hide_start,
    numbered,
    read_number,
    write_container,
    write_movie,
)

COUNT = 20


def plain(count: int = COUNT, width: int = 256, height: int = 128) -> list[Picture]:
    """Numbered frames of plain grey: whatever order they come in is seen."""
    return numbered([np.full((height, width, 3), 120, np.uint8) for _ in range(count)])


def read(path: Path) -> tuple[list[Frame], list[str]]:
    notes: list[str] = []
    return list(read_frames(open_footage(path), say=notes.append)), notes


def numbers(frames: list[Frame]) -> list[int]:
    return [read_number(frame.picture) for frame in frames]


@pytest.mark.parametrize(
    ("form", "codec", "options"),
    [
        ("matroska", "libx264", {"bf": "2"}),
        ("matroska", "ffv1", {}),
        ("webm", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}),
        ("mov", "prores_ks", {}),
        ("mov", "dnxhd", {"profile": "dnxhr_hq"}),
        ("avi", "mpeg4", {"bf": "2"}),
        ("mpeg", "mpeg2video", {"bf": "2"}),
        ("mpegts", "libx264", {"bf": "2"}),
        ("mpegts", "libx265", {"preset": "ultrafast"}),
        ("flv", "flv1", {}),
        ("mxf", "mpeg2video", {}),
        ("asf", "wmv2", {}),
        ("mpeg2video", "mpeg2video", {"bf": "2"}),
        ("h264", "libx264", {"bf": "2"}),
        ("hevc", "libx265", {"preset": "ultrafast"}),
        ("m4v", "mpeg4", {}),
        ("ivf", "libvpx", {}),
        ("mjpeg", "mjpeg", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_frame_of_each_kind_is_read_once(
    tmp_path: Path, form: str, codec: str, options: dict[str, str]
) -> None:
    path = write_container(tmp_path / "clip", plain(), form, codec, options=options)
    found, notes = read(path)
    assert numbers(found) == list(range(COUNT)) and notes == []
    assert not any(frame.repeated for frame in found)


@pytest.mark.parametrize(
    ("form", "codec"),
    [("matroska", "libx264"), ("mp4", "libx264"), ("asf", "wmv2"), ("mpegts", "libx264")],
)
def test_sound_may_be_longer_than_the_picture(tmp_path: Path, form: str, codec: str) -> None:
    path = write_container(tmp_path / "clip", plain(), form, codec, sound=2.5)
    assert numbers(read(path)[0]) == list(range(COUNT))


@pytest.mark.parametrize(("picture", "sound"), [(0.8, 0), (0, 0.6), (0, 0)])
def test_it_is_known_by_how_much_the_sound_begins_earlier(
    tmp_path: Path, picture: float, sound: float
) -> None:
    times = [Fraction(picture) + Fraction(i, 25) for i in range(COUNT)]
    path = write_container(
        tmp_path / "clip", plain(), "matroska", "libx264", times=times, sound=1, sound_from=sound
    )
    assert abs(open_footage(path).sound_leads - (picture - sound)) < 0.02
    assert numbers(read(path)[0]) == list(range(COUNT))


def test_frames_that_an_edit_list_hides_are_not_missed(tmp_path: Path) -> None:
    whole = write_movie(tmp_path / "whole.mp4", plain())
    path = hide_start(tmp_path / "trimmed.mp4", whole, Fraction(8, 25))
    assert numbers(read(path)[0]) == list(range(8, COUNT))
    assert open_footage(path).count == COUNT - 8


@pytest.mark.parametrize(
    ("form", "codec"), [("matroska", "libx264"), ("webm", "libvpx"), ("mpegts", "libx264")]
)
def test_a_varying_rate_keeps_its_time(tmp_path: Path, form: str, codec: str) -> None:
    times = [Fraction(i, 25) if i < 10 else Fraction(2 * i - 10, 25) for i in range(COUNT)]
    path = write_container(tmp_path / "clip", plain(), form, codec, times=times)
    footage = open_footage(path)
    for frame in read_frames(footage):
        now, number = frame.index / footage.rate, read_number(frame.picture)
        grace = Fraction(1, 4) / footage.rate + Fraction(1, 500)
        end = times[number + 1] if number + 1 < COUNT else Fraction(9)
        assert times[number] - grace <= now < end + Fraction(1, 500)
    assert number == COUNT - 1


@pytest.mark.parametrize("leap", [0, 5000], ids=["begin again", "leap"])
def test_joined_takes_are_read_to_their_end_and_it_is_said(tmp_path: Path, leap: int) -> None:
    parts = []
    for part in range(2):
        times = [Fraction(i, 25) + part * leap for i in range(COUNT)]
        frames = plain(2 * COUNT)[part * COUNT :][:COUNT]
        path = write_container(tmp_path / f"{part}", frames, "mpegts", "libx264", times=times)
        parts.append(path.read_bytes())
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    found, notes = read(tmp_path / "joined.ts")
    assert sorted(set(numbers(found))) == list(range(2 * COUNT)) and len(found) <= 2 * COUNT + 2
    (note,) = notes
    assert "begin again or leap at frame" in note


def test_a_file_that_breaks_off_is_told_from_a_guessed_count(tmp_path: Path) -> None:
    path = write_container(tmp_path / "clip", plain(60), "matroska", "libx264", sound=2.4)
    assert len(read(path)[0]) == 60
    with pytest.raises(InputError, match="breaks off after frame"):
        read(cut_file(path, 0.4))


def test_damaged_pictures_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write_container(tmp_path / "clip.avi", plain(), "avi", "mjpeg")
    data = bytearray(path.read_bytes())
    pictures = data.index(b"movi")
    starts = [i for i in range(pictures, len(data)) if data[i : i + 4] == b"00dc"][:COUNT]
    data[starts[7] + 8 : starts[8]] = bytes(starts[8] - starts[7] - 8)
    path.write_bytes(data)
    found, notes = read(path)
    assert numbers(found) == [*range(7), 6, *range(8, COUNT)]
    assert notes == ["1 damaged pictures could not be decoded; those before stand for them"]


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(64, 45), Fraction(1, 2)])
def test_pixels_are_square_in_the_end(tmp_path: Path, aspect: Fraction) -> None:
    side = 180
    disc = np.zeros((side, side, 3), np.uint8)
    cv2.circle(disc, (90, 90), 60, (255, 255, 255), -1)
    squeezed = (round(side / aspect), side) if aspect > 1 else (side, round(side * aspect))
    stored = cv2.resize(disc, squeezed, interpolation=cv2.INTER_AREA)[: squeezed[1] // 2 * 2]
    stored = stored[:, : squeezed[0] // 2 * 2]
    path = write_container(tmp_path / "dv.mkv", [stored] * 3, "matroska", "libx264", aspect=aspect)
    picture = next(read_frames(open_footage(path))).picture
    rows, columns = np.nonzero(picture[..., 1] > 128)
    assert abs(np.ptp(rows) - 120) < 4 and abs(np.ptp(columns) - 120) < 4


def save(path: Path, picture: Picture) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, picture[..., ::-1])[1].tobytes())
    return path


@pytest.mark.parametrize("named", ["folder", "first"])
def test_numbered_pictures_are_footage(tmp_path: Path, named: str) -> None:
    for i, picture in enumerate(plain(12)):
        save(tmp_path / f"shot.{i + 995:04d}.png", picture)
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    path = tmp_path if named == "folder" else tmp_path / "shot.0995.png"
    footage = open_footage(path, Fraction(30000, 1001))
    notes: list[str] = []
    frames = list(read_frames(footage, say=notes.append))
    assert numbers(frames) == list(range(12)) and footage.rate == Fraction(30000, 1001)
    assert notes == ["a sequence of 12 pictures, shot.0995.png to shot.1006.png"]
    assert len(footage.files()) == 12


def test_a_sequence_begins_with_the_named_picture_and_bridges_holes(tmp_path: Path) -> None:
    for i, picture in enumerate(plain(8)):
        if i != 5:
            save(tmp_path / f"a{i}.jpg", picture)
    frames, (note,) = read(tmp_path / "a3.jpg")
    assert numbers(frames) == [3, 4, 4, 6, 7]
    assert [frame.repeated for frame in frames] == [False, False, True, False, False]
    assert "1 are missing" in note


def test_one_picture_says_that_it_is_a_single_pose(tmp_path: Path) -> None:
    frames, notes = read(save(tmp_path / "photo.png", plain(1)[0]))
    assert len(frames) == 1 and notes == ["one picture: the take is a single pose"]


def test_what_is_no_sequence_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder without numbered pictures"):
        open_footage(tmp_path)
    save(tmp_path / "a1.png", plain(1)[0])
    save(tmp_path / "a2.png", plain(1, 256, 64)[0])
    with pytest.raises(InputError, match=r"a2\.png: is 256 x 64 pixels, the sequence began with"):
        read(tmp_path / "a1.png")
    save(tmp_path / "b1.png", plain(1)[0])
    with pytest.raises(InputError, match="holds 2 sequences"):
        open_footage(tmp_path)
    animation = cv2.Animation()
    animation.frames, animation.durations = plain(3), [40, 40, 40]
    assert cv2.imwriteanimation(str(tmp_path / "c.webp"), animation)
    with pytest.raises(InputError, match="animated WebP is not supported"):
        open_footage(tmp_path / "c.webp")
    with pytest.raises(InputError, match="a movie has a rate of its own"):
        open_footage(write_movie(tmp_path / "m.mp4", plain(3)), Fraction(25))


def test_raw_jpegs_are_read_by_their_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (256, 256, 3), np.uint8) for _ in range(4)]
    path = write_container(tmp_path / "noise.mjpeg", noise, "mjpeg", "mjpeg")
    assert len(read(path)[0]) == 4


def test_a_framed_picture_is_cropped_then_mirrored_and_its_points_go_back() -> None:
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[20, 30] = 255
    framing = Framing((0.2, 0.1, 0.05, 0), (True, False))
    part = framing.part(picture)
    assert part.shape == (54, 75, 3)
    (y,), (x,) = part[..., 0].nonzero()
    placed = framing.placed(np.array([[x + 0.5, y + 0.5, 7]], np.float32), (100, 60))
    assert placed.tolist() == [[100 - 30.5, 20.5, 7]]
    with pytest.raises(InputError, match="leaves nothing"):
        Framing((0.5, 0, 0.5, 0))
