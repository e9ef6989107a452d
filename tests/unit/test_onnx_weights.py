# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights read back from exported files: the same to the bit, or a clear refusal."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.checkpoint import load_embedder, load_weights, state_hash
from export.generators import export_warp
from export.networks.embedder import WarpEmbedder
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from inference.errors import InputError
from inference.generator import contract
from inference.generator.person import META_PERSON
from inference.sessions import MODELS

SHIPPED = MODELS / "warp-draft.onnx"


def constants(path: Path) -> dict[str, np.ndarray]:
    return {value.name: numpy_helper.to_array(value) for value in onnx.load(path).graph.initializer}


def test_the_shipped_model_and_its_embedder_come_back_to_the_bit(tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    export_warp(again, "draft", checkpoint=SHIPPED)
    beside = contract.EMBEDDER_SUFFIX
    for path, wanted in (
        (again, SHIPPED),
        (tmp_path / f"again{beside}", MODELS / f"warp-draft{beside}"),
    ):
        stored, expected = constants(path), constants(wanted)
        assert stored.keys() == expected.keys()
        for name, value in expected.items():
            assert stored[name].dtype == value.dtype
            assert stored[name].tobytes() == value.tobytes(), name
        said = {p.key: p.value for p in onnx.load(path).metadata_props}
        assert said == {p.key: p.value for p in onnx.load(wanted).metadata_props}


@pytest.mark.parametrize("weights", ["fp16", "fp32"])
def test_biases_of_zero_and_equal_ones_come_back_too(tmp_path: Path, weights: str) -> None:
    """An exporter that saw these values would leave them out, or store one for all."""
    torch.manual_seed(3)
    network, embedder = WarpGenerator(TIER_CONFIGS["draft"]), WarpEmbedder()
    with torch.no_grad():
        for block in (network.encoder[1][0].first, network.encoder[1][0].second):
            block.conv.bias.copy_(torch.arange(64) / 64)
        embedder.centre.copy_(torch.rand(256))
        for parameter in (*network.parameters(), *embedder.parameters()):
            parameter.copy_(parameter.half().float())
    checkpoint, path = tmp_path / "c.pt", tmp_path / "m.onnx"
    content = {"generator": network.state_dict(), "embedder": embedder.state_dict()}
    torch.save({**content, "training": "hardly"}, checkpoint)
    export_warp(path, "draft", checkpoint=checkpoint, weights=weights)
    assert not constants(path)["decoder.0.0.first.conv.bias"].any()

    again = WarpGenerator(TIER_CONFIGS["draft"])
    origin = load_weights(again, path, "warp draft")
    assert (origin.training, origin.sha256) == ("hardly", state_hash(network))
    assert state_hash(again) == state_hash(network)
    found = load_embedder(path)
    assert found is not None
    assert state_hash(found) == state_hash(embedder)


def test_a_generator_without_an_embedder_has_none(untrained: Path) -> None:
    assert load_embedder(untrained) is None


def changed(path: Path, key: str, value: str) -> Path:
    """A copy of the shipped draft, with a word of its metadata changed or added."""
    model = onnx.load(SHIPPED)
    kept = [entry for entry in model.metadata_props if entry.key != key]
    words = {entry.key: entry.value for entry in kept} | {key: value}
    onnx.helper.set_model_props(model, words)
    onnx.save(model, path)
    return path


def of_one_person(folder: Path) -> Path:
    return changed(folder / "person.onnx", META_PERSON, "folded")


def without_words(folder: Path) -> Path:
    return changed(folder / "wordless.onnx", contract.META_TRAINING, "")


def of_the_paper(folder: Path) -> Path:
    path = folder / "paper.onnx"
    shutil.copy(MODELS / f"warp-draft{contract.EMBEDDER_SUFFIX}", path)
    return path


def truncated(folder: Path) -> Path:
    path = folder / "truncated.onnx"
    path.write_bytes(SHIPPED.read_bytes()[:200_000])
    return path


def of_the_other_tier(folder: Path) -> Path:
    return Path(shutil.copy(MODELS / "warp-final.onnx", folder / "final.onnx"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (of_one_person, "one person's generator"),
        (without_words, "what it was trained on"),
        (of_the_paper, "is not the warp generator"),
        (truncated, "truncated"),
        (of_the_other_tier, "does not fit the warp draft generator"),
        (lambda folder: folder / "none.onnx", "no such file"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused_in_one_line(
    tmp_path: Path, make: object, words: str
) -> None:
    assert callable(make)
    path = make(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        load_weights(WarpGenerator(TIER_CONFIGS["draft"]), path, "warp draft")
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_an_embedder_of_another_generator_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path / "m.onnx", contract.META_CHECKPOINT, "0" * 64)
    shutil.copy(
        MODELS / f"warp-draft{contract.EMBEDDER_SUFFIX}", tmp_path / f"m{contract.EMBEDDER_SUFFIX}"
    )
    with pytest.raises(InputError, match="another generator"):
        load_embedder(path)
