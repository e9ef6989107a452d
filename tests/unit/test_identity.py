# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's vector: exported beside its generator, and only ever used with that one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from export.generators import export_warp
from export.networks.embedder import WarpEmbedder
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from inference.demo import PORTRAIT
from inference.errors import InputError
from inference.generator.identity import embedder_input, embedder_path, person_vector
from inference.generator.model import load_generator
from inference.portrait import Portrait, open_portrait


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return open_portrait(PORTRAIT)


def exported(folder: Path, seed: int) -> tuple[Path, WarpEmbedder]:
    """A generator and embedder with random weights, as training would leave them."""
    torch.manual_seed(seed)
    generator, embedder = WarpGenerator(TIER_CONFIGS["draft"]), WarpEmbedder().eval()
    checkpoint = folder / "checkpoint.pt"
    states = {"generator": generator.state_dict(), "embedder": embedder.state_dict()}
    torch.save({**states, "training": "a test"}, checkpoint)
    model = folder / "model.onnx"
    export_warp(model, "draft", checkpoint=checkpoint, weights="fp32")
    return model, embedder


def test_the_vector_is_the_embedder_s_mean_over_the_pictures(
    tmp_path: Path, portrait: Portrait
) -> None:
    model, embedder = exported(tmp_path, 1)
    generator = load_generator(model, "cpu")
    found = person_vector(generator, [embedder_input(portrait)] * 2)
    seen = torch.from_numpy(embedder_input(portrait))[None]
    with torch.no_grad():
        expected = embedder(seen[:, :3], seen[:, 3:])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found).max() > 0


def test_the_embedder_sees_the_crop_upright_with_its_lines(portrait: Portrait) -> None:
    seen = embedder_input(portrait)
    assert seen.shape == (6, 128, 128)
    assert seen.min() >= 0
    assert seen.max() <= 1
    eyes = np.argwhere(seen[4] > 0.5).mean(axis=0)
    mouth = np.argwhere(seen[5] > 0.5).mean(axis=0)
    assert eyes[0] < mouth[0], "eyes above the mouth"


def test_a_generator_without_an_embedder_takes_nobody(portrait: Portrait, tmp_path: Path) -> None:
    model, _ = exported(tmp_path, 2)
    embedder_path(model).unlink()
    assert not person_vector(load_generator(model, "cpu"), [embedder_input(portrait)]).any()


def test_another_generator_s_embedder_is_refused(portrait: Portrait, tmp_path: Path) -> None:
    model, _ = exported(tmp_path, 3)
    other = tmp_path / "other"
    other.mkdir()
    stranger, _ = exported(other, 4)
    shutil.copy(embedder_path(stranger), embedder_path(model))
    with pytest.raises(InputError, match="another generator"):
        person_vector(load_generator(model, "cpu"), [embedder_input(portrait)])
