# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that are copied in pieces: whole again, or one line that says which piece is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.folders import writing
from export.training import results
from export.training.folder import TRAINING
from export.training.results import join_results, pack_results, read_results, restored, slim
from export.training.timed import place_checkpoint
from export.training.train import Learner
from inference.errors import InputError


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, object]:
    """As training writes it, after two steps of Adam."""
    torch.manual_seed(3)
    learner, average = Learner("draft"), Learner("draft")
    optimizer = torch.optim.Adam(learner.parameters(), 1e-3)
    for _ in range(2):
        loss = sum(p.square().sum() for p in learner.parameters())
        optimizer.zero_grad()
        torch.as_tensor(loss).backward()
        optimizer.step()
    return {
        "generator": average.generator.state_dict(),
        "embedder": average.embedder.state_dict(),
        "training": "two steps of a test",
        "resume": {
            "tier": "draft",
            "step": 2,
            "minutes": 0.5,
            "learner": learner.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
        },
    }


def test_a_slim_checkpoint_brings_back_weights_and_moments(checkpoint: dict) -> None:
    again = restored(slim(checkpoint))
    wanted, found = checkpoint["resume"], again["resume"]
    for part in ("learner", "average"):
        assert wanted[part].keys() == found[part].keys()
        for name, value in wanted[part].items():
            torch.testing.assert_close(found[part][name], value, rtol=1e-3, atol=1e-6)
    learner = Learner("draft")
    optimizer = torch.optim.Adam(learner.parameters(), 1e-3)
    learner.load_state_dict(found["learner"])
    optimizer.load_state_dict(found["optimizer"])
    for number, state in wanted["optimizer"]["state"].items():
        kept = found["optimizer"]["state"][number]
        torch.testing.assert_close(kept["exp_avg_sq"], state["exp_avg_sq"], rtol=1e-2, atol=1e-20)
        assert float(kept["step"]) == 2
        assert not kept["exp_avg"].any()
    torch.as_tensor(sum(p.sum() for p in learner.parameters())).backward()
    optimizer.step()
    assert (found["step"], found["minutes"], found["tier"]) == (2, 0.5, "draft")


def test_it_takes_less_than_half_of_the_room(checkpoint: dict, tmp_path: Path) -> None:
    torch.save(checkpoint, tmp_path / "whole.pt")
    torch.save(slim(checkpoint), tmp_path / "slim.pt")
    whole, small = ((tmp_path / f"{n}.pt").stat().st_size for n in ("whole", "slim"))
    assert small < 0.45 * whole
    assert slim(checkpoint)["generator"].keys() == checkpoint["generator"].keys()
    assert all(t.dtype == torch.float16 for t in slim(checkpoint)["embedder"].values())


def test_a_weight_beyond_half_precision_is_not_lost() -> None:
    big = {"generator": {"w": torch.tensor([1e6, 1.0])}}
    assert float(restored(slim(big))["generator"]["w"][0]) == pytest.approx(1e6, rel=1e-2)


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> Path:
    monkeypatch.setattr(results, "PIECE", 40_000)
    (tmp_path / "model.onnx").write_bytes(rng.bytes(100_000))
    (tmp_path / "log.jsonl").write_text("figures", encoding="utf-8")
    files = {name: tmp_path / name for name in ("model.onnx", "log.jsonl")}
    pieces, left_out = pack_results(files, tmp_path / "out")
    assert not left_out
    assert len(pieces) == 4
    assert all(path.stat().st_size <= 40_000 for path in pieces)
    return tmp_path / "out"


def test_pieces_join_to_the_files_they_were_cut_from(sent: Path, tmp_path: Path) -> None:
    with writing(tmp_path / "home", TRAINING) as folder:
        made = join_results(read_results(sent), folder)
    assert [path.name for path in made] == ["model.onnx", "log.jsonl"]
    for path in made:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


@pytest.mark.parametrize("harm", ["lost", "cut", "changed", "no list"])
def test_a_piece_that_is_not_right_is_named(sent: Path, tmp_path: Path, harm: str) -> None:
    piece = sent / "result-01.bin"
    data = bytearray(piece.read_bytes())
    if harm == "lost":
        piece.unlink()
    elif harm == "cut":
        piece.write_bytes(data[:-1])
    elif harm == "changed":
        data[500] ^= 1
        piece.write_bytes(data)
    else:
        piece = sent / results.LIST
        piece.unlink()
    with pytest.raises(InputError, match=piece.name) as caught:
        read_results(sent)
    assert "\n" not in str(caught.value)


def test_what_finds_no_room_is_left_out_the_dearest_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "TOTAL", 200_000)
    names = dear, large, small = "checkpoint.pt", "model.onnx", "log.jsonl"
    for name in names:
        (tmp_path / name).write_bytes(bytes(150_000 if name == large else 50_000))
    pieces, left_out = pack_results({name: tmp_path / name for name in names}, tmp_path / "out")
    assert left_out == [large]
    assert sum(path.stat().st_size for path in pieces) < 200_000
    assert list(read_results(tmp_path / "out")) == [dear, small]


def test_names_that_no_run_has_are_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "bashrc").write_text("harm", encoding="utf-8")
    pack_results({".bashrc": tmp_path / "bashrc"}, tmp_path / "out")
    with pytest.raises(InputError, match="more than results"):
        read_results(tmp_path / "out")


def test_weights_alone_are_no_start(checkpoint: dict, tmp_path: Path) -> None:
    torch.save({k: v for k, v in checkpoint.items() if k != "resume"}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="weights alone"):
        place_checkpoint(tmp_path / "w.pt", tmp_path / "run")
    torch.save(slim(checkpoint), tmp_path / "slim.pt")
    placed = place_checkpoint(tmp_path / "slim.pt", tmp_path / "run")
    assert placed.name == "checkpoint-0000002.pt"
