# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are prepared, whose they are, and who is held back."""

from fractions import Fraction
from pathlib import Path

import pytest

from export.data.clips import find_clips
from export.data.voxceleb import read_segment
from inference.errors import InputError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def manifest(folder: Path, *rows: str) -> None:
    text = "\n".join(["file,split,identity", *rows]) + "\n"
    (folder / "manifest.csv").write_text(text, encoding="utf-8")


def test_a_manifest_says_who_and_which_split(tmp_path: Path) -> None:
    manifest(tmp_path, "b.mp4,val,bea", "a.jpg,train,al")
    clips = find_clips(tmp_path)
    assert [(c.name, c.split, c.identity, c.still) for c in clips] == [
        ("a.jpg", "train", "al", True),
        ("b.mp4", "val", "bea", False),
    ]


def test_nobody_validates_whom_training_sees(tmp_path: Path) -> None:
    manifest(tmp_path, "a.mp4,train,al", "b.mp4,val,bea", "c.mp4,val,al")
    with pytest.raises(InputError, match="'al' is in the split 'val' and in another"):
        find_clips(tmp_path)


def test_a_manifest_without_its_columns_or_with_a_file_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,split\na.mp4,train\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no column 'identity'"):
        find_clips(tmp_path)
    manifest(tmp_path, "a.mp4,train,al", "a.mp4,train,al")
    with pytest.raises(InputError, match="listed twice"):
        find_clips(tmp_path)
    manifest(tmp_path, "a.mp4,train,")
    with pytest.raises(InputError, match="line 2 names no"):
        find_clips(tmp_path)


def test_a_folder_s_people_are_split_the_same_way_wherever_it_lies(tmp_path: Path) -> None:
    for where in ("here", "there"):
        names = [f"{where}/person{i}/{clip}.mp4" for i in range(20) for clip in "ab"]
        touch(tmp_path, *names)
    here, there = find_clips(tmp_path / "here"), find_clips(tmp_path / "there")
    assert [(c.name, c.identity, c.split) for c in here] == [
        (c.name, c.identity, c.split) for c in there
    ]
    val = {c.identity for c in here if c.split == "val"}
    assert len(val) == 2
    assert val.isdisjoint(c.identity for c in here if c.split == "train")
    assert len(here) == 40


def test_voxceleb_2_as_distributed(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4",
        "dev/txt/id00012/21Uxsk56VDQ/00001.txt",
        "test/mp4/id00017/01dfn2spqyE/00003.mp4",
        "dev/mp4/id00018/xyz/00001.mp4",
    )
    (tmp_path / "vox2_meta.csv").write_text(
        "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set\nid00018 ,n000018 ,m ,test\n", encoding="utf-8"
    )
    clips = find_clips(tmp_path)
    assert [(c.identity, c.split, c.text) for c in clips] == [
        ("id00012", "train", None),
        ("id00018", "val", None),
        ("id00017", "val", None),
    ]


def test_voxceleb_1_as_distributed(tmp_path: Path) -> None:
    touch(tmp_path, "videos/1zcIwhmdeo4.mkv")
    for number, video in (("00001", "1zcIwhmdeo4"), ("00002", "notAtHand00")):
        touch(tmp_path, f"txt/id10001/{video}/{number}.txt")
    (tmp_path / "vox1_meta.csv").write_text(
        "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tA\tm\tUK\ttest\n",
        encoding="utf-8",
    )
    (clip,) = find_clips(tmp_path)
    assert (clip.identity, clip.split) == ("id10001", "val")
    assert clip.path == tmp_path / "videos" / "1zcIwhmdeo4.mkv"
    assert clip.text == tmp_path / "txt/id10001/1zcIwhmdeo4/00001.txt"


def test_a_segment_s_frames_and_boxes_follow_the_video(tmp_path: Path) -> None:
    text = tmp_path / "00001.txt"
    text.write_text("FRAME X Y W H\n000050 90 36 180 180\n000099 90 36 180 180\n", encoding="utf-8")
    segment = read_segment(text)
    assert segment.frames(Fraction(25)) == (50, 99)
    assert segment.frames(Fraction(30000, 1001)) == (59, 118)
    assert segment.middle_box((1280, 720)) == (180, 72, 360, 360)
    text.write_text("000050 .25 .1 .5 .5\n", encoding="utf-8")
    assert read_segment(text).middle_box((1280, 720)) == (320, 72, 640, 360)


def test_nothing_to_prepare_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        find_clips(tmp_path / "gone")
    touch(tmp_path, "readme.md")
    with pytest.raises(InputError, match="holds no video and no picture"):
        find_clips(tmp_path)
