# SPDX-License-Identifier: GPL-3.0-or-later
"""The `paper` generator: Zakharov et al. 2019 (arXiv:1905.08233) at 256 x 256, as published.

The target's landmark picture alone goes in; the person comes in through the scale and bias of
every adaptive instance norm, psi = P e. Four residual blocks down with plain instance norm, four
residual and four up with the adaptive one, spectral norm on every convolution and on P. No
self-attention: the authors' own code has none and still has the published size. Pictures are in
[-1, 1].
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

IDENTITY_SIZE = 512
LANDMARK_CHANNELS = 3
EPSILON = 1e-4
DOWN_WIDTHS = (64, 128, 256, 512)
RESIDUAL_BLOCKS = 4
UP_WIDTHS = (512, 256, 128, 64)


class PaperGenerator(nn.Module):
    """landmarks (N, 3, 256, 256), identity (N, 512) -> frame (N, 3, 256, 256)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = PaperTrunk()
        self.project = _normed(nn.Linear(IDENTITY_SIZE, self.trunk.affine_count()))
        with torch.no_grad():
            self.project.bias.copy_(self.trunk.neutral_affine())

    def forward(self, landmarks: Tensor, identity: Tensor) -> Tensor:
        return self.trunk(landmarks, self.project(identity))

    @torch.no_grad()
    def fold(self, identity: Tensor) -> PersonalPaperGenerator:
        """The generator of one person, (512,): psi = P e becomes a parameter of its own."""
        return PersonalPaperGenerator(copy.deepcopy(self.trunk), self.project(identity[None])[0])


class PersonalPaperGenerator(nn.Module):
    """landmarks (N, 3, 256, 256) -> frame; psi (affine_count,) is what fine-tuning starts from."""

    graph_of_its_weights = True  # the exporter takes psi apart, see `export.graphs`

    def __init__(self, trunk: PaperTrunk, psi: Tensor) -> None:
        super().__init__()
        self.trunk = trunk
        self.psi = nn.Parameter(psi.detach().clone())

    def forward(self, landmarks: Tensor) -> Tensor:
        return self.trunk(landmarks, self.psi[None])


class PaperTrunk(nn.Module):
    """All of the generator but P."""

    def __init__(self) -> None:
        super().__init__()
        self.first = FirstBlock(LANDMARK_CHANNELS, DOWN_WIDTHS[0])
        self.down = nn.ModuleList(DownBlock(above, below) for above, below in pairwise(DOWN_WIDTHS))
        deepest = DOWN_WIDTHS[-1]
        widths = (deepest, *UP_WIDTHS)
        self.adaptive = nn.ModuleList(
            [AdaptiveBlock(deepest, deepest, upsample=False) for _ in range(RESIDUAL_BLOCKS)]
            + [AdaptiveBlock(a, b, upsample=True) for a, b in pairwise(widths)]
        )
        self.last_width = UP_WIDTHS[-1]
        self.last = _conv(self.last_width, 3)

    def forward(self, landmarks: Tensor, psi: Tensor) -> Tensor:
        """psi (N or 1, affine_count): (bias, scale) of each adaptive norm, in order."""
        x = self.first(landmarks)
        for block in self.down:
            x = block(x)
        start = 0
        for block in self.adaptive:
            end = start + block.affine_count
            x = block(x, psi[:, start:end])
            start = end
        return torch.tanh(self.last(F.relu(_adaptive_norm(x, psi[:, start:]))))

    def affine_count(self) -> int:
        """How many numbers psi has: 13056."""
        return sum(block.affine_count for block in self.adaptive) + 2 * self.last_width

    def neutral_affine(self) -> Tensor:
        """The psi that makes every adaptive norm a plain one: biases 0, scales 1."""
        widths = [width for block in self.adaptive for width in block.norm_widths]
        pairs = [torch.cat([torch.zeros(w), torch.ones(w)]) for w in (*widths, self.last_width)]
        return torch.cat(pairs)


