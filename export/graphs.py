# SPDX-License-Identifier: GPL-3.0-or-later
"""The ONNX graph of a network, traced once for each form and kept; weights are put in by name.

Tracing takes ten seconds and more, and depends on the network's form alone. So that it does, the
network is traced with chance numbers for weights: none are equal, none are zero, and the exporter
leaves out no constant because of its value.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from inference.caches import cache_folder, claim_cache
from inference.errors import LikenessError
from inference.files import write_whole
from inference.outputs import FolderKind

OPSET = 20
KIND = FolderKind("graphs of networks", (r"[0-9a-f]{64}\.graph",))
_DIGEST = 32  # bytes: the hash of the rest, before it
_PLAIN = (bool, int, float, str, tuple, type(None))


@dataclass(frozen=True)
class Port:
    """One input: its name and its shape without the batch."""

    name: str
    shape: tuple[int, ...]


def graph_of(network: nn.Module, inputs: Sequence[Port], outputs: Sequence[str]) -> onnx.ModelProto:
    """The network as a graph with its weights in it, under their parameters' names; batch dynamic.

    It must be in evaluation mode. One that says `graph_of_its_weights` is traced as it is.
    """
    if getattr(network, "graph_of_its_weights", False):
        return _trace(network, inputs, outputs)
    key = _key(network, inputs, outputs)
    form = _load(key)
    if form is None:
        form = _trace(_with_chance_weights(network), inputs, outputs)
        named = _named(form, network)
        if not named:  # the exporter computed with a parameter: a graph of these weights alone
            return _trace(network, inputs, outputs)
        _keep(key, form, named)
    weights = dict(network.named_parameters())
    for constant in _named(form, network):
        value = weights[constant.name].detach().cpu().numpy()
        constant.CopyFrom(numpy_helper.from_array(value, constant.name))
    return form


def random_inputs(inputs: Sequence[Port], batch: int, seed: int) -> list[Tensor]:
    """Values in [0, 1), repeatable."""
    random = torch.Generator().manual_seed(seed)
    return [torch.rand(batch, *port.shape, generator=random) for port in inputs]


def strip_traces(model: onnx.ModelProto) -> None:
    """The exporter notes the source line of every node: paths of the machine, half the file."""
    graph = model.graph
    del graph.value_info[:]
    noted = (graph, *graph.node, *graph.input, *graph.output, *graph.initializer)
    for thing in (model, *noted):
        thing.ClearField("metadata_props")
        thing.doc_string = ""
    assert not model.functions, "the exporter left functions in the model"
    graph.name = "likeness"
    # Without the build's "+cpu" or "+cu130": the same weights give the same file from each.
    model.producer_version = model.producer_version.partition("+")[0]


def _with_chance_weights(network: nn.Module) -> nn.Module:
    stand_in = copy.deepcopy(network)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in stand_in.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=random))
    return stand_in


def _named(form: onnx.ModelProto, network: nn.Module) -> list[onnx.TensorProto]:
    """The graph's constants that are the network's parameters; none unless all are there."""
    names = {name for name, _ in network.named_parameters()}
    found = [constant for constant in form.graph.initializer if constant.name in names]
    return found if len(found) == len(names) else []


def _trace(network: nn.Module, inputs: Sequence[Port], outputs: Sequence[str]) -> onnx.ModelProto:
    batch = torch.export.Dim("batch", min=1)
    with _quiet():
        program = torch.onnx.export(
            network,
            tuple(random_inputs(inputs, batch=2, seed=0)),
            dynamo=True,
            opset_version=OPSET,
            input_names=[port.name for port in inputs],
            output_names=list(outputs),
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto  # every look at it makes another one
    strip_traces(model)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """torch.onnx prints its progress and warns of packages that nobody asked for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _key(network: nn.Module, inputs: Sequence[Port], outputs: Sequence[str]) -> str:
    """The hash of what a form depends on: code, settings, shapes, constants and versions."""
    digest = hashlib.sha256()
    code: set[Path] = set()
    for name, part in network.named_modules():
        settings = {key: value for key, value in vars(part).items() if isinstance(value, _PLAIN)}
        digest.update(f"{name} {type(part).__qualname__} {sorted(settings.items())}\0".encode())
        code.add(Path(inspect.getfile(type(part))))
    for name, value in network.named_parameters():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\0".encode())
    for name, value in network.named_buffers():
        digest.update(f"{name} {tuple(value.shape)}\0".encode() + value.cpu().numpy().tobytes())
    for path in sorted(code):
        digest.update(path.read_bytes())
    versions = (torch.__version__, onnx.__version__, OPSET)
    digest.update(f"{inputs} {outputs} {versions}".encode())
    return digest.hexdigest()


def _load(key: str) -> onnx.ModelProto | None:
    path = cache_folder("graphs") / f"{key}.graph"
    if path.is_symlink() or not path.is_file():
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, form = content[:_DIGEST], content[_DIGEST:]
    whole = digest == hashlib.sha256(form).digest()
    return onnx.ModelProto.FromString(form) if whole else None


def _keep(key: str, form: onnx.ModelProto, named: Sequence[onnx.TensorProto]) -> None:
    """Store the form, without the values of its parameters."""
    for constant in named:
        constant.ClearField("raw_data")
    # No cache is no reason to stop.
    with contextlib.suppress(LikenessError, OSError):
        owned = claim_cache("graphs", KIND)
        content = form.SerializeToString(deterministic=True)
        write_whole(owned.file(f"{key}.graph"), hashlib.sha256(content).digest() + content)
