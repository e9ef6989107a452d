# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that answers otherwise than it must is refused when it is loaded: no frame is begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from inference.errors import LikenessError
from inference.generator.model import load_generator
from tests.hostile.conftest import Refused
from tests.hostile.material import Material, altered, generator

pytestmark = pytest.mark.timeout(120)


def with_outside_weights(parsed: Any) -> None:
    weights = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=1)
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "16")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    parsed.graph.initializer.append(weights)
    parsed.graph.node.append(onnx.helper.make_node("Identity", ["w"], ["used"]))
    parsed.graph.output.append(onnx.helper.make_tensor_value_info("used", 1, [4]))


def without_an_output(parsed: Any) -> None:
    del parsed.graph.output[1]


def with_another_name(parsed: Any) -> None:
    parsed.graph.input[0].name = "image"


@pytest.mark.parametrize(
    "changes",
    [
        {"meta_size": "²"}, {"meta_size": "9" * 5000}, {"meta_size": "-256"}, {"meta_size": ""},
        {"meta_kind": "warp-embedder"}, {"meta_topology": "other\x1b[31m"},
        {"flow": np.zeros((1, 2, 1, 1), np.float32)},
        {"colour": np.zeros((1, 1, 256, 256), np.float32)},
        {"alpha": np.zeros((256,), np.float32)},
        {"matte": np.zeros((1, 1, 256, 256), np.float64)},
        {"colour": np.full((1, 3, 256, 256), np.nan, np.float32)},
        {"flow": np.full((1, 2, 64, 64), np.inf, np.float32)},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_model_is_refused_and_nothing_is_left(
    changes: dict[str, Any], material: Material, refused: Refused, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(generator(**changes))
    moved = ("synthesize", "--portrait", material.portrait, "--track", material.track_file)
    assert str(path) in refused(*moved, "--model", path, "--provider", "cpu")


@pytest.mark.parametrize("change", [with_outside_weights, without_an_output, with_another_name])
def test_a_model_with_a_wrong_graph_is_refused(
    change: Callable[[Any], None],
    material: Material,
    refused: Refused,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.onnx"
    path.write_bytes(altered(material.model, change))
    moved = ("synthesize", "--portrait", material.portrait, "--track", material.track_file)
    assert str(path) in refused(*moved, "--model", path, "--provider", "cpu")


def test_a_model_that_fails_on_one_frame_alone_stops_with_one_line(
    material: Material, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(altered(material.model, lambda parsed: None))
    loaded = load_generator(path, "cpu")
    picture = np.zeros((11, 256, 256), np.float32)
    assert loaded.run(picture).colour.shape == (256, 256, 3)
    with pytest.raises(LikenessError, match="the network failed"):
        loaded.run(picture[:5])
