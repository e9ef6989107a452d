# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights read back from an exported file, exactly as they lie in it.

`export_onnx` leaves the parameters' names on the file's constants, `NAME.half` where they are
stored as float16.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from inference.errors import InputError
from inference.generator import contract
from inference.generator.identity import embedder_path
from inference.generator.person import META_PERSON

State = dict[str, Tensor]

_HALF = ".half"
_PREFIX = "embedder."  # of the embedder's parameters in its own file


def read_generator_weights(path: Path, wanted: Mapping[str, Tensor]) -> tuple[State, str, str]:
    """State dict, words on training and sha256 of an exported `warp` generator.

    wanted: the network's own state, for its names. Whether all of them are there is not looked
    at. Raises InputError when the file is no such generator, or one that cannot be trained.
    """
    model, meta = _load(path)
    if meta.get(contract.META_KIND) != "warp":
        raise InputError(
            f"{path}: is not the warp generator's exported file; give a checkpoint "
            "that training wrote"
        )
    if META_PERSON in meta:
        raise InputError(
            f"{path}: is one person's generator already; give the one that it was made from"
        )
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise InputError(
            f"{path}: its weights are rounded to int8, too coarse to begin from; give "
            "the file that it was made from"
        )
    training, sha256 = (meta.get(key) for key in (contract.META_TRAINING, contract.META_CHECKPOINT))
    if not training or not sha256:
        raise InputError(f"{path}: does not say what it was trained on; export it again")
    return _state(model.graph, wanted, ""), training, sha256


def read_embedder_weights(generator: Path, wanted: Mapping[str, Tensor]) -> State | None:
    """State dict of the embedder beside an exported generator; None when there is none.

    Raises InputError when it was trained beside another generator.
    """
    path = embedder_path(generator)
    if not path.is_file():
        return None
    model, meta = _load(path)
    _, of_generator = _load(generator)
    if meta.get(contract.META_CHECKPOINT) != of_generator.get(contract.META_CHECKPOINT):
        raise InputError(
            f"{path}: this embedder was trained beside another generator than "
            f"{generator}; export both from one checkpoint"
        )
    return _state(model.graph, wanted, _PREFIX)


def _load(path: Path) -> tuple[onnx.ModelProto, dict[str, str]]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own errors, by version
        raise InputError(f"{path}: not an ONNX model, or a truncated one; copy it again") from error
    return model, {entry.key: entry.value for entry in model.metadata_props}


def _state(graph: onnx.GraphProto, wanted: Mapping[str, Tensor], prefix: str) -> State:
    stored = {value.name.removesuffix(_HALF): value for value in graph.initializer}
    state = {name: _tensor(stored[prefix + name]) for name in wanted if prefix + name in stored}
    # Layers that nobody asked for, so that another architecture is seen to be one.
    state |= {
        name.removeprefix(prefix): _tensor(value)
        for name, value in stored.items()
        if name.endswith(".weight") and name.removeprefix(prefix) not in wanted
    }
    return state


def _tensor(stored: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(stored).astype(np.float32))
