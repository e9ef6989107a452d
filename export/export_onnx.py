# SPDX-License-Identifier: GPL-3.0-or-later
"""From torch to one .onnx file that ONNX Runtime answers alike, with its metadata inside.

The file gets its final name only after ONNX Runtime gave torch's answers at batch 1 and 3.
Weights lie in it as float16 with a Cast (half the size); ONNX Runtime folds the Cast when it
loads the file, so that it computes in float32, at the same speed. Biases stay float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn

from export.graphs import Port, graph_of, random_inputs, strip_traces
from inference.errors import InputError, LikenessError
from inference.files import written_whole

WEIGHTS = ("fp16", "fp32")
TOLERANCE = 1e-3
CHECKED_BATCHES = (1, 3)


@dataclass(frozen=True)
class ExportReport:
    """What was written: the file's size in bytes and the largest difference from torch."""

    path: Path
    size: int
    difference: float


def export_onnx(
    network: nn.Module,
    inputs: Sequence[Port],
    outputs: Sequence[str],
    metadata: dict[str, str],
    path: Path,
    *,
    weights: str = "fp16",
    tolerance: float = TOLERANCE,
) -> ExportReport:
    """Write `network` to `path` as one ONNX file, batch dynamic; `network` may be rounded in place.

    weights: "fp16" rounds weights of two and more dimensions to float16, in `network` too.
    Raises InputError when the file cannot be written, LikenessError when ONNX Runtime differs
    from torch by `tolerance` or more; then nothing is left at `path`.
    """
    if path.suffix != ".onnx":
        raise InputError(f"{path}: an exported model's name ends in .onnx")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: there is no such folder; make it first")
    network.eval()
    if weights == "fp16":
        _round_weights(network)
    model = graph_of(network, inputs, outputs)
    if weights == "fp16":
        store_as_half(model.graph)
        strip_traces(model)  # of the casts, so that the file is the same as ever
    for key, value in sorted(metadata.items()):
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    with written_whole(path) as part:
        part.write_bytes(content)
        difference = _difference(network, inputs, part)
        if not difference < tolerance:
            raise LikenessError(
                f"{path}: not written: ONNX Runtime differs from torch by "
                f"{difference:.2g}, allowed is {tolerance:.2g}"
            )
    return ExportReport(path, len(content), difference)


@torch.no_grad()
def _round_weights(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2:
            continue
        half = parameter.half()
        if not torch.isfinite(half).all():
            raise InputError(f"the weight '{name}' is too large for float16; use --weights fp32")
        parameter.copy_(half)


def store_as_half(graph: onnx.GraphProto) -> None:
    """Every float32 weight that float16 holds exactly becomes float16 and a Cast back."""
    casts = []
    for initializer in graph.initializer:
        if initializer.data_type != onnx.TensorProto.FLOAT or len(initializer.dims) < 2:
            continue
        value = numpy_helper.to_array(initializer)
        half = value.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), value):
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(
            onnx.helper.make_node(
                "Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _difference(network: nn.Module, inputs: Sequence[Port], path: Path) -> float:
    """The largest difference over all outputs and batches; infinite when a value is not finite."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for batch in CHECKED_BATCHES:
        values = random_inputs(inputs, batch, seed=batch)
        with torch.inference_mode():
            wanted = network(*values)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        feed = {port.name: value.numpy() for port, value in zip(inputs, values, strict=True)}
        for want, got in zip(wanted, session.run(None, feed), strict=True):
            if want.shape != got.shape:
                return float("inf")
            difference = float(np.abs(want.numpy() - got).max())
            if not np.isfinite(difference):
                return float("inf")
            largest = max(largest, difference)
    return largest
