# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the face model of MediaPipe's newer API out of the files that its older one carries.

    python -m inference.capture.task_file OUT.task          (with mediapipe 0.10.21 installed)

MediaPipe 1.x serves every Python with one wheel but brings no models. Its FaceLandmarker wants a
zip of a detector and a landmark network that answers with all 478 points at once; the network of
0.10.21 answers with the mesh and with finer lips, eyes and irises apart, put together outside.
Here that putting together becomes part of the network: all answers in a row, and one gather that
takes each coordinate from the finest answer that has it.
"""

from __future__ import annotations

import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.capture.without_matplotlib import without_matplotlib
from inference.errors import InputError
from inference.files import written_whole
from inference.landmarks import POINT_COUNT, SKIN_COUNT

_DETECTOR = "modules/face_detection/face_detection_short_range.tflite"
_NETWORK = "modules/face_landmark/face_landmark_with_attention.tflite"
# The network's answers in the order in which they are laid in a row, with their numbers of values.
_ANSWERS = (
    ("output_mesh_identity", 3 * SKIN_COUNT), ("output_lips", 160), ("output_left_eye", 142),
    ("output_right_eye", 142), ("output_left_iris", 10), ("output_right_iris", 10),
)  # fmt: skip
_FLAG = "conv_faceflag"
_OUT = "landmarks_478"

# Which of the 478 points the finer answers hold, in their order (two values a point).
# MediaPipe's own assignment, Apache-2.0.
_LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
    76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408,
    62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407,
)  # fmt: skip
_EYE_33 = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173,
    130, 25, 110, 24, 23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190,
    226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222, 221, 189,
    35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245,
    156, 70, 63, 105, 66, 107, 55, 193,
)  # fmt: skip
_EYE_263 = (
    263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398,
    359, 255, 339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414,
    446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443, 442, 441, 413,
    265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465,
    383, 300, 293, 334, 296, 336, 285, 417,
)  # fmt: skip
_FINER = (_LIPS, _EYE_33, _EYE_263, (468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
_LID_POINTS = 16  # of each eye: an iris lies as deep as their mean


def write_task(path: Path) -> None:
    """Write the .task file. Raises InputError where mediapipe's own files are not there."""
    found = find_spec("mediapipe")
    home = Path(found.origin).parent if found is not None and found.origin else Path()
    if not (home / _NETWORK).is_file():
        raise InputError("mediapipe 0.10.21 is not installed here: its models are what is needed")
    with written_whole(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, data in (
            ("face_detector.tflite", (home / _DETECTOR).read_bytes()),
            ("face_landmarks_detector.tflite", joined_network((home / _NETWORK).read_bytes())),
        ):
            # Stored, with one date: the same bytes from every build.
            archive.writestr(zipfile.ZipInfo(name), data)


def sources() -> NDArray[np.int32]:
    """For each of the 1434 values (x, y, z of 478 points) its place in the row of all answers.

    Two places follow the answers: the depths of the two irises.
    """
    places = np.full((POINT_COUNT, 3), -1, np.int32)
    places[:SKIN_COUNT] = np.arange(3 * SKIN_COUNT).reshape(-1, 3)
    start = _ANSWERS[0][1]
    for points, (_, size) in zip(_FINER, _ANSWERS[1:], strict=True):
        assert size == 2 * len(points)
        places[list(points), :2] = np.arange(start, start + size).reshape(-1, 2)
        start += size
    places[SKIN_COUNT : SKIN_COUNT + 5, 2] = start
    places[SKIN_COUNT + 5 :, 2] = start + 1
    return places.reshape(-1)


def joined_network(data: bytes) -> bytes:
    """The network (a TFLite file) with one answer of 1434 values, and the one of its certainty."""
    with without_matplotlib():
        from mediapipe.tasks.metadata import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = _Graph(schema, model)
    by_name = {graph.graph.tensors[i].name.decode(): i for i in graph.graph.outputs}
    rows = []
    for name, size in _ANSWERS:
        rows.append(graph.reshape(by_name[name], (size,)))
    lids = np.array([_EYE_33[:_LID_POINTS], _EYE_263[:_LID_POINTS]], np.int32)
    depths = graph.mean(graph.gather(rows[0], 3 * lids + 2))
    row = graph.concatenate((*rows, depths))
    graph.graph.outputs = [
        graph.reshape(graph.gather(row, sources()), (1, 1, 1, 3 * POINT_COUNT), _OUT),
        by_name[_FLAG],
    ]
    builder = schema.flatbuffers.Builder(len(data) + (1 << 16))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _Graph:
    """The network's graph, to which operations are added; tensors go by their number."""

    def __init__(self, schema: Any, model: Any) -> None:
        self.schema, self.model, self.graph = schema, model, model.subgraphs[0]

    def reshape(self, tensor: int, shape: tuple[int, ...], name: str = "") -> int:
        options = self.schema.ReshapeOptionsT()
        options.newShape = list(shape)
        inputs = (tensor, self._constant(np.array(shape, np.int32)))
        return self._add("RESHAPE", "ReshapeOptions", options, inputs, shape, name)

    def gather(self, tensor: int, places: NDArray[np.int32]) -> int:
        """Values of a row at the places, in the places' shape."""
        options = self.schema.GatherOptionsT()
        inputs = (tensor, self._constant(places))
        return self._add("GATHER", "GatherOptions", options, inputs, places.shape)

    def mean(self, tensor: int) -> int:
        """Of each line of a table."""
        inputs = (tensor, self._constant(np.array([1], np.int32)))
        shape = (int(self.graph.tensors[tensor].shape[0]),)
        return self._add("MEAN", "ReducerOptions", self.schema.ReducerOptionsT(), inputs, shape)

    def concatenate(self, tensors: tuple[int, ...]) -> int:
        size = sum(int(self.graph.tensors[tensor].shape[0]) for tensor in tensors)
        options = self.schema.ConcatenationOptionsT()
        return self._add("CONCATENATION", "ConcatenationOptions", options, tensors, (size,))

    def _constant(self, values: NDArray[np.int32]) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        kind = self.schema.TensorType.INT32
        return self._tensor(values.shape, kind, len(self.model.buffers) - 1)

    def _tensor(self, shape: tuple[int, ...], kind: int, buffer: int = 0, name: str = "") -> int:
        tensor = self.schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), kind, buffer
        tensor.name = (name or f"joined_{len(self.graph.tensors)}").encode()
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _add(
        self,
        operation: str,
        kind: str,
        options: Any,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        name: str = "",
    ) -> int:
        out = self._tensor(shape, self.schema.TensorType.FLOAT32, 0, name)
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._code(getattr(self.schema.BuiltinOperator, operation))
        operator.inputs, operator.outputs = list(inputs), [out]
        operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
        operator.builtinOptions = options
        self.graph.operators.append(operator)
        return out

    def _code(self, operation: int) -> int:
        for index, code in enumerate(self.model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == operation:
                return index
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.version = operation, 1
        code.deprecatedBuiltinCode = min(operation, 127)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


if __name__ == "__main__":
    write_task(Path(sys.argv[1]))
