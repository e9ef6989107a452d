# SPDX-License-Identifier: GPL-3.0-or-later
"""Mattes from the footage to the term that they train: kept, carried along, and learned."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.data.augment import Strength
from export.data.episodes import Episodes
from export.data.mattes import SIDE, make_matte, read_matte
from export.data.parts import Smaller, pack, unpack
from export.data.prepare import PrepareSettings, prepare
from export.data.samples import SampleOptions, make_sample
from export.data.shards import PreparedData, StoredClip, check_all
from export.networks.warp import TIER_CONFIGS, WarpConfig, WarpGenerator
from export.training.config import TrainConfig
from export.training.feed import Feed, validation_batches
from export.training.objective import measures, objective
from export.training.render import View, render, view_batch
from inference.capture.persons import PersonFinder
from inference.errors import InputError
from inference.generator.contract import IDENTITY_SIZE
from inference.landmarks import OVAL

pytestmark = pytest.mark.footage
CPU = torch.device("cpu")
STRONG = SampleOptions(
    strength=Strength(mirror=1, zoom=0.1, shift=0.08, angle=12, shape=0.02, noise=0)
)


@pytest.fixture(scope="module")
def bare(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data as it was before there were mattes: the index does not know of them."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("data")
    for name in ("s_grid_female_ccby4.mp4", "s_grid_male_ccby4.mp4"):
        shutil.copy(footage / "sample" / name, source / name)
    prepare(source, out, PrepareSettings(mattes=False), processes=1, val_share=0)
    index = out / "index.jsonl"
    lines = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()]
    assert [line.pop("mattes") for line in lines] == [0, 0]
    index.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return out


@pytest.fixture
def view(data: Path, tmp_path: Path) -> View:
    batch = validation_batches(TrainConfig(data=data, out=tmp_path))[0]
    return view_batch({name: value[:2] for name, value in batch.items()}, CPU, None)


def same_person(a: np.ndarray, b: np.ndarray) -> float:
    """How much of two masks in [0, 1] is common to both."""
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


def clips(folder: Path) -> list[StoredClip]:
    data = PreparedData(folder)
    return [data.clip(index) for index in range(len(data))]


def test_a_matte_shows_the_person_and_not_the_background(data: Path) -> None:
    for clip in clips(data):
        matte = clip.matte(40)
        assert matte is not None
        width, height = clip.record.size
        outline = clip.points(40)[list(OVAL), :2] * SIDE / np.array([width, height])
        columns, rows = (
            np.clip(outline.mean(axis=0) + 0.7 * (outline - outline.mean(axis=0)), 0, SIDE - 1)
            .astype(int)
            .T
        )
        assert matte[rows, columns].min() > 240
        # Beside the head, above the shoulders: these three sit before a wall.
        assert matte[: SIDE // 8, [0, 1, -2, -1]].max() < 64
        assert 0.25 < matte.mean() / 255 < 0.9


def test_the_matte_goes_where_the_picture_goes(data: Path) -> None:
    prepared = PreparedData(data, "train")
    episodes = Episodes(prepared, seed=3)
    with PersonFinder() as finder:
        for index in range(4):
            sample = make_sample(prepared, episodes.at(0, index), STRONG)
            assert sample["matted"] == 255
            shown = np.ascontiguousarray(sample["target"].transpose(1, 2, 0))
            found = read_matte(np.frombuffer(make_matte(finder, shown), np.uint8))
            assert found is not None
            matte, visible = (
                sample[name].reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3)) / 255
                for name in ("matte", "visible")
            )
            known = found / 255 * visible
            assert same_person(matte * visible, known) > 0.9
            assert same_person(matte[:, ::-1] * visible, known) < 0.9


def test_the_matte_s_term_teaches_the_person(view: View, tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = WarpGenerator(WarpConfig("tiny", (16, 16, 16, 16), (0, 1, 1, 0), (1, 0, 0, 0)))
    config = TrainConfig(data=tmp_path, out=tmp_path)
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3)
    nobody = torch.zeros(len(view.target), IDENTITY_SIZE)
    errors = []
    for _ in range(40):
        rendered = render(generator(view.picture, nobody), view)
        errors.append(measures(rendered, view)["matte_error"])
        optimizer.zero_grad()
        objective(rendered, view, config)["matte"].backward()
        optimizer.step()
    assert errors[0] > 0.3, "untrained, everything is the person"
    assert errors[-1] < 0.6 * errors[0]
    term = objective(rendered, view, config)["matte"]
    twice = replace(config, weight_matte=2 * config.weight_matte)
    double = objective(rendered, view, twice)["matte"]
    assert float(double.detach()) == pytest.approx(2 * float(term.detach()))
    off = objective(rendered, view, replace(config, weight_matte=0.0))["matte"]
    assert float(off.detach()) == 0.0


def test_data_without_mattes_trains_as_before(bare: Path, tmp_path: Path) -> None:
    assert [clip.matte(0) for clip in clips(bare)] == [None, None]
    assert list(check_all(PreparedData(bare))) == []
    config = TrainConfig(data=bare, out=tmp_path, batch=2, workers=0)
    _, batch = next(iter(Feed(config, 0, 0, 1)))
    view = view_batch(batch, CPU, 128)
    assert not view.matted.any()
    generator = WarpGenerator(TIER_CONFIGS["draft"])
    rendered = render(generator(view.picture, torch.zeros(len(view.target), IDENTITY_SIZE)), view)
    assert "matte_error" not in measures(rendered, view)
    (slope,) = torch.autograd.grad(objective(rendered, view, config)["matte"], rendered.matte)
    assert (slope[view.face > 0.5] < 0).all()
    assert not slope[view.face == 0].any(), "beyond the face nobody knows"


def test_parts_carry_the_mattes(data: Path, tmp_path: Path) -> None:
    whole = clips(data)
    pack(data, tmp_path / "parts")
    pack(data, tmp_path / "smaller parts", smaller=Smaller(side=128, every=3))
    for folder, every in (("parts", 1), ("smaller parts", 3)):
        unpack(tmp_path / folder, tmp_path / f"{folder} unpacked")
        for clip, origin in zip(clips(tmp_path / f"{folder} unpacked"), whole, strict=True):
            found, wanted = clip.matte(8), origin.matte(8 * every)
            assert found is not None and wanted is not None
            np.testing.assert_array_equal(found, wanted)


def test_a_damaged_matte_is_one_line(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    record = PreparedData(folder).records[0]
    content = bytearray((folder / record.shard).read_bytes())
    content[record.offset + record.length - 100] ^= 0x10
    (folder / record.shard).write_bytes(content)
    clip = clips(folder)[0]
    assert clip.matte(0) is not None
    with pytest.raises(InputError, match=r"shard-00000\.bin: the shard is damaged at the clip"):
        clip.matte(record.frames - 1)
    assert len(list(check_all(PreparedData(folder)))) == 1
