# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that MediaPipe carries, taken apart: operators, constants and how they hang together.

The format's reader (flatbuffers and its schema) comes with MediaPipe itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.capture.without_matplotlib import without_matplotlib
from inference.errors import InputError

_KINDS = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT32": np.int32}


@dataclass(frozen=True)
class Operator:
    """One operation of the graph; tensors go by their number.

    kind: its name, MediaPipe's own included. inputs: what it is computed from; constants: its
    stored inputs, in their order. shape: of its first input. options: the format's object.
    """

    kind: str
    inputs: tuple[int, ...]
    constants: list[NDArray[Any]]
    output: int
    shape: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class TfliteFile:
    """A float network. input: its one input. operators: in order."""

    path: Path
    input: int
    operators: list[Operator]


def bundled_model(name: str) -> Path | None:
    """The path of a model in the installed MediaPipe, or None where that has no such model."""
    found = find_spec("mediapipe")
    path = Path(found.origin).parent / name if found is not None and found.origin else None
    return path if path is not None and path.is_file() else None


def read_tflite(path: Path) -> TfliteFile:
    """Raises InputError for what is no such file, is damaged, or is no float network."""
    # Imported late: MediaPipe takes half a second.
    with without_matplotlib():
        from mediapipe.tasks.metadata import schema_py_generated as schema

    try:
        data = path.read_bytes()
        if data[4:8] != b"TFL3":
            raise ValueError
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        return _Reader(schema, model, path).read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except InputError:
        raise
    except Exception:  # the format's reader raises whatever a damaged offset leads to
        raise InputError(
            f"{path}: is no TFLite file, or a damaged one; install the package that "
            "it came with again"
        ) from None


class _Reader:
    def __init__(self, schema: Any, model: Any, path: Path) -> None:
        self.model, self.graph, self.path = model, model.subgraphs[0], path
        self.operations = _by_number(schema.BuiltinOperator)
        self.types = _by_number(schema.TensorType)
        # Constants are stored in half precision and widened by operators of the graph.
        self.widened = {
            int(o.outputs[0]): int(o.inputs[0])
            for o in self.graph.operators
            if self.kind(o) == "DEQUANTIZE"
        }

    def read(self) -> TfliteFile:
        operators = [self.operator(o) for o in self.graph.operators if self.kind(o) != "DEQUANTIZE"]
        return TfliteFile(self.path, int(self.graph.inputs[0]), operators)

    def kind(self, operator: Any) -> str:
        code = self.model.operatorCodes[operator.opcodeIndex]
        name = self.operations[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return str(code.customCode.decode()) if name == "CUSTOM" else name

    def operator(self, operator: Any) -> Operator:
        inputs = [int(i) for i in operator.inputs]
        values = [self.constant(i) for i in inputs]
        return Operator(
            kind=self.kind(operator),
            inputs=tuple(i for i, v in zip(inputs, values, strict=True) if v is None),
            constants=[v for v in values if v is not None],
            output=int(operator.outputs[0]),
            shape=tuple(int(n) for n in self.graph.tensors[inputs[0]].shape),
            options=operator.builtinOptions,
        )

    def constant(self, number: int) -> NDArray[Any] | None:
        """A tensor's stored values, or None where it is computed."""
        tensor = self.graph.tensors[self.widened.get(number, number)]
        data = self.model.buffers[tensor.buffer].data
        if data is None:
            return None
        kind = self.types[tensor.type]
        if kind not in _KINDS:
            raise InputError(f"{self.path}: has {kind} values; only float networks can be read")
        values = np.frombuffer(_bytes(data), _KINDS[kind]).reshape(tuple(tensor.shape))
        return values.astype(np.float32) if kind == "FLOAT16" else values


def _by_number(enumeration: Any) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


def _bytes(data: Any) -> bytes:
    return np.asarray(data, np.uint8).tobytes()
