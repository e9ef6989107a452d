# SPDX-License-Identifier: GPL-3.0-or-later
"""Convolutions that a person's vector scales (StyleGAN2's weight modulation and demodulation).

The person's vector e gives one factor s = 1 + A e per input channel; d keeps each output channel
at unit variance whatever s is. Instead of scaling the weights, which would need a convolution of
its own for each sample of a batch, the features are scaled: once before (s), once after (d):

    y = d * act(conv(w, s * x) + b),    d = gain / sqrt(sum over i, k of (s_i w_oik)^2)

act is ReLU or nothing, so d (> 0) may stand after it: bias and ReLU then fuse with the convolution
at run time. Nothing here depends on the picture's statistics, so for one person the whole is a
plain convolution with weights d w s and bias d b, which `ModulatedConv.fold` returns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-8


class PlainConv(nn.Module):
    """Convolution and optional ReLU, blind to the person; also what a folded layer becomes."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        act: bool = True,
    ) -> None:
        super().__init__()
        self.act = act
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel, stride=stride, padding=(kernel - 1) // 2
        )
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu" if act else "linear")
        nn.init.zeros_(_bias(self.conv))

    def forward(self, x: Tensor, identity: Tensor | None = None) -> Tensor:
        """(N, channels_in, H, W) -> (N, channels_out, H / stride, W / stride)."""
        y = self.conv(x)
        return F.relu(y) if self.act else y


class ModulatedConv(nn.Module):
    """A stride-1 convolution conditioned on the person's vector; see the module's docstring."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        identity_size: int,
        *,
        kernel: int = 3,
        act: bool = True,
        gain: float | None = None,
    ) -> None:
        """`gain` is the output's scale; by default what keeps the variance through the ReLU."""
        super().__init__()
        self.act = act
        self.gain = (math.sqrt(2.0) if act else 1.0) if gain is None else gain
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=(kernel - 1) // 2)
        self.affine = nn.Linear(identity_size, channels_in, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="linear")
        nn.init.zeros_(_bias(self.conv))
        # A unit vector e moves s by about 1 / sqrt(identity_size) at first: conditioning starts
        # gentle, and is there from the first step.
        nn.init.normal_(self.affine.weight, std=1.0 / math.sqrt(identity_size))

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        """(N, channels_in, H, W) and (N, identity_size) -> (N, channels_out, H, W)."""
        s = self.modulation(identity)
        # In the pictures' own type: under autocast these products would fall back to float32.
        y = self.conv(x * s[:, :, None, None].to(x.dtype))
        if self.act:
            y = F.relu(y)
        return y * self.demodulation(s)[:, :, None, None].to(y.dtype)

    def modulation(self, identity: Tensor) -> Tensor:
        """(N, identity_size) -> s, (N, channels_in); ones for a vector of zeros."""
        return 1.0 + self.affine(identity)

    def demodulation(self, s: Tensor) -> Tensor:
        """s (N, channels_in) -> d, (N, channels_out), all positive."""
        power = self.conv.weight.square().sum(dim=(2, 3))
        return self.gain * torch.rsqrt(F.linear(s.square(), power) + EPSILON)

    @torch.no_grad()
    def fold(self, identity: Tensor) -> PlainConv:
        """The equal plain convolution for one person; identity is (identity_size,)."""
        s = self.modulation(identity[None])
        d = self.demodulation(s)[0]
        out, channels_in, kernel, _ = self.conv.weight.shape
        plain = PlainConv(channels_in, out, kernel=kernel, act=self.act)
        plain.to(self.conv.weight)
        plain.conv.weight.copy_(d[:, None, None, None] * self.conv.weight * s[0, :, None, None])
        _bias(plain.conv).copy_(d * _bias(self.conv))
        return plain


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
