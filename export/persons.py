# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's selfie segmentation as an ONNX file: the same weights, the same answers.

MediaPipe 1.x brings no models, and ONNX Runtime is there in any case. The graph is small and of
ten kinds of operations; each becomes ONNX's own, in the order of channels that ONNX wants.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.tflite_file import Operator, TfliteFile, bundled_model, read_tflite
from inference.capture.persons import SIDE
from inference.errors import InputError
from inference.files import check_writable, written_whole

SOURCE = "modules/selfie_segmentation/selfie_segmentation.tflite"
_OPSET = 17
_PLAIN = {
    "RELU": "Relu",
    "HARD_SWISH": "HardSwish",
    "LOGISTIC": "Sigmoid",
    "ADD": "Add",
    "MUL": "Mul",
}
_SAME = 0  # TFLite's padding: as many pixels out as the stride allows


def add_commands(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "persons", help="take the model that finds persons from MediaPipe 0.10.21"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="person.onnx")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    check_writable(options.out)
    write_persons(options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")


def write_persons(path: Path) -> None:
    """Write the ONNX file. Raises InputError where MediaPipe's own file is not there."""
    source = bundled_model(SOURCE)
    if source is None:
        raise InputError("mediapipe 0.10.21 is not installed here: its model is what is needed")
    model = _Converter(read_tflite(source)).model()
    with written_whole(path) as part:
        part.write_bytes(model.SerializeToString())


class _Converter:
    """Tensors keep their numbers as names: t0, t1 ..."""

    def __init__(self, file: TfliteFile) -> None:
        self.file = file
        self.nodes: list[Any] = []
        self.stored: list[Any] = []

    def model(self) -> Any:
        from onnx import TensorProto, checker, helper

        for operator in self.file.operators:
            self._convert(operator)
        last = self.file.operators[-1].output
        graph = helper.make_graph(
            self.nodes, "selfie_segmentation",
            [helper.make_tensor_value_info(_name(self.file.input), TensorProto.FLOAT,
                                           (1, 3, SIDE, SIDE))],
            [helper.make_tensor_value_info(_name(last), TensorProto.FLOAT, (1, 1, SIDE, SIDE))],
            self.stored,
        )  # fmt: skip
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        made.ir_version = 8
        checker.check_model(made, full_check=True)
        return made

    def _convert(self, operator: Operator) -> None:
        kind, options = operator.kind, operator.options
        names = [_name(tensor) for tensor in operator.inputs]
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel, bias = operator.constants
            groups, axes = (1, (0, 3, 1, 2))
            if kind == "DEPTHWISE_CONV_2D":
                groups, axes = kernel.shape[3], (3, 0, 1, 2)
            strides = [options.strideH, options.strideW]
            pads = _pads(operator.shape[1:3], kernel.shape[1:3], strides, options.padding)
            names += [self._store(kernel.transpose(axes)), self._store(bias)]
            self._add("Conv", names, operator, strides=strides, group=groups, pads=pads)
        elif kind == "Convolution2DTransposeBias":
            kernel, bias = operator.constants
            names += [self._store(kernel.transpose(3, 0, 1, 2)), self._store(bias)]
            self._add("ConvTranspose", names, operator, strides=list(kernel.shape[1:3]))
        elif kind == "AVERAGE_POOL_2D":
            _demand(options.filterHeight == operator.shape[1], kind)
            self._add("GlobalAveragePool", names, operator)
        elif kind == "RESIZE_BILINEAR":
            _demand(options.halfPixelCenters and not options.alignCorners, kind)
            size = np.array([1, operator.shape[3], *operator.constants[0]], np.int64)
            self._add(
                "Resize",
                [*names, "", "", self._store(size)],
                operator,
                mode="linear",
                coordinate_transformation_mode="half_pixel",
            )
        elif kind in _PLAIN:
            _demand(not operator.constants, kind)
            self._add(_PLAIN[kind], names, operator)
        else:
            raise InputError(f"{self.file.path}: has an operation '{kind}' that cannot be read")
        _demand(not getattr(options, "fusedActivationFunction", 0), kind)

    def _add(self, kind: str, names: list[str], operator: Operator, **settings: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, names, [_name(operator.output)], **settings))

    def _store(self, values: NDArray[Any]) -> str:
        """Weights lie in the file as in MediaPipe's, in half precision, and are widened."""
        from onnx import TensorProto, helper, numpy_helper

        name = f"c{len(self.stored)}"
        half = values.astype(np.float16) if values.dtype == np.float32 else values
        is_half = half.dtype == np.float16 and bool((half.astype(np.float32) == values).all())
        kept = np.ascontiguousarray(half if is_half else values)
        self.stored.append(numpy_helper.from_array(kept, f"{name}.half" if is_half else name))
        if is_half:
            self.nodes.append(
                helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
            )
        return name


def _name(tensor: int) -> str:
    return f"t{tensor}"


def _pads(
    size: tuple[int, ...], kernel: tuple[int, ...], strides: list[int], padding: int
) -> list[int]:
    """Top, left, bottom, right, as TFLite lays them: an odd one goes below and to the right."""
    if padding != _SAME:
        return [0, 0, 0, 0]
    total = [
        max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, strides, strict=True)
    ]
    begin = [n // 2 for n in total]
    return begin + [n - b for n, b in zip(total, begin, strict=True)]


def _demand(good: bool, kind: str) -> None:
    if not good:
        raise InputError(f"the model's operation '{kind}' has a form that cannot be read here")
