# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage: odd names work, nothing but the file itself is opened, no time stamp is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference.capture.video import open_footage, read_frames
from inference.errors import InputError
from tests.conftest import RunCli
from tests.hostile.material import Material

pytestmark = pytest.mark.timeout(120)

FRAMES = 5


def count(path: Path) -> int:
    return sum(1 for _ in read_frames(open_footage(path)))


@pytest.mark.parametrize(
    "name",
    ["12:30.mp4", "http:a.mp4", "-i.mp4", "a%03d.mp4", "file:a.mp4", "a|b.mp4", "spå ce 日本.mp4",
     "concat:a.mp4", "a\nb.mp4", os.fsdecode(b"M\xfcller.mp4"), os.fsdecode(b"\xff")],
)  # fmt: skip
def test_a_clip_of_any_name_is_read(
    name: str, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(material.clips[".mp4"])
    monkeypatch.chdir(tmp_path)
    assert count(Path(name)) == FRAMES
    assert count(tmp_path / name) == FRAMES
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_clip_whose_name_is_no_text_is_captured(
    material: Material, run_process: RunCli, tmp_path: Path
) -> None:
    """In a process of its own: it used to end by a signal."""
    path = tmp_path / os.fsdecode(b"M\xfcller.mp4")
    path.write_bytes(material.clips[".mp4"])
    done = run_process("capture", path, "--out", tmp_path / os.fsdecode(b"M\xfcller.track.npz"))
    assert done.code == 0 and done.error_lines == [], done.stderr
    assert "M\\udcfcller.track.npz" in done.stdout


@pytest.mark.parametrize(
    "suffix",
    [".mp4", ".mov", ".mkv", ".avi", ".ts", ".webm", ".m2v", ".mpg", ".flv", ".gif", ".y4m"],
)
@pytest.mark.parametrize("named", [True, False])
def test_every_container_is_still_read(
    suffix: str, named: bool, material: Material, tmp_path: Path
) -> None:
    path = tmp_path / f"clip{suffix if named else ''}"
    path.write_bytes(material.clips[suffix])
    assert abs(count(path) - FRAMES) <= (1 if suffix in (".mpg", ".m2v") else 0)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{clip}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{clip}'\n",
    "dash": '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{clip}'
            "</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "tagged": "ID3\x03\x01\x01\x01\x01\x01\n#EXTM3U\n#EXT-X-TARGETDURATION:9\n{clip}\n",
    "spoiled": "\x01\x02\x03\nv=0\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.mpd", "a.txt"])
@pytest.mark.parametrize("padded", [False, True], ids=["text", "with bytes that are no text"])
def test_a_list_of_other_files_is_refused(
    kind: str, name: str, padded: bool, material: Material, tmp_path: Path
) -> None:
    (tmp_path / "clip.ts").write_bytes(material.clips[".ts"])
    text = PLAYLISTS[kind].format(clip="clip.ts").encode()
    path = tmp_path / name
    path.write_bytes(text + bytes(5000) if padded else text)
    with pytest.raises(InputError, match="not a video that can be read"):
        open_footage(path)


def test_numbered_pictures_are_not_looked_for(material: Material, tmp_path: Path) -> None:
    """A name such as `a%03d.png` means one picture, not all that fit it."""
    for i in range(4):
        (tmp_path / f"a{i:03d}.png").write_bytes(material.pictures[".png"])
    (tmp_path / "a%03d.png").write_bytes(material.pictures[".png"])
    assert count(tmp_path / "a%03d.png") == 1


def test_a_stream_without_time_stamps_gives_a_picture_a_frame(material: Material) -> None:
    frames = list(read_frames(open_footage(material.folder / "clip.m2v")))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert not any(frame.repeated for frame in frames)
