# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of layers: what was made comes back, nothing foreign is touched, nothing breaks it."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference import caches
from inference.layers import cache

Picture = NDArray[np.uint8]
WORDS = {"quality": "busy background: check the hair", "fallback": ""}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(caches.FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "layers"


@pytest.fixture
def rgb(rng: np.random.Generator) -> Picture:
    return rng.integers(0, 256, (24, 31, 3)).astype(np.uint8)


@pytest.fixture
def pictures(rgb: Picture) -> dict[str, Picture]:
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    alpha[5:20, 5:20] = 200
    person, plate = rgb.copy(), rgb.copy()
    person[alpha == 0], plate[alpha > 0] = 7, 9
    return {"alpha": alpha, "person": person, "plate": plate}


def key(number: int) -> str:
    return f"{number:064x}"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.npz"))


def test_what_was_kept_comes_back(rgb: Picture, pictures: dict[str, Picture]) -> None:
    cache.keep(key(1), rgb, pictures, WORDS)
    kept = cache.load(key(1), rgb)
    assert kept is not None
    for name, picture in pictures.items():
        np.testing.assert_array_equal(kept.pictures[name], picture)
        assert kept.pictures[name].dtype == picture.dtype
    assert kept.words == WORDS
    assert cache.load(key(2), rgb) is None


def test_the_key_follows_everything_that_it_is_made_of(rgb: Picture) -> None:
    other = rgb.copy()
    other[0, 0, 0] ^= 1
    keys = {
        cache.key_of(rgb, None), cache.key_of(other, None), cache.key_of(rgb, rgb),
        cache.key_of(None, rgb), cache.key_of(rgb.reshape(31, 24, 3), None), cache.key_of("1", rgb),
    }  # fmt: skip
    assert len(keys) == 6
    assert cache.key_of(rgb[::-1][::-1], None) in keys


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "size"])
def test_a_damaged_file_is_as_none(
    damage: str, folder: Path, rgb: Picture, pictures: dict[str, Picture]
) -> None:
    cache.keep(key(1), rgb, pictures, WORDS)
    path = folder / f"{key(1)}.layers.npz"
    data = path.read_bytes()
    if damage == "size":
        assert cache.load(key(1), np.zeros((8, 8, 3), np.uint8)) is None
        return
    path.write_bytes(
        {"cut": data[: len(data) // 2], "empty": b"", "other": b"PK" + data[9:]}[damage]
    )
    assert cache.load(key(1), rgb) is None
    cache.keep(key(1), rgb, pictures, WORDS)
    assert cache.load(key(1), rgb) is not None


def test_the_longest_unused_go_first_when_it_grows_too_large(
    folder: Path, rgb: Picture, pictures: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        cache.keep(key(number), rgb, pictures, WORDS)
        os.utime(folder / f"{key(number)}.layers.npz", (1000 + number,) * 2)
    assert cache.load(key(0), rgb) is not None  # used just now
    size = (folder / f"{key(0)}.layers.npz").stat().st_size
    monkeypatch.setattr(cache, "LARGEST", int(2.5 * size))
    cache.keep(key(3), rgb, pictures, WORDS)
    assert files(folder) == [f"{key(0)}.layers.npz", f"{key(3)}.layers.npz"]


def test_nothing_foreign_is_touched(
    folder: Path, rgb: Picture, pictures: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.keep(key(1), rgb, pictures, WORDS)
    foreign = folder / "holiday.npz"
    foreign.write_bytes(b"mine")
    abandoned = folder / f"{key(2)}.layers.npz.0123456789ab.part"
    abandoned.write_bytes(b"half")
    os.utime(abandoned, (1, 1))
    in_work = folder / f"{key(3)}.layers.npz.0123456789ab.part"
    in_work.write_bytes(b"half")
    os.utime(in_work, (time.time(),) * 2)
    monkeypatch.setattr(cache, "LARGEST", 1)
    cache.keep(key(4), rgb, pictures, WORDS)
    assert foreign.read_bytes() == b"mine"
    assert in_work.exists()
    assert not abandoned.exists()
    assert files(folder) == [f"{key(4)}.layers.npz", "holiday.npz"]


def test_a_folder_that_is_not_ours_is_left_alone(
    folder: Path, rgb: Picture, pictures: dict[str, Picture]
) -> None:
    folder.mkdir(parents=True)
    (folder / "likeness.json").write_text('{"likeness_folder": 1, "holds": "head frames"}')
    cache.keep(key(1), rgb, pictures, WORDS)
    assert [path.name for path in folder.iterdir()] == ["likeness.json"]


def test_a_place_that_cannot_be_written_is_no_error(
    folder: Path, rgb: Picture, pictures: dict[str, Picture]
) -> None:
    folder.parent.mkdir()
    folder.write_text("a file where the folder would be")
    cache.keep(key(1), rgb, pictures, WORDS)
    assert cache.load(key(1), rgb) is None
    assert folder.read_text() == "a file where the folder would be"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_folder_is_the_users_alone(
    folder: Path, rgb: Picture, pictures: dict[str, Picture]
) -> None:
    cache.keep(key(1), rgb, pictures, WORDS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_systems_place_is_taken_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(caches.FOLDER_VARIABLE)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert caches.cache_folder("layers") == Path("/caches/likeness/layers")
