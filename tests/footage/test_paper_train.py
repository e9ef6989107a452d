# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the 2019 paper's networks, narrowed, on a real clip."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export.checkpoint import load_weights
from export.data.shards import PreparedData
from export.networks.paper import PaperGenerator
from export.paper.train import _Feed, train_paper
from export.paper.train_config import PaperConfig
from inference.errors import InputError

pytestmark = [pytest.mark.footage, pytest.mark.usefixtures("narrow_paper")]


@pytest.fixture
def config(data: Path, tmp_path: Path) -> PaperConfig:
    return PaperConfig(
        data,
        tmp_path / "run",
        clip=PreparedData(data).records[0].name,
        steps=1,
        minutes=20,
        batch=1,
        shots=1,
        workers=0,
        log_every=1,
    )


def test_the_last_fifth_of_a_clip_is_never_trained_on(config: PaperConfig, data: Path) -> None:
    feed = _Feed(replace(config, shots=3))
    frames = PreparedData(data).records[0].frames
    seen = {f for s in range(200) for e in [feed._steps._at(s, 0)] for f in (*e.sources, e.target)}
    assert max(seen) < 0.8 * frames
    assert len(seen) > 0.6 * frames
    held = feed.validation()["target"]
    assert len(held) == 6
    assert not torch.equal(held[0], held[-1])


def test_it_learns_goes_on_and_can_be_exported(config: PaperConfig) -> None:
    first = train_paper(config)
    second = train_paper(replace(config, steps=6))
    assert first.name < second.name
    lines = [json.loads(line) for line in (config.out / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "pixels" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert {"looks", "adversary", "features", "discriminator"} <= steps[0].keys()
    similar = [line["val_ssim"] for line in lines if "val_ssim" in line]
    assert len(similar) == 2
    assert similar[1] > similar[0] + 0.05
    assert list(config.out.glob("grid-*.png"))
    assert "6 steps" in str(load_weights(PaperGenerator(), second, "paper"))


def test_a_clip_that_is_not_there_is_named(config: PaperConfig) -> None:
    with pytest.raises(InputError, match=r"nobody\.mp4"):
        train_paper(replace(config, clip="nobody.mp4"))
