# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples made in batches on the device are those that are made one by one on the CPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from export.data.episodes import Episodes
from export.data.plan import plan_batch
from export.data.prepare import prepare
from export.data.samples import SampleOptions, make_sample
from export.data.shards import PreparedData
from export.training.config import TrainConfig
from export.training.feed import Feed
from export.training.render import view_batch
from export.training.resident import ResidentFeed, ResidentFootage, make_batch

pytestmark = pytest.mark.footage

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
CLIPS = ("s_grid_female_ccby4.mp4", "s_obama_whitehouse_pd.mp4", "s_mona_lisa_pd.jpg")


@pytest.fixture(scope="module")
def folder(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips and a still, their pictures shrunk so that all of them fit in little memory."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("data")
    rows = ["file,split,identity"]
    for name in CLIPS:
        shutil.copy(footage / "sample" / name, source / name)
        rows.append(f"{name},train,{name[2:8]}")
    (source / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    prepare(source, out, processes=1)
    return out


@pytest.fixture(scope="module", params=DEVICES)
def resident(folder: Path, request: pytest.FixtureRequest) -> ResidentFootage:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    return ResidentFootage(PreparedData(folder, "train"), torch.device(request.param))


def tensors(plan: dict[str, np.ndarray], shots: int, people: int) -> dict[str, torch.Tensor]:
    made = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in plan.items()}
    made |= {"shift": torch.zeros(people, 2), "known": torch.ones(people)}
    return {**made, "shots": torch.tensor(shots)}


@pytest.mark.parametrize("step", range(4))
def test_a_batch_is_what_the_cpu_makes_of_its_episodes(
    folder: Path, resident: ResidentFootage, step: int
) -> None:
    data = PreparedData(folder, "train")
    options = SampleOptions(mouth_share=1.0)
    episodes = Episodes(data, seed=0, shots=(1, 3), still_share=0.4)
    drawn = [episodes.at(step, index) for index in range(4)]
    plan = plan_batch(data, drawn, options)
    batch = make_batch(resident, tensors(plan, len(drawn[0].sources), 4), options)
    samples = [make_sample(data, episode, options) for episode in drawn]
    for name in samples[0]:
        wanted = np.stack([sample[name] for sample in samples])
        found = batch[name].cpu().numpy()
        assert found.shape == wanted.shape, name
        assert found.dtype == wanted.dtype, name
        difference = np.abs(found.astype(np.float64) - wanted)
        if name in ("points", "source_points", "person"):
            assert difference.max() < 1e-4, name
        elif name == "displacement":  # where one triangle lies over another, a pixel may differ
            assert np.quantile(difference, 0.99) < 0.05
            assert (difference.max(axis=-1) > 0.5).mean() < 2e-3
        elif name == "stretch":
            assert difference.mean() < 0.01
        else:  # grey levels
            assert difference.mean() < 0.3, name
            assert np.quantile(difference, 0.99) <= 2, name
            assert (difference > 32).mean() < 3e-3, name
    lines = np.stack([sample["lines"] for sample in samples]).astype(int)
    assert np.abs(batch["lines"].cpu().numpy() - lines)[lines > 0].mean() < 5


def test_the_sets_of_episodes_hold_what_is_hard(folder: Path) -> None:
    """Stills, borrowed mouths and several shots are among what the test above compares."""
    data = PreparedData(folder, "train")
    episodes = Episodes(data, seed=0, shots=(1, 3), still_share=0.4)
    plans = [
        plan_batch(data, [episodes.at(s, i) for i in range(4)], SampleOptions(mouth_share=1.0))
        for s in range(4)
    ]
    assert sum(len(plan["stills"]) for plan in plans) >= 2
    assert sum(int((plan["warp_whose"] >= 0).sum()) for plan in plans) >= 1
    assert {plan["identity_cubic"].dtype for plan in plans} == {np.dtype(bool)}


def test_a_feed_yields_the_other_s_batches_in_their_order(
    folder: Path, resident: ResidentFootage, tmp_path: Path
) -> None:
    config = TrainConfig(
        data=folder, out=tmp_path, steps=3, batch=2, most_sources=2, workers=0, whole_every=1000
    )
    ours = dict(ResidentFeed(config, 1, 0, 1, resident.device))
    theirs = dict(Feed(config, 1, 0, 1))
    assert ours.keys() == theirs.keys()
    for step, batch in theirs.items():
        assert batch.keys() == ours[step].keys()
        for name in ("points", "shift", "known", "person"):
            torch.testing.assert_close(ours[step][name].cpu(), batch[name], atol=1e-4, rtol=0)
        view = view_batch(ours[step], resident.device, 160)
        wanted = view_batch(batch, torch.device("cpu"), 160)
        assert (view.picture.cpu() - wanted.picture).abs().mean() < 2e-3
        assert (view.origin.cpu() - wanted.origin).abs().mean() < 0.02