class FirstBlock(nn.Module):
    """Down by two, without norm or ReLU before the landmark picture itself."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels_in, channels_out)
        self.conv2 = _conv(channels_out, channels_out)
        self.skip = _conv(channels_in, channels_out, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv2(F.relu(self.conv1(x))) + self.skip(x), 2)


class DownBlock(nn.Module):
    """Norm, ReLU, convolution, twice; halved; plus the 1x1 skip."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm1 = nn.InstanceNorm2d(channels_in, eps=EPSILON, affine=True)
        self.conv1 = _conv(channels_in, channels_out)
        self.norm2 = nn.InstanceNorm2d(channels_out, eps=EPSILON, affine=True)
        self.conv2 = _conv(channels_out, channels_out)
        self.skip = _conv(channels_in, channels_out, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return F.avg_pool2d(y + self.skip(x), 2)


class AdaptiveBlock(nn.Module):
    """Adaptive norm, ReLU, (doubled), convolution, then the same again; plus the 1x1 skip."""

    def __init__(self, channels_in: int, channels_out: int, *, upsample: bool) -> None:
        super().__init__()
        self.upsample = upsample
        self.norm_widths = (channels_in, channels_out)
        self.affine_count = 2 * (channels_in + channels_out)
        self.conv1 = _conv(channels_in, channels_out)
        self.conv2 = _conv(channels_out, channels_out)
        change = upsample or channels_in != channels_out
        self.skip = _conv(channels_in, channels_out, kernel=1) if change else nn.Identity()

    def forward(self, x: Tensor, psi: Tensor) -> Tensor:
        """psi (N or 1, affine_count), this block's part."""
        split = 2 * self.norm_widths[0]
        y = F.relu(_adaptive_norm(x, psi[:, :split]))
        if self.upsample:
            y = F.interpolate(y, scale_factor=2.0)
        y = self.conv1(y)
        y = self.conv2(F.relu(_adaptive_norm(y, psi[:, split:])))
        # A 1x1 convolution and nearest doubling commute; this order is a quarter of the work.
        skip = self.skip(x)
        return y + (F.interpolate(skip, scale_factor=2.0) if self.upsample else skip)


def without_spectral_norm(generator: nn.Module) -> nn.Module:
    """A copy whose weights are plain tensors: what is exported."""
    plain = copy.deepcopy(generator).eval()
    _replace_normed(plain)
    return plain


@torch.no_grad()
def _replace_normed(module: nn.Module) -> None:
    # Not parametrize.remove_parametrizations: a deep copy shares its layers' class with the
    # original, and that call would take the weights away from both.
    for name, child in module.named_children():
        if not parametrize.is_parametrized(child, "weight"):
            _replace_normed(child)
            continue
        if isinstance(child, nn.Conv2d):
            layer: nn.Module = nn.Conv2d(
                child.in_channels, child.out_channels, child.kernel_size, padding=child.padding
            )
        else:
            layer = nn.Linear(child.in_features, child.out_features)
        layer.to(child.bias)
        layer.weight.copy_(child.weight)
        layer.bias.copy_(child.bias)
        setattr(module, name, layer)


def _adaptive_norm(x: Tensor, psi: Tensor) -> Tensor:
    """Instance norm of x (N, C, H, W), then psi's (N or 1, 2 C) scale and bias."""
    bias, scale = psi.chunk(2, dim=1)
    return F.instance_norm(x, eps=EPSILON) * scale[:, :, None, None] + bias[:, :, None, None]


def _conv(channels_in: int, channels_out: int, *, kernel: int = 3) -> nn.Conv2d:
    return _normed(nn.Conv2d(channels_in, channels_out, kernel, padding=(kernel - 1) // 2))


def _normed(layer: nn.Module) -> nn.Module:
    return spectral_norm(layer, eps=EPSILON)
