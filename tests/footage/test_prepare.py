# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing real clips: what is kept, what is skipped, and what an interruption leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.data.clips import ClipFile
from export.data.packing import PackedClip
from export.data.prepare import PrepareSettings, _pack_all, prepare
from export.data.shards import PreparedData, check_all
from inference.capture.capture import capture_footage
from inference.capture.video import open_footage, read_frames
from inference.errors import InputError
from tests.strangers import plant

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ("s_grid_female_ccby4.mp4", "s_grid_male_ccby4.mp4", "s_obama_whitehouse_pd.mp4")
STILL = "s_mona_lisa_pd.jpg"

pytestmark = pytest.mark.footage


@pytest.fixture(scope="module")
def source(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for name in (*CLIPS, STILL):
        shutil.copy(footage / "sample" / name, folder / name)
    whole = (footage / "sample" / CLIPS[0]).read_bytes()
    (folder / "cut_off.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "no_picture.jpg").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    strangers = plant(out)
    prepare(source, out, processes=2)
    strangers.check()
    return out


def command(source: Path, out: Path, *more: object) -> list[str]:
    return [
        sys.executable,
        "-m",
        "export",
        "prepare",
        str(source),
        "--out",
        str(out),
        "--processes",
        "2",
        *map(str, more),
    ]


def run(source: Path, out: Path, *more: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(source, out, *more), capture_output=True, text=True, env=environment, check=False
    )


def checksums(folder: Path) -> dict[str, int]:
    return {record.name: record.table_crc for record in PreparedData(folder).records}


def test_clips_and_stills_are_kept_and_bad_files_are_listed(source: Path, prepared: Path) -> None:
    data = PreparedData(prepared)
    assert {record.name for record in data.records} == {*CLIPS, STILL}
    assert [record.name for record in data.records if record.still] == [STILL]
    assert [record.frames for record in data.records if not record.still] == [75, 75, 75]
    skipped = (prepared / "skipped.csv").read_text(encoding="utf-8").splitlines()
    assert len(skipped) == 3
    assert skipped[1].startswith("cut_off.mp4,")
    assert "breaks off" in skipped[1]
    assert skipped[2].startswith("no_picture.jpg,")
    assert list(check_all(data)) == []


def test_what_is_stored_is_the_footage_and_its_landmarks(source: Path, prepared: Path) -> None:
    track = capture_footage(source / CLIPS[2]).track
    frames = [frame.picture for frame in read_frames(open_footage(source / CLIPS[2]))]
    data = PreparedData(prepared)
    clip = data.clip([record.name for record in data.records].index(CLIPS[2]))
    assert clip.numbers.tolist() == list(range(75))
    for index in (0, 40, 74):
        # These clips are closer than their crop: the whole picture is kept, as it is.
        picture = clip.picture(index)
        assert picture.shape == frames[index].shape
        difference = picture.astype(float) - frames[index]
        assert 10 * np.log10(255**2 / np.mean(difference**2)) > 36
        np.testing.assert_allclose(clip.points(index), track.points[index], atol=0.02)
    half = clip.picture(0, half=True)
    assert half.shape == (128, 128, 3)
    small = cv2.resize(clip.picture(0), (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(half.astype(float) - small).mean() < 2


def test_a_killed_run_goes_on_where_it_was(source: Path, prepared: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command(source, tmp_path), env=environment, stderr=subprocess.PIPE)
    index = tmp_path / "index.jsonl"
    end = time.monotonic() + 120
    while not (index.is_file() and index.read_bytes().count(b"\n") >= 1):
        assert time.monotonic() < end
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = index.read_bytes().splitlines(keepends=True)
    assert len(kept) < 4, "killed too late to test anything"
    # As if the kill had come in the middle of writing: half a clip, half a line.
    with (tmp_path / "shard-00000.bin").open("ab") as shard:
        shard.write(b"\xff" * 12345)
    index.write_bytes(b"".join(kept) + b'{"name": "half a l')

    done = run(source, tmp_path)
    assert done.returncode == 0, done.stderr
    assert index.read_bytes().startswith(kept[0])
    assert checksums(tmp_path) == checksums(prepared)
    data = PreparedData(tmp_path)
    assert list(check_all(data)) == []
    size = (tmp_path / "shard-00000.bin").stat().st_size
    assert size == sum(record.length for record in data.records), "the half clip is still there"
    before = index.read_bytes()
    assert run(source, tmp_path).returncode == 0
    assert index.read_bytes() == before, "nothing was left to do"


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_without_its_index_prepared_data_is_left_as_it_is(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(prepared, folder)
    index = (folder / "index.jsonl").read_bytes()
    (folder / "index.jsonl").unlink()
    before = everything(folder)
    done = run(source, folder)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "index.jsonl: is missing beside clips in shard-00000.bin; bring the index back" in line
    assert everything(folder) == before
    (folder / "index.jsonl").write_bytes(index)
    prepare(source, folder, processes=1)
    assert everything(folder) == before | {"index.jsonl": index}


def test_an_index_that_says_nothing_of_whole_shards_is_not_believed(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(prepared, folder)
    for number in (1, 2):
        shutil.copy(folder / "shard-00000.bin", folder / f"shard-0000{number}.bin")
    before = everything(folder)
    with pytest.raises(InputError, match=r"says nothing of clips in shard-00001\.bin"):
        prepare(source, folder, processes=1)
    assert everything(folder) == before


def test_a_link_in_a_shard_s_place_is_not_written_through(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    folder, outside = tmp_path / "data", tmp_path / "elsewhere.bin"
    shutil.copytree(prepared, folder)
    (folder / "shard-00000.bin").rename(outside)
    (folder / "shard-00000.bin").symlink_to(outside)
    with outside.open("ab") as file:
        file.write(b"what another appended")
    before = outside.read_bytes()
    with pytest.raises(InputError, match="is a link"):
        prepare(source, folder, processes=1)
    assert outside.read_bytes() == before
    assert len(PreparedData(folder)) == 4, "reading it is another matter"


def test_a_damaged_shard_is_named_and_the_rest_can_be_read(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(prepared, folder)
    shard = folder / "shard-00000.bin"
    record = PreparedData(folder).records[1]
    content = bytearray(shard.read_bytes())
    content[record.offset + record.length - 5000] ^= 0x40
    shard.write_bytes(content)
    data = PreparedData(folder)
    reports = list(check_all(data))
    assert len(reports) == 1
    assert "shard-00000.bin" in reports[0]
    assert record.name in reports[0]
    assert "\n" not in reports[0]
    data.clip(0).picture(0)

    content[record.offset + 100] ^= 0x40  # in the table
    shard.write_bytes(content)
    with pytest.raises(InputError, match="damaged at the clip"):
        PreparedData(folder).clip(1)
    last = max(PreparedData(folder).records, key=lambda r: r.offset)
    shard.write_bytes(content[: last.offset + 10])
    cut = PreparedData(folder)
    with pytest.raises(InputError, match="damaged at the clip"):
        cut.clip(cut.records.index(last))


def test_other_settings_need_another_folder(source: Path, prepared: Path) -> None:
    with pytest.raises(InputError, match="quality 92, not 50; choose another"):
        prepare(source, prepared, PrepareSettings(quality=50))


def test_a_folder_without_a_usable_face_is_one_clear_line(tmp_path: Path) -> None:
    source = tmp_path / "walls"
    source.mkdir()
    wall = np.full((240, 320, 3), 128, np.uint8)
    cv2.imwrite(str(source / "wall.png"), wall)
    done = run(source, tmp_path / "out")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("prepare: ")]
    assert len(lines) == 1
    assert "none of its 1 files can be used" in lines[0]
    assert "no face was found" in lines[0]


def test_a_text_of_voxceleb_names_a_part_of_a_whole_video(source: Path, tmp_path: Path) -> None:
    vox = tmp_path / "vox"
    (vox / "videos").mkdir(parents=True)
    shutil.copy(source / CLIPS[2], vox / "videos" / "abcDEF12345.mp4")
    texts = vox / "dev" / "txt" / "id10001" / "abcDEF12345"
    texts.mkdir(parents=True)
    head = "Identity  : \tid10001\nReference : \tabcDEF12345\n\nFRAME \tX \tY \tW \tH \n"
    here = "".join(f"{i:06d}\t0.25\t0.25\t0.5\t0.5\n" for i in range(10, 30))
    (texts / "00001.txt").write_text(head + here, encoding="utf-8")
    elsewhere = "".join(f"{i:06d}\t0\t0\t40\t40\n" for i in range(10, 30))
    (texts / "00002.txt").write_text(head + elsewhere, encoding="utf-8")
    (texts / "00003.txt").write_text(head, encoding="utf-8")
    made = prepare(vox, tmp_path / "out", processes=1)
    data = PreparedData(tmp_path / "out", "train")
    assert [r.name for r in data.records] == ["dev/txt/id10001/abcDEF12345/00001.txt"]
    assert data.records[0].identity == "id10001"
    assert data.records[0].frames == 20
    reasons = dict(made.skipped)
    assert "not the one" in reasons["dev/txt/id10001/abcDEF12345/00002.txt"]
    assert "no text of VoxCeleb" in reasons["dev/txt/id10001/abcDEF12345/00003.txt"]
    whole = capture_footage(source / CLIPS[2]).track.points[10]
    np.testing.assert_allclose(data.clip(0).points(0)[:, :2], whole[:, :2], atol=2)


@dataclass(frozen=True)
class Bomb(ClipFile):
    """A clip that ends the process that is handed it, as a decoder's crash does."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


def test_a_file_that_crashes_its_process_is_skipped(source: Path) -> None:
    bomb = Bomb("bomb.jpg", source / "bomb.jpg", "nobody", "train", still=True)
    still = ClipFile(STILL, source / STILL, "lisa", "train", still=True)
    other = ClipFile("again.jpg", source / STILL, "lisa", "train", still=True)
    results = {
        clip.name: result
        for clip, result in _pack_all([still, bomb, other], PrepareSettings(), 2, lambda: False)
    }
    assert isinstance(results[STILL], PackedClip)
    assert isinstance(results["again.jpg"], PackedClip)
    assert "crashed" in str(results["bomb.jpg"])


def test_the_index_is_lines_of_json(prepared: Path) -> None:
    lines = (prepared / "index.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["name"] for line in lines} == {*CLIPS, STILL}
