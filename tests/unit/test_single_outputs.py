# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings and lists of faces: only one of the same kind is replaced, and never what is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from inference.capture.capture import run_capture
from inference.demo import PORTRAIT, TRACK, run_demo
from inference.errors import InputError
from inference.face_list import list_faces
from inference.jobs import CaptureJob, FacesJob, PerformanceJob
from inference.performance.taking.edit import Edit, edit_takes
from inference.performance_job import run_performance

MINE = b"a file of mine"


def test_a_capture_writes_over_a_track_and_nothing_else(tmp_path: Path) -> None:
    """Whoever asks, command line or worker; refused before the footage is looked at."""
    clip = tmp_path / "e.track.npz"  # a clip that somebody named so
    clip.write_bytes(b"a clip")
    victim, other = tmp_path / "victim.txt", tmp_path / "other.track.npz"
    for path in (victim, other):
        path.write_bytes(MINE)
    for out, words in ((victim, "name ends in"), (clip, "what is read"), (other, "is not a land")):
        with pytest.raises(InputError, match=words):
            run_capture(CaptureJob(clip, out))
    assert (clip.read_bytes(), victim.read_bytes(), other.read_bytes()) == (b"a clip", MINE, MINE)
    shutil.copy(TRACK, other)
    with pytest.raises(InputError, match="not a video"):
        run_capture(CaptureJob(clip, other))
    assert other.read_bytes() == TRACK.read_bytes()


def test_a_performance_writes_over_a_performance_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "p.performance.npz"
    for content, words in ((MINE, "is not a performance"), (TRACK.read_bytes(), "is not a perf")):
        out.write_bytes(content)
        with pytest.raises(InputError, match=words):
            run_performance(PerformanceJob(TRACK, out))
        assert out.read_bytes() == content
    out.unlink()
    run_performance(PerformanceJob(TRACK, out))
    first = out.read_bytes()
    run_performance(PerformanceJob(TRACK, out, smooth_pose=1.0))
    assert out.read_bytes() != first


def test_a_take_never_replaces_what_it_was_made_from(tmp_path: Path) -> None:
    performance, table = tmp_path / "a.performance.npz", tmp_path / "a.csv"
    run_performance(PerformanceJob(TRACK, performance))
    edit_takes([performance], table, Edit(frames=(0, 5)))
    for take, out in ((table, table), (performance, performance), (table, performance)):
        before = out.read_bytes()
        with pytest.raises(InputError, match="what is read"):
            edit_takes([take], out, Edit(mirror=True))
        assert out.read_bytes() == before
    phone = tmp_path / "phone.csv"
    phone.write_text("Timecode,BlendshapeCount\n")
    with pytest.raises(InputError, match="is not a performance's table"):
        edit_takes([performance], phone, Edit())
    assert phone.read_text() == "Timecode,BlendshapeCount\n"
    other = tmp_path / "other.csv"
    for frames in ((0, 3), (0, 4)):  # a table of ours is replaced
        edit_takes([performance], other, Edit(frames=frames))


def test_lists_of_faces_go_into_folders_of_their_own(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    shutil.copy(PORTRAIT, picture)
    (tmp_path / "p.face1.png").write_bytes(MINE)
    with pytest.raises(InputError, match="was not made by"):
        list_faces(FacesJob(picture, tmp_path))
    assert (tmp_path / "p.face1.png").read_bytes() == MINE
    out = tmp_path / "out"
    for _ in range(2):
        assert len(list_faces(FacesJob(picture, out)).faces) == 1
    (out / "likeness.json").unlink()  # as an older version left it
    assert len(list_faces(FacesJob(picture, out)).faces) == 1
    with pytest.raises(InputError, match="this is read"):
        list_faces(FacesJob(out / "p.face1.png", out))


@pytest.mark.parametrize("name", ["demo.mp4", "demo.blend", "contact.png", "driver.track.npz"])
def test_a_demonstration_refuses_a_folder_with_files_of_its_names(
    tmp_path: Path, name: str
) -> None:
    mine = tmp_path / name
    mine.write_bytes(MINE)
    footage = mine if name == "demo.mp4" else None
    with pytest.raises(InputError, match=name):
        run_demo(tmp_path, None, footage, "draft")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert mine.read_bytes() == MINE
