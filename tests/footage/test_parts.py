# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared clips that are copied in parts: the same data again, or a line that says what lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from export.data.parts import MANIFEST, Smaller, pack, unpack
from export.data.prepare import prepare
from export.data.shards import PreparedData, check_all
from inference.errors import InputError
from tests.strangers import plant

pytestmark = pytest.mark.footage


@pytest.fixture(scope="module")
def data(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("data")
    rows = ["file,split,identity"]
    for name, split in (
        ("s_grid_female_ccby4.mp4", "train"),
        ("s_grid_male_ccby4.mp4", "train"),
        ("s_mona_lisa_pd.jpg", "train"),
        ("s_obama_whitehouse_pd.mp4", "val"),
    ):
        shutil.copy(footage / "sample" / name, source / name)
        rows.append(f"{name},{split},{name[2:8]}")
    (source / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    prepare(source, out, processes=1)
    return out


@pytest.fixture
def parts(data: Path, tmp_path: Path) -> Path:
    strangers = plant(tmp_path / "parts")
    made = pack(data, tmp_path / "parts", megabytes=2.5)
    strangers.check()
    assert len(made.parts) >= 2
    assert all(path.stat().st_size <= 2.5e6 for path in made.parts)
    return tmp_path / "parts"


def test_unpacked_parts_are_the_prepared_data(data: Path, parts: Path, tmp_path: Path) -> None:
    strangers = plant(tmp_path / "again")
    again = unpack(parts, tmp_path / "again")
    strangers.check()
    before = PreparedData(data)
    assert [r.name for r in again.records] == [r.name for r in before.records]
    assert {r.split for r in again.records} == {"train", "val"}
    for index in range(len(before)):
        assert again.clip(index).whole() == before.clip(index).whole()
    assert list(check_all(again)) == []
    copied = {path: path.stat().st_mtime_ns for path in again.folder.glob("shard-0*")}
    unpack(parts, again.folder)
    assert copied == {path: path.stat().st_mtime_ns for path in again.folder.glob("shard-0*")}


def test_smaller_clips_keep_their_landmarks_in_place(data: Path, tmp_path: Path) -> None:
    pack(data, tmp_path / "parts", 2.5, Smaller(side=160, every=3, quality=80))
    small, large = unpack(tmp_path / "parts", tmp_path / "small"), PreparedData(data)
    for index, record in enumerate(large.records):
        clip, whole = small.clip(index), large.clip(index)
        assert max(clip.record.size) <= 160
        kept = range(0, record.frames, 1 if record.still else 3)
        np.testing.assert_array_equal(clip.numbers, whole.numbers[list(kept)])
        zoom = np.array(clip.record.size) / record.size
        for place, frame in list(enumerate(kept))[:4]:
            wanted = whole.points(frame)[:, :2] * zoom
            assert np.abs(clip.points(place)[:, :2] - wanted).max() < 0.02
            picture = clip.picture(place).astype(float)
            assert picture.shape[1::-1] == clip.record.size
    assert sum(r.length for r in small.records) < 0.3 * sum(r.length for r in large.records)


@pytest.mark.parametrize("harm", ["lost", "cut", "changed", "manifest"])
def test_a_part_that_is_not_right_is_named(parts: Path, tmp_path: Path, harm: str) -> None:
    path = parts / ("part-001.bin" if harm != "manifest" else MANIFEST)
    content = bytearray(path.read_bytes())
    if harm == "lost":
        path.unlink()
    elif harm == "changed":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[:-10])
    with pytest.raises(InputError, match=path.name) as caught:
        unpack(parts, tmp_path / "again")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        PreparedData(tmp_path / "again")


def test_a_lost_part_that_came_late_completes_the_data(parts: Path, tmp_path: Path) -> None:
    late = parts / "part-000.bin"
    late.rename(tmp_path / "late")
    with pytest.raises(InputError, match="1 of"):
        unpack(parts, tmp_path / "again")
    (tmp_path / "late").rename(late)
    assert len(unpack(parts, tmp_path / "again")) == 4


def test_other_data_is_not_written_over(data: Path, parts: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(data, other)
    with pytest.raises(InputError, match="other prepared data"):
        unpack(parts, other)
    assert list(check_all(PreparedData(other))) == []


def test_a_clip_larger_than_a_part_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allow larger parts"):
        pack(data, tmp_path / "parts", megabytes=0.2)
    assert not (tmp_path / "parts" / MANIFEST).exists()
