# SPDX-License-Identifier: GPL-3.0-or-later
"""A network's graph is traced once for its form; any weights of that form are put into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export import graphs
from export.export_onnx import export_onnx
from export.graphs import Port
from inference.caches import FOLDER_VARIABLE

PORTS = [Port("picture", (3, 16, 16))]


class Layer(nn.Module):
    """A convolution, a setting, and a constant that no training changes."""

    def __init__(self, seed: int, *, gain: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv2d(3, 4, 3)
        self.gain = gain
        self.register_buffer("offset", torch.full((4, 1, 1), offset))

    def forward(self, picture: Tensor) -> Tensor:
        return self.conv(picture) * self.gain + self.offset


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The networks that were traced, with an empty cache."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    traced: list[nn.Module] = []
    trace = graphs._trace

    def counted(network: nn.Module, *ports: object) -> object:
        traced.append(network)
        return trace(network, *ports)  # type: ignore[arg-type]

    monkeypatch.setattr(graphs, "_trace", counted)
    return traced


def write(network: nn.Module, path: Path) -> bytes:
    export_onnx(network, PORTS, ["out"], {}, path)  # which also compares it with torch
    return path.read_bytes()


def test_other_weights_of_a_form_need_no_second_trace(
    traces: list[nn.Module], tmp_path: Path
) -> None:
    first = write(Layer(0), tmp_path / "a.onnx")
    second = write(Layer(1), tmp_path / "b.onnx")
    assert len(traces) == 1
    assert first != second
    assert write(Layer(0), tmp_path / "c.onnx") == first


@pytest.mark.parametrize("other", [Layer(0, gain=2.0), Layer(0, offset=1.0), nn.Conv2d(3, 4, 3)])
def test_another_form_is_traced(traces: list[nn.Module], tmp_path: Path, other: nn.Module) -> None:
    write(Layer(0), tmp_path / "a.onnx")
    write(other, tmp_path / "b.onnx")
    assert len(traces) == 2


def test_a_network_whose_graph_is_of_its_weights_is_traced_as_it_is(
    traces: list[nn.Module], tmp_path: Path
) -> None:
    network = Layer(0)
    network.graph_of_its_weights = True
    write(network, tmp_path / "a.onnx")
    write(network, tmp_path / "b.onnx")
    assert traces == [network, network]
    assert not list(tmp_path.rglob("*.graph"))


def test_weights_of_zero_and_equal_ones_are_stored_all_the_same(
    traces: list[nn.Module], tmp_path: Path
) -> None:
    network = Layer(0)
    nn.init.zeros_(network.conv.bias)
    write(network, tmp_path / "a.onnx")
    nn.init.ones_(network.conv.bias)
    write(network, tmp_path / "b.onnx")
    assert len(traces) == 1


def test_a_damaged_or_unwritable_cache_costs_time_and_nothing_else(
    traces: list[nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(Layer(0), tmp_path / "a.onnx")
    [kept] = (tmp_path / "cache").rglob("*.graph")
    content = np.frombuffer(kept.read_bytes(), np.uint8).copy()
    content[len(content) // 2] ^= 1
    kept.write_bytes(content.tobytes())
    assert write(Layer(0), tmp_path / "b.onnx") == first
    assert len(traces) == 2
    write(Layer(0), tmp_path / "c.onnx")
    assert len(traces) == 2  # mended

    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    assert write(Layer(0), tmp_path / "d.onnx") == first
    assert len(traces) == 3
