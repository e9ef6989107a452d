# SPDX-License-Identifier: GPL-3.0-or-later
"""Is it a real picture, of this face, of this person? The adversaries of both generators.

`PaperDiscriminator` is the projection discriminator of Zakharov et al. 2019 (arXiv:1905.08233),
`WarpDiscriminator` a light one that judges patches of the whole picture at two scales, and the
mouth and the eyes close up. Both return a `Verdict`: high scores for real, and the features of
every block for feature matching.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from export.networks import paper
from export.networks.embedder import (
    PAPER_WIDTHS,
    ResidualBlock,
    down_blocks,
)
from inference.generator.contract import IDENTITY_SIZE

PATCH_CHANNELS = 9  # RGB, then the contract's six landmark channels
# Channels after each halving. On a CPU, where the discriminator would otherwise cost more than
# the draft generator, "light"; elsewhere "full".
PATCH_WIDTHS = {"light": (16, 32, 64), "full": (32, 64, 96)}
CROP_SIZE = 64
CROPS = ("mouth", "eyes")
SCALES = 2
SLOPE = 0.2
# A blur is what a generator is guilty of first, and it hardly shows in the pixels' values: without
# a channel of their own, the picture's fine details are found thousands of steps later, if ever.
DETAIL_GAIN = 16.0


@dataclass(frozen=True)
class Verdict:
    """What a discriminator says of N pictures, one entry a head.

    scores: (N,) or (N, 1, h, w), above zero for real. features: that head's maps, shallow first.
    """

    scores: tuple[Tensor, ...]
    features: tuple[tuple[Tensor, ...], ...]


class PaperDiscriminator(nn.Module):
    """frame and landmarks, each (N, 3, 256, 256) in [-1, 1], videos (N,) -> Verdict of one head.

    score = V(frame, landmarks) . (w_i + w0) + b, where i numbers the training video.
    """

    def __init__(self, videos: int, widths: tuple[int, ...] = PAPER_WIDTHS) -> None:
        super().__init__()
        self.trunk = PaperJudge(widths)
        self.common = spectral_norm(nn.Linear(widths[-1], 1), eps=paper.EPSILON)  # w0 and b
        # W, a row for each video, without spectral norm: the match term compares it with e.
        self.table = nn.Embedding(videos, widths[-1])
        nn.init.uniform_(self.table.weight, -0.1, 0.1)
        self.met: Tensor
        self.register_buffer("met", torch.zeros(videos, dtype=torch.bool))

    @torch.no_grad()
    def meet(self, videos: Tensor, identity: Tensor) -> None:
        """Begin the rows of videos (N,) that are seen for the first time as their e (N, 512).

        The match term holds e and row together, and at the paper's rates it is e that gives way:
        from a random row it would take away what the generator has learnt to read in e.
        """
        for video, e in zip(videos.tolist(), identity, strict=True):
            if not self.met[video]:
                self.table.weight[video] = e
                self.met[video] = True

    def forward(self, frame: Tensor, landmarks: Tensor, videos: Tensor) -> Verdict:
        pooled, features = self.trunk(frame, landmarks)
        scores = self.common(pooled)[:, 0] + (pooled * self.table(videos)).sum(dim=1)
        return Verdict((scores,), (features,))

    @torch.no_grad()
    def personal(self, identity: Tensor) -> PersonalPaperDiscriminator:
        """For fine-tuning on a new person, e_new (512,): a copy with w' = w0 + e_new."""
        w = self.common.weight[0] + identity
        return PersonalPaperDiscriminator(copy.deepcopy(self.trunk), w, self.common.bias[0])


class PersonalPaperDiscriminator(nn.Module):
    """frame, landmarks -> Verdict: score = V . w' + b, all of it trained."""

    def __init__(self, trunk: PaperJudge, w: Tensor, b: Tensor) -> None:
        super().__init__()
        self.trunk = trunk
        self.w = nn.Parameter(w.detach().clone())
        self.b = nn.Parameter(b.detach().clone())

    def forward(self, frame: Tensor, landmarks: Tensor) -> Verdict:
        pooled, features = self.trunk(frame, landmarks)
        return Verdict((pooled @ self.w + self.b,), (features,))


