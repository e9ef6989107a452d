# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that TFLite files of `export.networks.tflite` are made of, as torch modules.

Three are MediaPipe's own: a square turned with two landmarks around others of them, a feature map
sampled there, and points brought back from there. Feature maps are (N, C, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inference.capture.tflite_file import Operator


class Unreadable(ValueError):
    """An operation is of a form that is not known here."""


class _Convolution(nn.Module):
    """Plain or depthwise. Where the padding is odd, the format has more of it below and right."""

    def __init__(self, operator: Operator, *, depthwise: bool) -> None:
        super().__init__()
        kernel, bias = operator.constants
        # (out, h, w, in), or (1, h, w, channels) -> torch's (out, in, h, w).
        order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        weight = torch.from_numpy(np.ascontiguousarray(kernel.transpose(order)))
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", torch.from_numpy(bias.copy()), persistent=False)
        self.stride = (operator.options.strideH, operator.options.strideW)
        self.groups = len(weight) if depthwise else 1
        self.pad = _padding(operator, weight.shape[2:], self.stride)
        self.even = self.pad[0] == self.pad[1] and self.pad[2] == self.pad[3]

    def forward(self, x: Tensor) -> Tensor:
        if self.even:
            around = (self.pad[2], self.pad[0])
            return F.conv2d(x, self.weight, self.bias, self.stride, around, groups=self.groups)
        return F.conv2d(F.pad(x, self.pad), self.weight, self.bias, self.stride, groups=self.groups)


class _Rectifier(nn.Module):
    """Leaky, with a slope of each channel's own."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        slope = torch.from_numpy(operator.constants[0].reshape(-1).copy())
        self.register_buffer("slope", slope, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x, self.slope)


class _MaxPool(nn.Module):
    def __init__(self, operator: Operator) -> None:
        super().__init__()
        options = operator.options
        self.size = (options.filterHeight, options.filterWidth)
        self.stride = (options.strideH, options.strideW)
        demand(not any(_padding(operator, self.size, self.stride)))

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.size, self.stride)


class _MoreChannels(nn.Module):
    """Zeros after a feature map's own channels."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        before, after = operator.constants[0][:, 0], operator.constants[0][:, 1]
        demand(not before.any() and not after[:3].any())
        self.count = int(after[3])

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, 0, 0, self.count))


class _Sum(nn.Module):
    def __init__(self, operator: Operator) -> None:
        super().__init__()
        demand(not operator.constants)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class _Scaled(nn.Module):
    """Points or matrices, multiplied by constants."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        demand(len(operator.shape) == 3)
        factor = torch.from_numpy(operator.constants[0].copy())
        self.register_buffer("factor", factor, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class _Reshaped(nn.Module):
    """To or from a feature map of one pixel: its channels and a list are in the same order."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.shape = tuple(int(n) for n in operator.options.newShape)
        mapped = [shape[1:3] for shape in (operator.shape, self.shape) if len(shape) == 4]
        demand(all(place == (1, 1) for place in mapped))
        if len(self.shape) == 4:
            self.shape = (1, self.shape[3], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape[1:])


class _Whole(nn.Module):
    """A slice that leaves nothing out."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        begin, end, step = operator.constants
        demand(not begin.any() and (step == 1).all() and tuple(end) == operator.shape)

    def forward(self, x: Tensor) -> Tensor:
        return x


class _Square(nn.Module):
    """Points (N, P, 3) -> the matrix (N, 4, 4) from a small map's pixels to a place around some.

    The place is the box around the points of a subset, turned so that two of them lie level.
    """

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        found = operator.settings
        self.ends = (found["left_rotation_idx"], found["right_rotation_idx"])
        self.level = float(found["target_rotation_radians"])
        self.size = (found["output_width"], found["output_height"])
        self.room = (float(found["scale_x"]), float(found["scale_y"]))
        among = torch.tensor(found["subset_idxs"]).flatten()
        self.register_buffer("among", among, persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        left, right = (points[:, end] for end in self.ends)
        turn = torch.atan2(right[:, 1] - left[:, 1], right[:, 0] - left[:, 0]) - self.level
        cos, sin = torch.cos(turn), torch.sin(turn)
        axes = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
        level = points[:, self.among, :2] @ axes
        low, high = level.amin(dim=1), level.amax(dim=1)
        middle = (axes @ ((low + high) / 2)[..., None])[..., 0]
        size = points.new_tensor(self.size)
        zoom = (high - low) * points.new_tensor(self.room) / size
        linear = axes * zoom[:, None]
        shift = middle - (linear @ (size / 2))
        matrix = torch.eye(4, dtype=points.dtype, device=points.device).repeat(len(points), 1, 1)
        matrix[:, :2, :2] = linear
        matrix[:, :2, 3] = shift
        return matrix


class _Sampled(nn.Module):
    """A map (N, C, H, W) seen through a matrix (N, 4, 4); what lies beyond its pixels is zero."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        found = operator.settings
        self.size = (found["output_height"], found["output_width"])

    def forward(self, x: Tensor, matrix: Tensor) -> Tensor:
        rows, columns = (torch.arange(n, dtype=x.dtype, device=x.device) + 0.5 for n in self.size)
        at = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).reshape(1, -1, 2)
        index = _brought(at.expand(len(x), -1, -1), matrix).view(-1, *self.size, 2) - 0.5
        last = index.new_tensor([x.shape[3] - 1, x.shape[2] - 1])
        inside = ((index >= 0) & (index <= last)).all(dim=-1)[:, None]
        seen = F.grid_sample(x, 2 * index / last - 1, align_corners=True)
        return torch.where(inside, seen, 0.0)


class _Placed(nn.Module):
    """Points (N, P, 2) brought back through a matrix (N, 4, 4)."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        demand(operator.shape[-1] == 2)

    def forward(self, points: Tensor, matrix: Tensor) -> Tensor:
        return _brought(points, matrix)


def _brought(points: Tensor, matrix: Tensor) -> Tensor:
    return points @ matrix[:, :2, :2].transpose(1, 2) + matrix[:, None, :2, 3]


def _padding(
    operator: Operator, kernel: Sequence[int], stride: Sequence[int]
) -> tuple[int, int, int, int]:
    """Left, right, top, bottom, as torch wants it; "same" is what gives ceil(size / stride)."""
    sides = []
    if operator.options.padding == 0:
        for size, k, step in zip(operator.shape[1:3], kernel, stride, strict=True):
            more = max(0, (math.ceil(size / step) - 1) * step + int(k) - size)
            sides.append((more // 2, more - more // 2))
    else:
        sides = [(0, 0), (0, 0)]
    return (*sides[1], *sides[0])


def demand(met: bool) -> None:
    if not met:
        raise Unreadable


OPERATIONS: dict[str, Callable[[Operator], nn.Module]] = {
    "CONV_2D": lambda operator: _Convolution(operator, depthwise=False),
    "DEPTHWISE_CONV_2D": lambda operator: _Convolution(operator, depthwise=True),
    "PRELU": _Rectifier,
    "MAX_POOL_2D": _MaxPool,
    "PAD": _MoreChannels,
    "ADD": _Sum,
    "MUL": _Scaled,
    "RESHAPE": _Reshaped,
    "STRIDED_SLICE": _Whole,
    "Landmarks2TransformMatrix": _Square,
    "TransformTensorBilinear": _Sampled,
    "TransformLandmarks": _Placed,
}
