# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop on real clips: it learns, goes on unbroken, shares its work, keeps watch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed

from export.checkpoint import load_weights
from export.cli import main
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from export.training import feed
from export.training import train as loop
from export.training.config import TrainConfig
from export.training.feed import Feed
from export.training.folder import checkpoints
from export.training.objective import objective
from export.training.render import view_batch
from inference.errors import InputError, LikenessError
from inference.generator.model import load_generator
from tests.strangers import plant

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.footage


@pytest.fixture
def config(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """Small and exact: one thread, full precision, no worker processes, a short validation."""
    monkeypatch.setattr(feed, "_VALIDATION_EPISODES", 4)
    return TrainConfig(
        data=data,
        out=tmp_path / "run",
        steps=4,
        minutes=10,
        batch=4,
        crop=96,
        whole_every=1000,
        most_sources=2,
        workers=0,
        log_every=1,
        grid_every=1000,
        threads=1,
        half=False,
        adversary_from=0,
        adversary_warm_up=1,
    )


def logged(config: TrainConfig, name: str) -> list[float]:
    lines = [json.loads(line) for line in (config.out / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def test_a_resumed_run_is_the_run_that_was_never_broken(config: TrainConfig) -> None:
    loop.train(config)
    halves = replace(config, out=config.out.with_name("halves"), steps=2)
    strangers = plant(halves.out)
    loop.train(halves)
    loop.train(replace(halves, steps=3, keep_checkpoints=1))
    loop.train(replace(halves, steps=4, keep_checkpoints=1))
    strangers.check()
    assert [path.name for path in checkpoints(halves.out)] == ["checkpoint-0000004.pt"]
    whole, broken = logged(config, "pixels"), logged(halves, "pixels")
    # The two runs plan different ends, so that their rates differ at most by the fall.
    assert whole[:1] == broken[:1]
    assert len(whole) == len(broken) == 4


def test_batches_of_mouths_come_between_those_of_faces_and_hold_the_mouth(
    config: TrainConfig,
) -> None:
    plan = replace(config, whole_every=4, mouth_every=2, mouth_crop=64)
    cuts = [loop._cut(step, plan) for step in range(5)]
    assert cuts == [(None, False), (96, False), (64, True), (96, False), (None, False)]
    assert not any(
        mouths for _, mouths in (loop._cut(s, replace(plan, mouth_every=0)) for s in range(9))
    )
    batch = dict(Feed(config, 0, 0, 1))[1]
    whole, close = (view_batch(batch, torch.device("cpu"), *cut) for cut in (cuts[0], cuts[2]))
    for mouth in range(len(batch["points"])):
        seen = float(whole.mouth[mouth].sum())
        assert float(close.mouth[mouth].sum()) > 0.9 * seen
    lips = close.points[:, [13, 14]]
    assert float(lips.min()) > 0 and float(lips.max()) < 64


def test_the_data_s_order_depends_on_seed_and_step_alone(config: TrainConfig) -> None:
    whole = {step: batch for step, batch in Feed(config, 0, 0, 1) if step < 4}
    later = {step: batch for step, batch in Feed(config, 2, 0, 1) if step < 4}
    for step in (2, 3):
        for name, value in whole[step].items():
            assert torch.equal(value, later[step][name])
    parts = [dict(Feed(config, 0, rank, 2)) for rank in (0, 1)]
    for name, joint in whole[1].items():
        for rank in (0, 1):
            assert torch.equal(joint[rank::2], parts[rank][1][name])
    other = dict(Feed(replace(config, seed=1), 0, 0, 1))
    assert not torch.equal(other[0]["points"], whole[0]["points"])


def test_it_learns_and_what_it_learned_can_be_exported(config: TrainConfig, tmp_path: Path) -> None:
    # Without an adversary, which the other runs here have: it makes a step twice as long.
    longer = replace(config, steps=20, rate=8e-4, warm_up=4, log_every=5, ema=0.9, adversary_from=1)
    checkpoint = loop.train(longer)
    mouths, of_the_warp = logged(longer, "mouth"), logged(longer, "mouth_warp")
    first, last = mouths[0] / of_the_warp[0], mouths[-1] / of_the_warp[-1]
    assert last < first
    assert last < 0.97
    assert logged(longer, "val_face"), "people who were not trained on are looked at"
    assert list(longer.out.glob("grid-*.png"))
    model = tmp_path / "model.onnx"
    command = ["onnx", "--tier", "draft", "--out", model, "--checkpoint", checkpoint]
    assert main(list(map(str, command))) == 0
    assert "20 steps" in load_generator(model, "cpu").training
    assert (tmp_path / "model.embedder.onnx").is_file()


def test_two_processes_find_the_gradients_of_the_joint_batch(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    # What critics are given depends on the process's own pictures.
    alone = replace(config, steps=1, share_looks=0, adversary_from=1)
    shared = replace(alone, out=tmp_path / "shared")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    theirs = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    script = (
        "import torch\n"
        "torch.cuda.is_available = lambda: False\n"
        "from pathlib import Path, PosixPath\n"
        "from export.training.config import TrainConfig\n"
        "from export.training.train import train\n"
        f"train({shared!r})\n"
    )
    second = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **theirs, "RANK": "1", "PYTHONPATH": str(ROOT)},
    )
    try:
        loop.train(alone)
        with monkeypatch.context() as first:
            for name, value in {**theirs, "RANK": "0"}.items():
                first.setenv(name, value)
            loop.train(shared)
        assert second.wait(60) == 0
    finally:
        second.kill()
        if distributed.is_initialized():
            distributed.destroy_process_group()
    one, both = _gradients(alone), _gradients(shared)
    assert float(one.norm()) > 0.01
    assert float((one - both).norm() / one.norm()) < 1e-4  # one part's alone are 0.6 away


def _gradients(config: TrainConfig) -> torch.Tensor:
    """Of the first step, as Adam keeps them, as one vector; weights hardly tell them apart."""
    state = torch.load(checkpoints(config.out)[-1], weights_only=True)["resume"]["optimizer"]
    return torch.cat([each["exp_avg"].flatten() for each in state["state"].values()])


def test_a_lost_loss_ends_the_run_with_one_line(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: object) -> dict[str, torch.Tensor]:
        return {name: term * float("nan") for name, term in objective(*arguments).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "objective", lost)
    monkeypatch.setattr(loop, "_LOST_STEPS", 2)
    with pytest.raises(LikenessError, match="not a number for 2 steps"):
        loop.train(config)


def test_an_unusable_checkpoint_is_named(config: TrainConfig) -> None:
    path = loop.train(replace(config, steps=1))

    def refuses(asked: TrainConfig) -> None:
        with pytest.raises(InputError, match=path.name) as caught:
            loop.train(asked)
        assert "\n" not in str(caught.value)

    refuses(replace(config, tier="final"))
    path.write_bytes(path.read_bytes()[:5000])
    refuses(config)


def test_a_run_can_begin_with_the_shipped_weights(config: TrainConfig) -> None:
    shipped = ROOT / "inference" / "models" / "warp-draft.onnx"
    path = loop.train(replace(config, init=shipped, steps=1, rate=0.0, rate_embedder=0.0, ema=0.0))
    begun = torch.load(path, weights_only=True)
    network = WarpGenerator(TIER_CONFIGS["draft"])
    load_weights(network, shipped, "warp draft")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(begun["generator"][name], value, rtol=0, atol=0)
    with pytest.raises(InputError, match="does not fit the warp final"):
        loop.train(replace(config, init=shipped, tier="final", out=config.out.with_name("other")))