class PaperJudge(nn.Module):
    """V: six residual blocks down, one at the bottom, ReLU, sum over all places -> (N, 512)."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = down_blocks(6, widths)
        self.blocks.append(ResidualBlock(widths[-1], widths[-1], halve=False))

    def forward(self, frame: Tensor, landmarks: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Returns V and the features after each block."""
        x = torch.cat([frame, landmarks], dim=1)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return F.relu(x).sum(dim=(2, 3)), tuple(features)


class WarpDiscriminator(nn.Module):
    """picture (N, 3, S, S) in [0, 1], landmarks (N, 6, S, S), identity (N, 256) -> Verdict.

    Heads in order: the whole at S, at S / 2, then those of `CROPS` that are given. S is a
    multiple of 16; any part of a picture will do.
    No spectral norm: with it this discriminator never separated the two. Hold it with the R1
    penalty instead.
    """

    def __init__(self, widths: tuple[int, ...] = PATCH_WIDTHS["full"]) -> None:
        super().__init__()
        self.whole = nn.ModuleList(PatchJudge(widths) for _ in range(SCALES))
        self.crops = nn.ModuleDict({name: PatchJudge(widths) for name in CROPS})

    def forward(
        self,
        picture: Tensor,
        landmarks: Tensor,
        identity: Tensor,
        crops: Mapping[str, Tensor] | None = None,
    ) -> Verdict:
        """`crops`: by name (N, P, 9, 64, 64), P close-ups of each picture, RGB and landmarks."""
        x = torch.cat([picture, landmarks], dim=1)
        answers = []
        for scale, judge in enumerate(self.whole):
            answers.append(judge(F.avg_pool2d(x, 2**scale) if scale else x, identity))
        crops = crops or {}
        for name in crops:
            if name not in self.crops:
                raise ValueError(f"there is no discriminator of '{name}', only of {CROPS}")
        for name, judge in self.crops.items():
            if name in crops:
                near = crops[name]
                repeated = identity.repeat_interleave(near.shape[1], dim=0)
                answers.append(judge(near.flatten(0, 1), repeated))
        return Verdict(tuple(score for score, _ in answers), tuple(maps for _, maps in answers))


class PatchJudge(nn.Module):
    """x (N, 9, S, S), identity (N, 256) -> scores (N, 1, S/8, S/8) and the features.

    A tenth channel is made of the picture: its luma less the mean of each pixel's surroundings.
    score = c(h) + h . P e at every place of the last map h; P e is zero for "nobody".
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(above, below, 4, stride=2, padding=1)
            for above, below in pairwise((PATCH_CHANNELS + 1, *widths))
        )
        last = widths[-1]
        self.convs.append(nn.Conv2d(last, last, 3, padding=1))
        self.score = nn.Conv2d(last, 1, 3, padding=1)
        self.project = nn.Linear(IDENTITY_SIZE, last, bias=False)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, a=SLOPE)
            nn.init.zeros_(conv.bias)
        # Both parts of the score start below 1: within the hinge's margin.
        nn.init.normal_(self.score.weight, std=0.5 / math.sqrt(9 * last))
        nn.init.zeros_(self.score.bias)
        nn.init.normal_(self.project.weight, std=0.5 / math.sqrt(last))

    def forward(self, x: Tensor, identity: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        luma = x[:, :3].mean(dim=1, keepdim=True)
        around = F.avg_pool2d(luma, 3, stride=1, padding=1, count_include_pad=False)
        detail = DETAIL_GAIN * (luma - around)
        x = torch.cat([x[:, :3] * 2.0 - 1.0, x[:, 3:], detail], dim=1)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE)
            features.append(x)
        towards = self.project(identity)[:, :, None, None]
        return self.score(x) + (x * towards).sum(dim=1, keepdim=True), tuple(features)
