# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture of real people: the points are right, faces keep their numbers, cuts are found."""

from __future__ import annotations

import csv
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.capture.capture import capture_footage, run_capture
from inference.capture.cuts import CutFinder
from inference.capture.faces import FacePieces
from inference.capture.video import open_footage, read_frames
from inference.capture.without_matplotlib import without_matplotlib
from inference.errors import Cancelled, InputError
from inference.jobs import CaptureJob
from inference.landmarks import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
    interocular,
)
from inference.performance.face.decompose import decompose
from inference.portrait import open_portrait
from inference.track import load_track, save_track
from tests.conftest import ROOT, RunCli
from tests.movies import Picture, enlarged, on_canvas, read_clip, write_movie

pytestmark = pytest.mark.footage

# Three people of the footage.
ANNA, BEA, CARL = "clips/v215_ls1_0.mp4", "clips/v136_aoc_0.mp4", "clips/v100_trump_0.mp4"

# Where the points of the project's own portrait lie, in its pixels: x, y, z. Read off MediaPipe's
# face mesh once and looked at on the picture; right and left are the person's own.
COLLINS = {
    33: (194.6, 100.6, 4.0),  # right eye: outer and inner corner, upper and lower lid
    133: (213.4, 103.6, 0.5),
    159: (202.7, 97.7, -1.8),
    145: (202.8, 104.2, -0.5),
    362: (236.3, 104.8, 0.3),  # left eye: inner and outer corner, upper and lower lid
    263: (255.7, 104.2, 3.7),
    386: (248.3, 100.0, -2.0),
    374: (246.6, 106.5, -0.8),
    468: (203.3, 101.0, 0.4),  # right iris: centre; left in the picture's sense, top, right, bottom
    469: (207.7, 101.4, 0.4),
    470: (203.7, 97.3, 0.4),
    471: (198.9, 100.6, 0.4),
    472: (203.0, 104.7, 0.4),
    473: (246.8, 103.5, 0.1),  # left iris
    474: (251.0, 103.6, 0.1),
    475: (246.9, 100.1, 0.1),
    476: (242.5, 103.3, 0.1),
    477: (246.7, 106.8, 0.1),
    70: (188.1, 90.9, 3.3),  # brows: right outer and inner end, left inner and outer end
    107: (216.2, 89.4, -12.8),
    336: (236.0, 90.8, -12.9),
    300: (263.2, 95.5, 2.9),
    61: (201.9, 139.2, 8.0),  # mouth: corners, upper lip's top and inside, lower lip's
    291: (245.4, 140.7, 7.7),
    0: (223.6, 140.5, -8.7),
    13: (223.4, 143.5, -5.1),
    14: (222.9, 150.4, -3.3),
    17: (222.5, 155.8, -4.7),
    168: (225.0, 100.1, -11.3),  # nose: bridge, tip, below it, right and left nostril
    4: (223.5, 127.2, -24.4),
    2: (223.2, 134.2, -11.4),
    98: (209.8, 129.5, -6.3),
    327: (237.4, 131.1, -6.3),
    10: (226.7, 67.9, -11.9),  # outline: forehead, chin, ears, jaw
    152: (221.2, 177.9, 7.9),
    234: (178.2, 109.4, 40.9),
    454: (270.8, 115.6, 40.3),
    172: (185.0, 149.7, 33.9),
    397: (260.3, 154.7, 33.4),
}


@pytest.fixture(scope="module")
def people(footage: Path) -> tuple[list[Picture], list[Picture], list[Picture]]:
    """Sixty frames, 256 pixels wide, of three people."""
    anna, bea, carl = (read_clip(footage / name, count=60) for name in (ANNA, BEA, CARL))
    return anna, bea, carl


def face_mesh(frames: list[Picture]) -> NDArray[np.float32]:
    """What MediaPipe itself says of consecutive frames: (F, 478, 3) in pixels."""
    with without_matplotlib():
        from mediapipe.python.solutions import face_mesh

    found = []
    height, width = frames[0].shape[:2]
    with face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh:
        for frame in frames:
            (face,) = mesh.process(frame).multi_face_landmarks
            found.append([(p.x * width, p.y * height, p.z * width) for p in face.landmark])
    return np.array(found, np.float32)


