# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of training, each a function of pictures, features or scores to one number.

Pictures are (N, 3, H, W) in [0, 1], masks and weights (N, 1, H, W) of at least 0. Weighted means
are taken picture by picture and then over the batch: a batch cut in two parts gives the mean of
the parts' terms, on one machine or on several. To be called outside autocast: SSIM's variances
are nothing in half precision.
How terms are weighed against each other, and watched: `export.training.balance`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Scores = Sequence[Tensor]
Features = Sequence[Sequence[Tensor]]

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


# Adversaries and features.


def hinge_discriminator(real: Scores, fake: Scores) -> Tensor:
    """max(0, 1 - real) + max(0, 1 + fake), the mean over a discriminator's heads."""
    heads = [
        F.relu(1.0 - r.float()).mean() + F.relu(1.0 + f.float()).mean()
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(heads).mean()


def hinge_generator(fake: Scores) -> Tensor:
    """-fake, the mean over the heads."""
    return torch.stack([-f.float().mean() for f in fake]).mean()


def feature_matching(fake: Features, real: Features) -> Tensor:
    """L1 between the features of a head's layers, the mean over layers, then over heads.

    `real` gets no gradient.
    """
    heads = []
    for fake_maps, real_maps in zip(fake, real, strict=True):
        layers = [
            F.l1_loss(f.float(), r.detach().float())
            for f, r in zip(fake_maps, real_maps, strict=True)
        ]
        heads.append(torch.stack(layers).mean())
    return torch.stack(heads).mean()


def match(identity: Tensor, rows: Tensor) -> Tensor:
    """The paper's L_MCH: L1 between e (N, size) and the rows w_i of the discriminator's table."""
    return F.l1_loss(identity, rows)


def r1_penalty(scores: Scores, inputs: Sequence[Tensor]) -> Tensor:
    """Half the squared gradient of the scores at real `inputs`, which must require gradients.

    A head's score is the mean over its map; the heads add up. Multiply with gamma.
    """
    total = torch.stack([s.float().reshape(len(s), -1).mean(dim=1).sum() for s in scores]).sum()
    slopes = torch.autograd.grad(total, list(inputs), create_graph=True)
    count = inputs[0].shape[0]
    return 0.5 * torch.stack([slope.float().square().sum() for slope in slopes]).sum() / count


# Pictures.


def dssim(result: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """(1 - SSIM) / 2 over Gaussian windows of 11 x 11 that lie wholly in the picture; in [0, 1]."""
    likeness, contrast = _ssim_maps(result, target)
    margin = SSIM_WINDOW // 2
    if weights is not None:
        weights = weights[..., margin:-margin, margin:-margin]
    return 0.5 * _mean(1.0 - likeness * contrast, weights)


# The generator's other outputs.


def matte_term(matte: Tensor, wanted: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy of the matte (0, 1) against a wanted one in [0, 1], where that is known."""
    matte = matte.float()
    # Not clamped: what is wrong and sure of it must still hear so.
    entropy = wanted * torch.log(matte + 1e-6) + (1.0 - wanted) * torch.log(1.0 - matte + 1e-6)
    return _mean(-entropy, weights)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Of (N, C, H, W): each picture's weighted mean, then the batch's."""
    if weights is None:
        return values.mean()
    total = (values.mean(dim=1, keepdim=True) * weights).sum(dim=(1, 2, 3))
    return (total / weights.sum(dim=(1, 2, 3)).clamp_min(1e-6)).mean()


def _ssim_maps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's two factors, luminance and contrast-structure: (N, 3, H - 10, W - 10) each."""
    a, b = a.float(), b.float()
    moments = _blur(torch.cat([a, b, a * a + b * b, a * b], dim=1))
    mean_a, mean_b, square, product = moments.chunk(4, dim=1)
    means, squares = mean_a * mean_b, mean_a.square() + mean_b.square()
    luminance = (2.0 * means + SSIM_C1) / (squares + SSIM_C1)
    structure = (2.0 * (product - means) + SSIM_C2) / (square - squares + SSIM_C2)
    return luminance, structure


def _blur(x: Tensor) -> Tensor:
    places = torch.arange(SSIM_WINDOW, dtype=torch.float32, device=x.device) - SSIM_WINDOW // 2
    window = torch.exp(-places.square() / (2.0 * SSIM_SIGMA**2))
    window = window / window.sum()
    channels = x.shape[1]
    across = window.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    down = window.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    return F.conv2d(F.conv2d(x, across, groups=channels), down, groups=channels)
