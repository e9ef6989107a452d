# SPDX-License-Identifier: GPL-3.0-or-later
"""The `warp` generator: improves a portrait that the mesh has already warped to the target's pose.

A U-net over the warped portrait and the target's landmark picture (`CHANNELS`); the person's
vector modulates the bottom and the decoder. The mesh warp itself stays outside (see
`inference.generator.contract` for what goes in and out). Colour here is in [0, 1] as in the
contract, not in [-1, 1]: the residual is added to the portrait's own values, exactly.

Untrained, every head's last weights are zero: flow is 0, colour is the warped portrait, alpha is
ALPHA_UNTRAINED, so that the result equals the pure mesh warp and training can only add.
No layer normalizes by the picture's statistics: instance norm would cost 1.3 to 2 times the time
and could never be folded away.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.networks.modulated import ModulatedConv, PlainConv
from inference.generator.contract import ALPHA_UNTRAINED, CHANNELS, IDENTITY_SIZE

MATTE_UNTRAINED = 0.99
BRANCH_GAIN = 0.5


@dataclass(frozen=True)
class WarpConfig:
    """A tier's shape. Level i works at 1 / 2^(i + 1) of the picture's size."""

    tier: str
    widths: tuple[int, ...]  # channels per level, multiples of 16
    encoder_blocks: tuple[int, ...]  # residual blocks per level on the way down
    decoder_blocks: tuple[int, ...]  # modulated residual blocks per level on the way up


TIER_CONFIGS = {
    "draft": WarpConfig("draft", (32, 64, 96, 128), (0, 1, 1, 0), (1, 1, 1, 1)),
    "final": WarpConfig("final", (48, 96, 160, 224), (1, 1, 1, 1), (2, 2, 1, 1)),
}


class WarpGenerator(nn.Module):
    """picture (N, 11, S, S), identity (N, 256) -> flow, colour, alpha, matte.

    S is a multiple of 16.
    """

    def __init__(self, config: WarpConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        # A space-to-depth stem, written as the one strided convolution that it equals (a 3x3 one
        # on the rearranged picture, its outermost taps left out): rearranging the input by itself
        # costs ONNX Runtime 3 ms a frame, a third of the draft tier.
        self.stem = PlainConv(len(CHANNELS), widths[0], kernel=4, stride=2)
        self.down = nn.ModuleList(
            PlainConv(above, below, stride=2) for above, below in pairwise(widths)
        )
        self.encoder = nn.ModuleList(
            nn.ModuleList(PlainBlock(width) for _ in range(count))
            for width, count in zip(widths, config.encoder_blocks, strict=True)
        )
        self.decoder = nn.ModuleList(
            nn.ModuleList(ModulatedBlock(width) for _ in range(count))
            for width, count in zip(widths, config.decoder_blocks, strict=True)
        )
        # up[i] brings level i + 1 to level i's width before its pixels are doubled: a quarter of
        # the work of doubling first.
        self.up = nn.ModuleList(
            ModulatedConv(below, above, IDENTITY_SIZE, act=False, gain=BRANCH_GAIN)
            for above, below in pairwise(widths)
        )
        self.flow_head = PlainConv(widths[1], 2, act=False)
        self.picture_head = PlainConv(widths[0], 4 * 5, act=False)
        self._start_as_pure_warp()

    def forward(self, picture: Tensor, identity: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns flow (N, 2, S/4, S/4), colour (N, 3, S, S), alpha and matte (N, 1, S, S)."""
        x = self.stem(picture)
        skips = []
        for level, blocks in enumerate(self.encoder):
            if level > 0:
                x = self.down[level - 1](x)
            for block in blocks:
                x = block(x)
            skips.append(x)
        flow = None
        for level in reversed(range(len(skips))):
            if level < len(skips) - 1:
                x = skips[level] + F.interpolate(self.up[level](x, identity), scale_factor=2.0)
            for block in self.decoder[level]:
                x = block(x, identity)
            if level == 1:
                flow = self.flow_head(x)
        assert flow is not None
        out = F.pixel_shuffle(self.picture_head(x), 2)
        colour = picture[:, :3] + out[:, :3]
        alpha = torch.sigmoid(out[:, 3:4])
        head = out[:, 4:5]
        if head.dtype != torch.float32:
            head = head.float()  # half precision rounds to 1 early: from there nothing leads back
        return flow, colour, alpha, torch.sigmoid(head)

    def fold(self, identity: Tensor) -> WarpGenerator:
        """A copy for one person, (IDENTITY_SIZE,): plain convolutions, the vector is ignored."""
        folded = copy.deepcopy(self)
        _fold_children(folded, identity)
        return folded

    def _start_as_pure_warp(self) -> None:
        for head in (self.flow_head, self.picture_head):
            nn.init.zeros_(head.conv.weight)
        bias = self.picture_head.conv.bias
        assert bias is not None
        with torch.no_grad():
            # pixel_shuffle reads four neighbouring channels as the four pixels of one output.
            bias[12:16] = _logit(ALPHA_UNTRAINED)
            bias[16:20] = _logit(MATTE_UNTRAINED)


class PlainBlock(nn.Module):
    """x + conv(relu(conv(x))) in the encoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = PlainConv(width, width)
        self.second = PlainConv(width, width, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class ModulatedBlock(nn.Module):
    """x + conv(relu(conv(x))) in the decoder, both convolutions modulated."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ModulatedConv(width, width, IDENTITY_SIZE)
        # Below 1, so that features do not grow from block to block: nothing normalizes the sum.
        self.second = ModulatedConv(width, width, IDENTITY_SIZE, act=False, gain=BRANCH_GAIN)

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        return x + self.second(self.first(x, identity), identity)


def _fold_children(module: nn.Module, identity: Tensor) -> None:
    for name, child in module.named_children():
        if isinstance(child, ModulatedConv):
            setattr(module, name, child.fold(identity))
        else:
            _fold_children(child, identity)


def _logit(share: float) -> float:
    return math.log(share / (1.0 - share))