def centre(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return points[..., :2].mean(axis=-2)


def test_the_points_are_those_of_mediapipe(footage: Path) -> None:
    path = footage / ANNA
    track = capture_footage(path, first=0, last=119).track
    expected = face_mesh(read_clip(path, count=120))
    assert track.valid.all() and track.points.dtype == np.float32
    assert np.linalg.norm(track.points - expected, axis=2).mean() < 0.1


def test_the_points_of_a_known_picture_are_in_their_places(samples: Path) -> None:
    points = open_portrait(samples / "eileen_collins.png").points
    where, expected = list(COLLINS), np.array(list(COLLINS.values()))
    off = np.abs(points[where] - expected)
    assert off[:, :2].max() < 1.5 and off[:, :2].mean() < 0.4, dict(zip(where, off, strict=True))
    assert off[:, 2].max() < 3


def test_irises_lie_in_the_eyes_and_the_nose_is_nearest(footage: Path) -> None:
    track = capture_footage(footage / "sample" / "s_obama_whitehouse_pd.mp4").track
    points = track.points[track.valid]
    for upper, lower, iris in (
        (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_IRIS),
        (LEFT_EYE_UPPER, LEFT_EYE_LOWER, LEFT_IRIS),
    ):
        x = points[:, iris[0], 0]
        assert (points[:, upper[0], 0] < x).all() and (x < points[:, upper[-1], 0]).all()
        lids = points[:, [*upper, *lower], 1]
        width = points[:, upper[-1], 0] - points[:, upper[0], 0]
        # A blink closes the lids over the iris: a tenth of the eye's width is left to that.
        y = points[:, iris[0], 1]
        assert (y > lids.min(axis=1) - 0.1 * width).all()
        assert (y < lids.max(axis=1) + 0.1 * width).all()
    nose, ears = points[:, 4, 2], points[:, [234, 454], 2]
    assert (nose < ears.min(axis=1) - 0.3 * interocular(points[0])).all()


@pytest.mark.parametrize(("size", "side"), [((1280, 720), 640), ((2560, 1440), 1280)])
def test_large_footage_gives_points_in_its_own_pixels(
    tmp_path: Path,
    people: tuple[list[Picture], ...],
    size: tuple[int, int],
    side: int,
) -> None:
    """720p as it is, and more than that, which capture looks at smaller than it is."""
    corner = (size[0] // 4, size[1] // 20)
    frames = [on_canvas(size, [(enlarged(frame, side), corner)]) for frame in people[0][:8]]
    track = capture_footage(write_movie(tmp_path / "large.mp4", frames)).track
    assert track.size == size and track.valid.all()
    expected = face_mesh(frames)
    off = np.linalg.norm(track.points - expected, axis=2).mean()
    assert off < 0.02 * interocular(expected[0])


def test_three_faces_are_numbered_from_the_left_and_keep_their_numbers(
    tmp_path: Path, people: tuple[list[Picture], ...], run_cli: RunCli
) -> None:
    places = [
        [(10 + int(12 * np.sin(i / 3)), 20), (270 + int(9 * np.cos(i / 2)), 30), (530 - i % 3, 20)]
        for i in range(24)
    ]
    frames = [
        on_canvas(
            (800, 300), [(person[i], place) for person, place in zip(people, at, strict=True)]
        )
        for i, at in enumerate(places)
    ]
    path = write_movie(tmp_path / "three.mp4", frames)
    for number in (1, 2, 3):
        captured = capture_footage(path, face=number)
        assert captured.face == number and captured.faces == (1, 2, 3)
        track = captured.track
        assert track.valid.all() and track.cuts == ()
        corners = np.array([at[number - 1] for at in places])
        off = centre(track.points) - corners - 128
        assert np.abs(off).max() < 50, "the face lies in the middle of its own 256 pixels"

    out = tmp_path / "out" / "third.track.npz"
    done = run_cli("capture", path, "--out", out, "--face", 3, "--frames", "0-4")
    assert done.code == 0 and out.is_file() and "face 3 of 1, 2, 3" in done.stdout

    with pytest.raises(InputError) as caught:
        capture_footage(path, face=7, last=4)
    assert str(caught.value) == f"{path}: there is no face 7; the clip's faces are 1, 2, 3"


def test_the_largest_face_is_taken_when_none_is_named(
    tmp_path: Path, people: tuple[list[Picture], ...]
) -> None:
    anna, bea, _ = people
    frames = [
        on_canvas((720, 400), [(anna[i], (10, 60)), (enlarged(bea[i], 384), (320, 8))])
        for i in range(6)
    ]
    captured = capture_footage(write_movie(tmp_path / "two.mp4", frames))
    assert captured.face == 2 and captured.faces == (1, 2)


def test_faces_that_pass_each_other_keep_their_numbers(
    tmp_path: Path, people: tuple[list[Picture], ...]
) -> None:
    anna, bea, _ = people
    frames = [
        on_canvas((640, 540), [(anna[i], (i * 9, 5)), (bea[i], (380 - i * 9, 275))])
        for i in range(40)
    ]
    path = write_movie(tmp_path / "crossing.mp4", frames)
    first, second = (capture_footage(path, face=number).track for number in (1, 2))
    assert first.valid.all() and second.valid.all()
    x1, y1 = centre(first.points).T
    x2, y2 = centre(second.points).T
    assert x1[0] < x2[0] and x1[-1] > x2[-1], "they change sides"
    assert y1.max() < 270 < y2.min(), "and each stays in its own half"


def test_a_face_that_leaves_and_returns_has_its_number_again(
    tmp_path: Path, people: tuple[list[Picture], ...]
) -> None:
    anna, bea, _ = people
    away = [0] * 6 + list(range(0, 260, 20)) + [260] * 8 + list(range(260, 0, -20)) + [0] * 6
    frames = [
        on_canvas((560, 300), [(anna[i], (5, 20)), (bea[i], (290 + shift, 20))])
        for i, shift in enumerate(away)
    ]
    path = write_movie(tmp_path / "leaving.mp4", frames)
    stays, leaves = (capture_footage(path, face=number) for number in (1, 2))
    assert leaves.faces == (1, 2)
    assert stays.track.valid.all()
    valid = leaves.track.valid
    assert valid[:6].all() and not valid[19:27].any() and valid[-6:].all()
    assert np.isnan(leaves.track.points[~valid]).all()
    assert np.isfinite(leaves.track.points[valid]).all()


def test_of_two_faces_that_overlap_each_keeps_its_own_piece(rng: np.random.Generator) -> None:
    """Both are in reach of both: the nearest pair goes first, in whatever order found."""
    shape = rng.uniform(0, 100, (478, 3)).astype(np.float32)
    front, behind = shape, shape + np.array([60, 10, 0], np.float32)
    pieces = FacePieces()
    first, second = pieces.add(0, [front, behind])
    again = pieces.add(1, [behind + 4, front + 4])
    assert again == [second, first] and len(pieces.pieces) == 2


def test_two_who_cross_behind_each_other_stay_two(
    tmp_path: Path, people: tuple[list[Picture], ...]
) -> None:
    anna, bea, _ = people
    frames = [
        on_canvas((760, 300), [(bea[i], (480 - i * 12, 30)), (anna[i], (10 + i * 12, 15))])
        for i in range(40)
    ]
    path = write_movie(tmp_path / "crossing.mp4", frames)
    first, second = (capture_footage(path, face=number) for number in (1, 2))
    assert first.faces == (1, 2)
    own = np.arange(40)[:, None] * [12.0, 0] + [10 + 128, 15 + 128]
    seen = first.track.valid
    assert seen.mean() > 0.9 and np.abs(centre(first.track.points) - own)[seen].max() < 60
    x = centre(second.track.points)[:, 0]
    assert x[0] > 550 and x[-1] < 200
    assert second.track.valid[:8].all() and second.track.valid[-8:].all()


def test_numbers_are_the_same_after_a_cut(
    tmp_path: Path, people: tuple[list[Picture], ...]
) -> None:
    """Two people, then a third alone in the place of the second, then the first in that place."""
    anna, bea, carl = people
    both = [on_canvas((560, 300), [(anna[i], (5, 20)), (bea[i], (290, 20))]) for i in range(15)]
    third = [on_canvas((560, 300), [(carl[i], (290, 20))], 120) for i in range(10)]
    again = [on_canvas((560, 300), [(anna[i + 20], (290, 20))], 220) for i in range(10)]
    path = write_movie(tmp_path / "cut.mp4", both + third + again, b_frames=2)
    captured = capture_footage(path)
    assert captured.track.cuts == (15, 25)
    assert (captured.face, captured.faces) == (1, (1, 2, 3))
    assert captured.notes == ("who comes at frame 25 is probably the same person, face 1",)
    valid = captured.track.valid
    assert valid[:15].all() and not valid[15:25].any() and valid[25:].all()
    x = centre(captured.track.points)[:, 0]
    assert x[:15].max() < 280 < x[25:].min()


@pytest.mark.parametrize("clips", [(ANNA, BEA), (BEA, CARL), (CARL, ANNA)])
def test_clips_of_two_people_joined_are_cut_where_they_join(
    tmp_path: Path, footage: Path, clips: tuple[str, str]
) -> None:
    frames = read_clip(footage / clips[0], count=20) + read_clip(footage / clips[1], count=20)
    assert cuts_in(write_movie(tmp_path / "joined.mp4", frames)) == [20]


def test_there_are_no_false_cuts_in_real_shots(footage: Path) -> None:
    """The clips with the strongest turns of the head, and some that swing the camera."""
    with (footage / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "clip"]
    rows.sort(key=lambda row: -float(row["yaw_range_deg"]))
    turning = [row["file"] for row in rows if int(row["frames"]) <= 160][:14]
    swinging = ["clips/v083_furiousA_0.mp4", "clips/v223_cvt223_0.mp4", "clips/v232_cvt232_0.mp4"]
    found = {clip: cuts_in(footage / clip) for clip in {*turning, *swinging}}
    assert len(found) >= 15
    assert {clip: cuts for clip, cuts in found.items() if cuts} == {}


def test_real_jump_cuts_are_found(footage: Path) -> None:
    """The same person before the same wall: cuts that clips of the footage really hold."""
    known = {"v034_tv34_0": 40, "v060_tv60_0": 103, "v066_tv66_0": 115, "v085_furiousB_0": 30}
    found = {clip: cuts_in(footage / "clips" / f"{clip}.mp4") for clip in known}
    assert found == {clip: [cut] for clip, cut in known.items()}


def test_memory_does_not_grow_with_the_clip(
    tmp_path: Path, people: tuple[list[Picture], ...]
) -> None:
    shot = people[0] + people[0][::-1]
    short = peak_memory(write_movie(tmp_path / "short.mp4", shot[:60]))
    long = peak_memory(
        write_movie(tmp_path / "long.mp4", (frame for _ in range(5) for frame in shot))
    )
    track = 540 * 478 * 3 * 4 / 2**20
    assert long - short < 2 * track + 12, f"{short:.0f} MB for 60 frames, {long:.0f} MB for 600"


def test_progress_rises_by_one_frame_to_the_end(footage: Path) -> None:
    calls: list[tuple[int, int]] = []
    capture_footage(footage / CARL, None, 5, 24, lambda done, total: calls.append((done, total)))
    assert calls == [(done, 20) for done in range(1, 21)]
    calls.clear()
    path = footage / "sample" / "s_grid_male_ccby4.mp4"
    capture_footage(path, None, 60, 9999, lambda done, total: calls.append((done, total)))
    assert calls == [(done, 15) for done in range(1, 16)], "a range may reach beyond the end"


def test_cancel_leaves_nothing_behind(footage: Path, tmp_path: Path) -> None:
    before = threading.active_count()
    out = tmp_path / "out" / "cancelled.track.npz"
    done = 0

    def progress(count: int, _: int) -> None:
        nonlocal done
        done = count

    with pytest.raises(Cancelled) as held:
        run_capture(CaptureJob(footage / ANNA, out), progress, lambda: done >= 7)
    assert done == 7 and held.tb is not None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert threading.active_count() == before, "the decoder's thread has ended"


def test_a_range_is_the_same_frames_of_the_whole(footage: Path) -> None:
    """A farm's chunk begins without the frames before it: the same face, to half a pixel."""
    path = footage / ANNA
    whole = capture_footage(path, last=39).track
    part = capture_footage(path, first=20, last=39).track
    assert len(part) == 20 and part.rate == whole.rate == Fraction(25)
    off = np.linalg.norm((part.points - whole.points[20:])[..., :2], axis=2)
    assert off.mean() < 0.5


def cuts_in(path: Path) -> list[int]:
    finder = CutFinder()
    return [f.index for f in read_frames(open_footage(path)) if finder.is_cut(f.picture)]


def peak_memory(path: Path) -> float:
    """The most that capturing a clip in a process of its own held, in MB."""
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from inference.capture.capture import capture_footage\n"
        "assert capture_footage(Path(sys.argv[1])).track.valid.all()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return float(done.stdout)


def test_what_hides_a_part_of_the_face_lowers_its_confidence(
    tmp_path: Path, people: tuple[list[Picture], ...]
) -> None:
    """A bar over the mouth, then a blot over the whole face, for some frames each."""
    plain = capture_footage(write_movie(tmp_path / "plain.mp4", people[0])).track
    frames = [frame.copy() for frame in people[0]]
    mouth, face = plain.points[:, [61, 291], :2].mean(axis=1), plain.points[..., :2]
    for i in range(20, 28):
        x, y = mouth[i].astype(int)
        frames[i][y - 18 : y + 18, x - 60 : x + 60] = (30, 60, 160)
    for i in range(40, 45):
        (left, top), (right, bottom) = face[i].min(axis=0).astype(int), face[i].max(axis=0) + 8
        box = np.s_[top : int(bottom), left : int(right)]
        frames[i][box] = frames[i][box].mean(axis=(0, 1)).astype(np.uint8)
    track = capture_footage(write_movie(tmp_path / "hidden.mp4", frames)).track
    trust = decompose(track).confidence
    assert trust[20:28].max() < 0.75 < 0.95 < np.median(trust)
    assert trust[20:28].max() < trust[[*range(15, 20), *range(30, 38)]].min()
    assert not track.valid[40:45].any()
    assert decompose(plain).confidence[5:].min() > 0.8
    save_track(track, tmp_path / "kept.track.npz")
    kept = load_track(tmp_path / "kept.track.npz").clear
    assert kept is not None and track.clear is not None
    np.testing.assert_array_equal(kept, track.clear)
