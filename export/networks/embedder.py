# SPDX-License-Identifier: GPL-3.0-or-later
"""Who it is: networks that turn pictures of one person into the vector that conditions a generator.

Two of them. `PaperEmbedder` is E of Zakharov et al. 2019 (arXiv:1905.08233), for the `paper`
generator. `WarpEmbedder` is the `warp` generator's own, some two hundred times cheaper: that
generator sees the person's pixels already and wants only what they do not show.
Both embed frame by frame; `person_vector` makes one person of several frames. Nothing looks
across a batch, so a frame's vector does not depend on what it is batched with.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from export.networks import paper
from inference.generator.contract import IDENTITY_SIZE

PAPER_WIDTHS = (64, 128, 256, 512, 512, 512)

WARP_WIDTHS = (32, 64, 128, 192, 256)
WARP_SIZE = 128
WARP_CHANNELS = 6  # RGB, then line_face, line_eyes and line_mouth of the contract


class PaperEmbedder(nn.Module):
    """frame and landmark picture, each (N, 3, 256, 256) in [-1, 1] -> e (N, 512), not negative."""

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS) -> None:
        """`widths`: channels after each halving; the last is the vector's length."""
        super().__init__()
        self.blocks = down_blocks(6, widths)

    def forward(self, frame: Tensor, landmarks: Tensor) -> Tensor:
        x = torch.cat([frame, landmarks], dim=1)
        for block in self.blocks:
            x = block(x)
        return F.relu(x).sum(dim=(2, 3))


class WarpEmbedder(nn.Module):
    """picture (N, 3, 128, 128) in [0, 1], lines (N, 3, 128, 128) -> e (N, 256), shorter than 1.

    e = v / sqrt(1 + |v|^2), so the generator's modulation starts gentle, and zeros, which are its
    "no vector", are the middle of all people: `calibrate` moves the average face there before
    training. Leave the vector out (give zeros) for some of the samples while training.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, widths: tuple[int, ...] = WARP_WIDTHS) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(above, below, 3, stride=2, padding=1)
            for above, below in pairwise((WARP_CHANNELS, *widths))
        )
        self.project = nn.Linear(widths[-1], IDENTITY_SIZE)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)
        nn.init.normal_(self.project.weight, std=1.0 / math.sqrt(widths[-1] * IDENTITY_SIZE))
        nn.init.zeros_(self.project.bias)
        self.register_buffer("centre", torch.zeros(widths[-1]))
        self.register_buffer("spread", torch.ones(widths[-1]))

    def forward(self, picture: Tensor, lines: Tensor) -> Tensor:
        v = self.project((self._pool(picture, lines) - self.centre) / self.spread)
        return v * torch.rsqrt(1.0 + v.square().sum(dim=1, keepdim=True))

    def features(self, picture: Tensor, lines: Tensor) -> list[Tensor]:
        """The maps after each convolution, from 1/2 to 1/32 of the picture's size."""
        x = torch.cat([picture * 2.0 - 1.0, lines], dim=1)
        maps = []
        for conv in self.convs:
            x = F.relu(conv(x))
            maps.append(x)
        return maps

    @torch.no_grad()
    def calibrate(self, picture: Tensor, lines: Tensor) -> None:
        """Make these people (one frame each, thirty or more) the middle and the measure.

        To be called once, before training: as constants, unlike statistics of the batch, they
        leave a vector the same in every batch and on every machine.
        """
        pooled = self._pool(picture, lines)
        self.centre.copy_(pooled.mean(dim=0))
        # A channel that hardly answers to anybody is not blown up.
        spread = pooled.std(dim=0)
        self.spread.copy_(spread.clamp_min(0.1 * float(spread.mean()) + 1e-6))

    def _pool(self, picture: Tensor, lines: Tensor) -> Tensor:
        return self.features(picture, lines)[-1].mean(dim=(2, 3))


def person_vector(vectors: Tensor, given: Tensor | None = None) -> Tensor:
    """The mean of a person's frames: (N, K, size) -> (N, size).

    given: (N, K) of 0 or 1, which of the K count, where people of a batch have unlike numbers of
    frames. A person without any frame gets zeros.
    """
    if given is None:
        return vectors.mean(dim=1)
    weight = given.to(vectors.dtype)[:, :, None]
    return (vectors * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1.0)


def down_blocks(channels_in: int, widths: tuple[int, ...]) -> nn.ModuleList:
    """Residual blocks with spectral norm that halve the picture once for each of `widths`."""
    first = paper.FirstBlock(channels_in, widths[0])
    return nn.ModuleList(
        [first, *(ResidualBlock(above, below, halve=True) for above, below in pairwise(widths))]
    )


class ResidualBlock(nn.Module):
    """ReLU, convolution, twice; plus the skip; halved where asked. No norm but the spectral."""

    def __init__(self, channels_in: int, channels_out: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.conv1 = _conv(channels_in, channels_out, kernel=3)
        self.conv2 = _conv(channels_out, channels_out, kernel=3)
        change = halve or channels_in != channels_out
        self.skip = _conv(channels_in, channels_out, kernel=1) if change else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(F.relu(x)))) + self.skip(x)
        return F.avg_pool2d(y, 2) if self.halve else y


def _conv(channels_in: int, channels_out: int, *, kernel: int) -> nn.Module:
    conv = nn.Conv2d(channels_in, channels_out, kernel, padding=(kernel - 1) // 2)
    return spectral_norm(conv, eps=paper.EPSILON)
