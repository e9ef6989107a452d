# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained TFLite file as a frozen torch network: gradients go through it, in any batch size.

Of the operations that MediaPipe's face meshes are made of (`export.networks.tflite_operations`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from export.networks.tflite_operations import OPERATIONS, Unreadable, demand
from inference.capture.tflite_file import Operator, read_tflite
from inference.errors import InputError


class TfliteNetwork(nn.Module):
    """The part of a file's graph that leads from its one input to the tensors named in `wanted`."""

    def __init__(self, path: Path, wanted: Sequence[str]) -> None:
        """Raises InputError when the file is no network of this kind or has no such tensors."""
        super().__init__()
        file = read_tflite(path)
        for name in wanted:
            if name not in file.names:
                raise InputError(f"{path}: has no tensor '{name}'; it is of another version")
        self._wanted = {name: file.names[name] for name in wanted}
        self._input = file.input
        needed = file.leading_to(set(self._wanted.values()))
        self.operations = nn.ModuleList(_operation(operator, path) for operator in needed)
        self._ways = [(operator.inputs, operator.output) for operator in needed]
        self.eval().requires_grad_(False)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """picture: (N, 3, H, W) of the file's own size and range -> the wanted tensors by name.

        Feature maps are (N, C, H, W).
        """
        tensors = {self._input: picture}
        for operation, (inputs, output) in zip(self.operations, self._ways, strict=True):
            tensors[output] = operation(*(tensors[i] for i in inputs))
        return {name: tensors[number] for name, number in self._wanted.items()}


def _operation(operator: Operator, path: Path) -> nn.Module:
    kind, options = operator.kind, operator.options
    if kind not in OPERATIONS:
        raise InputError(f"{path}: has an operation '{kind}' that cannot be read here")
    try:
        demand(not getattr(options, "fusedActivationFunction", 0))
        demand(getattr(options, "dilationWFactor", 1) == 1)
        demand(getattr(options, "depthMultiplier", 1) == 1)
        return OPERATIONS[kind](operator)
    except (Unreadable, KeyError):
        raise InputError(
            f"{path}: has an operation '{kind}' of a form that cannot be read here"
        ) from None
