# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped models on a GPU: every node there, in both precisions, and the CPU's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.gpu import (
    CASES,
    CPU,
    CUDA,
    PRECISIONS,
    TOLERANCE,
    open_model,
    prepare_model,
    prove,
    time_model,
)

# A warp inside the network would fall back to the CPU where this kind of node has no kernel.
HEAVY = {"GridSample", "Conv", "ConvTranspose", "Resize", "Gemm", "MatMul"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def needs_cuda(models: Path) -> None:
    try:
        open_model(prepare_model("draft", 256, "fp32", models), CUDA)
    except Exception as error:  # ONNX Runtime raises a dozen kinds
        pytest.skip(f"no CUDA session: {str(error).splitlines()[0][:100]}")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_cpu_s_proof_names_every_node(models: Path, precision: str) -> None:
    """What the GPU is asked below is asked of the CPU first, so that the question is right."""
    path, plain = (prepare_model("draft", 256, p, models) for p in (precision, "fp32"))
    proof = prove(path, plain, CPU, "draft", 256, precision)
    assert set(proof.nodes) == {CPU}
    assert set(proof.nodes[CPU]) & HEAVY >= {"Resize", "Gemm"} or precision == "fp16"
    assert sum(proof.nodes[CPU].values()) > 40
    assert max(proof.difference.values()) < TOLERANCE[precision]
    if precision == "fp32":
        assert max(proof.difference.values()) < 1e-5


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("tier", "size"), CASES)
def test_every_node_runs_on_the_gpu_and_answers_as_the_cpu(
    models: Path, tier: str, size: int, precision: str
) -> None:
    needs_cuda(models)
    path, plain = (prepare_model(tier, size, p, models) for p in (precision, "fp32"))
    proof = prove(path, plain, CUDA, tier, size, precision)
    assert set(proof.nodes) == {CUDA}
    assert max(proof.difference.values()) < TOLERANCE[precision], proof.difference


@pytest.mark.gpu
def test_bound_and_replayed_calls_are_there_and_no_slower(models: Path) -> None:
    needs_cuda(models)
    path = prepare_model("final", 256, "fp16", models)
    rows = {row.how: row.ms for row in time_model(path, CUDA, "final", 256, "fp16", 1, 50)}
    assert rows.keys() == {"plain", "bound", "graph"}
    assert rows["graph"] <= 1.1 * rows["bound"]
