# SPDX-License-Identifier: GPL-3.0-or-later
"""Which generator is exported how: its network, its inputs and outputs, its metadata."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from export.checkpoint import UNTRAINED, Origin, load_embedder, load_weights, state_hash
from export.data.shards import PreparedData
from export.export_onnx import ExportReport, export_onnx
from export.graphs import Port
from export.half import compute_in_half
from export.model_files import (
    EMBEDDER_KIND,
    check_output,
    embedder_to_write,
    refuse_strange_embedder,
    words_of,
)
from export.networks import paper
from export.networks.embedder import WarpEmbedder
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from export.quantize import Quantized, quantize
from inference.errors import InputError
from inference.files import write_whole
from inference.generator import contract
from inference.generator.identity import embedder_path
from inference.landmarks import TOPOLOGY

KINDS = ("warp", "paper")
PAPER_SIZE = 256


def export_warp(
    path: Path,
    tier: str,
    size: int = 256,
    *,
    checkpoint: Path | None = None,
    seed: int = 0,
    weights: str = "fp16",
) -> ExportReport:
    """Write a tier of the `warp` generator; without a checkpoint, untrained from `seed`.

    The checkpoint may be an exported file too. Its embedder, if it has one, is written beside it.
    Raises InputError when the checkpoint does not fit, or when one of the two files would be
    written over something else.
    """
    beside = _check(path, checkpoint)
    torch.manual_seed(seed)
    network = WarpGenerator(TIER_CONFIGS[tier])
    if checkpoint is None:
        origin = Origin(UNTRAINED, state_hash(network))
    else:
        origin = load_weights(network, checkpoint, f"warp {tier}")
    embedder = load_embedder(checkpoint) if checkpoint else None
    if beside and embedder is None:
        refuse_strange_embedder(beside, origin.sha256)
    metadata = {
        contract.META_KIND: "warp",
        contract.META_TIER: tier,
        contract.META_SIZE: str(size),
        contract.META_TOPOLOGY: TOPOLOGY,
        contract.META_TRAINING: origin.training,
        contract.META_CHECKPOINT: origin.sha256,
    }
    inputs = (
        Port("picture", (len(contract.CHANNELS), size, size)),
        Port("identity", (contract.IDENTITY_SIZE,)),
    )
    report = export_onnx(network, inputs, contract.OUTPUTS, metadata, path, weights=weights)
    if beside and embedder:
        named = {**metadata, contract.META_KIND: EMBEDDER_KIND}
        seen = Port("picture", (contract.EMBEDDER_CHANNELS,) + (contract.EMBEDDER_SIZE,) * 2)
        export_onnx(_OnePicture(embedder), (seen,), ("identity",), named, beside, weights=weights)
    return report


def export_quantized_warp(
    path: Path, tier: str, size: int = 256, *, checkpoint: Path, data: Path
) -> Quantized:
    """Write a trained tier of the `warp` generator with 8-bit convolutions, and its embedder.

    data: a folder that `prepare` wrote. Raises as `export_warp` and `quantize` do.
    """
    beside = _check(path, checkpoint)
    PreparedData(data, "train")  # what is wrong with it is told before the export, not after
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        export_warp(plain, tier, size, checkpoint=checkpoint)
        if beside and not embedder_path(plain).exists():
            refuse_strange_embedder(beside, words_of(plain)[contract.META_CHECKPOINT])
        made = quantize(plain, data, path)
        _copy_embedder(plain, beside)
    return made


def export_half_warp(
    path: Path, tier: str, size: int = 256, *, checkpoint: Path | None = None, seed: int = 0
) -> ExportReport:
    """Write a tier of the `warp` generator that computes in float16, and its embedder.

    Raises as `export_warp` and `compute_in_half` do. The report's difference is from float32.
    """
    beside = _check(path, checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        export_warp(plain, tier, size, checkpoint=checkpoint, seed=seed, weights="fp32")
        if beside and not embedder_path(plain).exists():
            refuse_strange_embedder(beside, words_of(plain)[contract.META_CHECKPOINT])
        difference = compute_in_half(plain, path)
        _copy_embedder(plain, beside)
    return ExportReport(path, path.stat().st_size, difference)


def _check(path: Path, checkpoint: Path | None) -> Path | None:
    """Whether both files of a generator may be written; where its embedder goes, if anywhere."""
    check_output(path, [checkpoint, embedder_path(checkpoint)] if checkpoint else [])
    return embedder_to_write(path, checkpoint)


def _copy_embedder(model: Path, target: Path | None) -> None:
    source = embedder_path(model)
    if target and source.is_file():
        write_whole(target, source.read_bytes())


class _OnePicture(nn.Module):
    """The embedder with its two inputs in one, as the contract has it."""

    def __init__(self, embedder: WarpEmbedder) -> None:
        super().__init__()
        self.embedder = embedder

    def forward(self, picture: Tensor) -> Tensor:
        return self.embedder(picture[:, :3], picture[:, 3:])


def export_paper(
    path: Path,
    *,
    checkpoint: Path | None = None,
    seed: int = 0,
    weights: str = "fp16",
    person: Tensor | None = None,
) -> ExportReport:
    """Write the paper's generator; `person` (512,) folds that vector's AdaIN into constants.

    Inputs: landmarks (N, 3, 256, 256) in [-1, 1] and, unless folded, identity (N, 512).
    Output: frame (N, 3, 256, 256) in [-1, 1]. Raises InputError as `export_warp` does.
    """
    check_output(path, [checkpoint] if checkpoint else [])
    torch.manual_seed(seed)
    network = paper.PaperGenerator()
    if checkpoint is None:
        origin = Origin(UNTRAINED, state_hash(network))
    else:
        origin = load_weights(network, checkpoint, "paper")
    metadata = {
        contract.META_KIND: "paper",
        contract.META_SIZE: str(PAPER_SIZE),
        contract.META_TOPOLOGY: TOPOLOGY,
        contract.META_TRAINING: origin.training,
        contract.META_CHECKPOINT: origin.sha256,
    }
    inputs = [Port("landmarks", (paper.LANDMARK_CHANNELS, PAPER_SIZE, PAPER_SIZE))]
    network.eval()
    exported = paper.without_spectral_norm(network if person is None else network.fold(person))
    if person is None:
        inputs.append(Port("identity", (paper.IDENTITY_SIZE,)))
    return export_onnx(exported, inputs, ("frame",), metadata, path, weights=weights)


def random_person(seed: int = 0) -> Tensor:
    """A person's vector for the paper's generator that stands for nobody, (512,)."""
    return torch.randn(paper.IDENTITY_SIZE, generator=torch.Generator().manual_seed(seed))


def read_person(path: Path) -> Tensor:
    """A person's vector for the paper's generator from a .npy of 512 numbers."""
    try:
        vector = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: is no .npy file that can be read; give a person's vector"
        ) from error
    size = paper.IDENTITY_SIZE
    numbers = isinstance(vector, np.ndarray) and np.issubdtype(vector.dtype, np.floating)
    if not numbers or vector.shape != (size,) or not np.isfinite(vector).all():
        raise InputError(f"{path}: is no person's vector: it must hold {size} finite numbers")
    return torch.from_numpy(vector.astype(np.float32))
