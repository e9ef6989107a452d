# SPDX-License-Identifier: GPL-3.0-or-later
"""An exported `warp` generator once more, computing in float16, for GPUs with CUDA.

Inputs and outputs stay float32. So do the person's factors, whose squares float16 cannot hold,
and what is added to the portrait's own colours, so that these stay as they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from export.export_onnx import store_as_half
from export.graphs import strip_traces
from inference.errors import InputError, LikenessError
from inference.files import written_whole
from inference.generator import contract
from inference.sessions import open_session

# Largest difference of any answer from the float32 file's.
TOLERANCE = 5e-3
# The person's factors; then all from the last convolution on.
_FLOAT = ("Gemm", "Pow", "ReduceSum", "Sqrt", "Reciprocal", "DepthToSpace", "Slice", "Sigmoid")


def compute_in_half(model: Path, out: Path) -> float:
    """Write `model`, a `warp` generator exported as fp32, to `out`; returns the difference.

    It is checked on the CPU, which rounds to float16 between operations as a GPU does.
    Raises InputError when `out` cannot be written, LikenessError when an answer differs by
    TOLERANCE or more; then nothing is left at `out`.
    """
    if out.suffix != ".onnx":
        raise InputError(f"{out}: an exported model's name ends in .onnx")
    plain = onnx.load(model)
    words = {entry.key: entry.value for entry in plain.metadata_props}
    last = [node.name for node in plain.graph.node if "colour" in node.output]
    half = convert_float_to_float16(
        plain,
        keep_io_types=True,
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_FLOAT],
        node_block_list=last,
    )
    _keep_float_whole(half.graph)
    _sort(half.graph)
    store_as_half(half.graph)
    strip_traces(half)
    onnx.helper.set_model_props(half, words)
    onnx.checker.check_model(half)
    with written_whole(out) as part:
        part.write_bytes(half.SerializeToString(deterministic=True))
        difference = _difference(model, part, int(words[contract.META_SIZE]))
        if not difference < TOLERANCE:
            raise LikenessError(
                f"{out}: not written: in float16 an answer differs by "
                f"{difference:.2g}; ship it as fp16"
            )
    return difference


def _keep_float_whole(graph: onnx.GraphProto) -> None:
    """What passes from float to float is not rounded on its way.

    The converter rounds whatever a float layer gives, and casts it back where another takes it.
    """
    casts = [node for node in graph.node if node.op_type == "Cast"]
    to_half, to_float = (
        {node.output[0]: node.input[0] for node in casts if node.attribute[0].i == kind}
        for kind in (onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT)
    )
    whole = {name: to_half[half] for name, half in to_float.items() if half in to_half}

    def origin(name: str) -> str:
        while name in whole:
            name = whole[name]
        return name

    outputs = {value.name for value in graph.output}
    nodes = []
    for node in graph.node:
        name = node.output[0]
        if name in whole:
            if name in outputs:
                nodes.append(onnx.helper.make_node("Identity", [origin(name)], [name]))
            continue
        copy = onnx.NodeProto.FromString(node.SerializeToString())
        copy.input[:] = [origin(taken) for taken in node.input]
        nodes.append(copy)
    taken = outputs.union(*(node.input for node in nodes))
    del graph.node[:]
    graph.node.extend(node for node in nodes if taken.intersection(node.output))


def _sort(graph: onnx.GraphProto) -> None:
    """Every node after those that it takes from, and once.

    The converter puts its casts at the end, and repeats those of an input with several takers.
    """
    known = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    waiting = list({node.output[0]: node for node in graph.node}.values())
    ordered: list[onnx.NodeProto] = []
    while waiting:
        ready = [node for node in waiting if known.issuperset(node.input)]
        assert ready, "the converter left a node without its inputs"
        known.update(name for node in ready for name in node.output)
        ordered += ready
        waiting = [node for node in waiting if not known.issuperset(node.output)]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def _difference(before: Path, after: Path, size: int) -> float:
    rng = np.random.default_rng(0)
    vector = rng.standard_normal((1, contract.IDENTITY_SIZE)).astype(np.float32)
    feed = {
        "picture": rng.random((1, len(contract.CHANNELS), size, size), np.float32),
        "identity": vector / np.float32(np.linalg.norm(vector)),
    }
    answers = [open_session(path, "cpu", 1)[0].run(None, feed) for path in (before, after)]
    return max(float(np.abs(a - b).max()) for a, b in zip(*answers, strict=True))
