# SPDX-License-Identifier: GPL-3.0-or-later
"""From a clip to pictures of its person: which frames are taken, and what they are used for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.capture.appearance import face_features
from inference.capture.video import open_footage, read_frames
from inference.cli import main
from inference.errors import InputError
from inference.merge.strangers import strangers
from inference.performance.face.measures import mouth_opening
from inference.pictures import read_picture
from inference.portrait import open_portrait
from inference.sources import looks
from inference.stills import Still, choose, write_stills
from inference.track import LandmarkTrack, load_track
from tests.movies import write_movie

TRACK = Path(__file__).parents[2] / "inference/samples/weekly_address.track.npz"

pytestmark = pytest.mark.footage


@pytest.fixture(scope="module")
def clip(footage: Path) -> Path:
    return footage / "sample" / "s_grid_female_ccby4.mp4"


@pytest.fixture(scope="module")
def written(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Still]]:
    return write_stills(clip, tmp_path_factory.mktemp("pictures"), 6)


@pytest.fixture(scope="module")
def track() -> LandmarkTrack:
    return load_track(TRACK)


def test_the_pictures_are_the_clip_s_own_frames(
    clip: Path, written: list[tuple[Path, Still]]
) -> None:
    frames = {frame.index: frame.picture for frame in read_frames(open_footage(clip))}
    assert 3 <= len(written) <= 6
    for path, still in written:
        np.testing.assert_array_equal(read_picture(path).rgb, frames[still.frame])


def test_they_are_unlike_each_other_and_the_first_has_its_lips_together(
    written: list[tuple[Path, Still]],
) -> None:
    assert [path.name[:2] for path, _ in written] == [
        f"{i:02d}" for i in range(1, len(written) + 1)
    ]
    assert written[0][0].name == "01-leads.png"
    faces = np.stack([open_portrait(path).points for path, _ in written])
    rows = looks(faces, faces[0])
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    assert apart[~np.eye(len(rows), dtype=bool)].min() > 0.5
    gaps = [mouth_opening(face) for face in faces]
    assert gaps[0] < 0.05 < max(gaps)
    assert "mouth-open" in written[int(np.argmax(gaps))][0].name


def test_a_smaller_choice_begins_a_larger_one(track: LandmarkTrack) -> None:
    sharp = dict.fromkeys(np.flatnonzero(track.valid).tolist(), 1.0)
    small, large = choose(track, sharp, 4), choose(track, sharp, 12)
    assert large[:4] == small and len({still.frame for still in large}) == len(large) > 4


def test_blurred_frames_are_not_taken(track: LandmarkTrack) -> None:
    sharp = {frame: 1.0 for frame in range(len(track)) if track.valid[frame]}
    first = {still.frame for still in choose(track, sharp, 8)}
    blurred = sharp | dict.fromkeys(first, 0.5)
    assert first.isdisjoint(still.frame for still in choose(track, blurred, 8))


def test_frames_that_are_all_alike_are_one_picture(track: LandmarkTrack) -> None:
    still = LandmarkTrack(
        np.repeat(track.points[:1], 50, axis=0), np.ones(50, bool), track.rate, track.size
    )
    assert len(choose(still, dict.fromkeys(range(50), 1.0), 8)) == 1


def test_a_folder_with_pictures_and_a_clip_without_a_face_are_refused(
    clip: Path, tmp_path: Path, written: list[tuple[Path, Still]], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="holds pictures already"):
        write_stills(clip, written[0][0].parent)
    grey = tmp_path / "grey.mp4"
    write_movie(grey, [np.full((120, 160, 3), 90, np.uint8)] * 5)
    assert main(["stills", str(grey), "--out", str(tmp_path / "out")]) == 2
    assert "no face" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_picture_of_somebody_else_is_told_among_those_of_one_person(
    footage: Path, written: list[tuple[Path, Still]]
) -> None:
    faces = [open_portrait(path) for path, _ in written[:3]]
    faces.append(open_portrait(footage / "sample" / "s_astronaut_nasa_pd.jpg"))
    names = [face.path.name for face in faces]
    seen = [face_features(face.picture.rgb8(), face.points) for face in faces]
    assert strangers(names[:3], seen[:3]) == []
    for order in ([0, 1, 2, 3], [3, 0, 1, 2]):
        (said,) = strangers([names[i] for i in order], [seen[i] for i in order])
        assert said.startswith("s_astronaut_nasa_pd.jpg may show another person")
    (said,) = strangers([names[3], names[0]], [seen[3], seen[0]])
    assert said.startswith(names[0]), "of two the first one leads"
