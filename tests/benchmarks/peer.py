# SPDX-License-Identifier: GPL-3.0-or-later
"""What a generator of 2024 costs on this machine: `python -m tests.benchmarks.peer`.

LivePortrait's networks have 129 M parameters and do 623 G multiplications a frame of 512 pixels.
This is their cost and nothing else: plain convolutions with random weights, most of them with 512
channels at 64 pixels and with 64 channels at 512, as its decoder has them. It is timed in turns
with our own networks, in a process of its own, for its weights alone take half a gigabyte.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from inference.generator.contract import TIERS
from inference.generator.model import load_generator

NAME = "network of LivePortrait's cost"
# Channels, side of the picture, and how many convolutions of 3 x 3.
STAGES = ((512, 16, 8), (512, 64, 46), (64, 512, 18))
ROUNDS = 2


def cost() -> tuple[int, int]:
    """Parameters, and multiplications a frame."""
    counts = [(9 * wide * wide * count, side) for wide, side, count in STAGES]
    return sum(many for many, _ in counts), sum(many * side * side for many, side in counts)


def build() -> bytes:
    """The network as an ONNX file."""
    rng = np.random.default_rng(0)
    nodes, weights, inputs = [], [], []
    for stage, (wide, side, count) in enumerate(STAGES):
        name = f"picture{stage}"
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, wide, side, side]))
        for index in range(count):
            kernel, after = f"w{stage}_{index}", f"x{stage}_{index}"
            values = rng.standard_normal((wide, wide, 3, 3), np.float32)
            values *= np.float32(1 / np.sqrt(4.5 * wide))
            weights.append(numpy_helper.from_array(values, kernel))
            nodes.append(helper.make_node("Conv", [name, kernel], [after], pads=[1, 1, 1, 1]))
            name = f"{after}_lit"
            nodes.append(helper.make_node("Relu", [after], [name]))
        nodes.append(helper.make_node("Identity", [name], [f"seen{stage}"]))
    outputs = [
        helper.make_tensor_value_info(f"seen{i}", TensorProto.FLOAT, None)
        for i in range(len(STAGES))
    ]
    graph = helper.make_graph(nodes, "peer", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def timed() -> Iterator[tuple[str, float]]:
    """Each network's seconds a frame, all cores on one frame: the median of ROUNDS, in turns."""
    threads = os.cpu_count() or 2
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = {tier: load_generator(tier, "cpu", threads).session for tier in TIERS}
    sessions[NAME] = onnxruntime.InferenceSession(
        build(), options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(ROUNDS + 1):  # the first one does not count
        for name, session in sessions.items():
            feed = {
                value.name: rng.random(
                    [size if isinstance(size, int) else 1 for size in value.shape], np.float32
                )
                for value in session.get_inputs()
            }
            start = time.perf_counter()
            session.run(None, feed)
            if turn:
                taken[name].append(time.perf_counter() - start)
    for name, seconds in taken.items():
        yield name, float(np.median(seconds))


def main() -> int:
    print(json.dumps(dict(timed())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
