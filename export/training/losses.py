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

LUMA = (0.299, 0.587, 0.114)
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
# MS-SSIM's exponents from the finest level on; the first ones are used, scaled to a sum of 1.
MS_SSIM_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
GMSD_C = 170 / 255**2


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


def region_weights(
    face: Tensor,
    mouth: Tensor,
    eyes: Tensor,
    *,
    face_weight: float = 2.0,
    mouth_weight: float = 12.0,
    eyes_weight: float = 8.0,
) -> Tensor:
    """How much a pixel counts, (N, 1, H, W): 1 outside the masks, and the largest within."""
    extra = torch.maximum(
        (face_weight - 1.0) * face,
        torch.maximum((mouth_weight - 1.0) * mouth, (eyes_weight - 1.0) * eyes),
    )
    return 1.0 + extra


def masked_l1(result: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted mean of the absolute difference."""
    return _mean((result - target).abs(), weights)


def charbonnier(
    result: Tensor, target: Tensor, weights: Tensor | None = None, *, epsilon: float = 2e-3
) -> Tensor:
    """Weighted mean of sqrt(difference^2 + epsilon^2) - epsilon: L1 with a smooth bottom."""
    return _mean(torch.sqrt((result - target).square() + epsilon**2) - epsilon, weights)


def gradient_loss(
    result: Tensor, target: Tensor, weights: Tensor | None = None, *, levels: int = 3
) -> Tensor:
    """L1 between the differences of neighbouring pixels, at full size, half, quarter, ..."""
    difference = result - target
    terms = []
    for level in range(levels):
        if level > 0:
            difference = F.avg_pool2d(difference, 2)
            weights = None if weights is None else F.avg_pool2d(weights, 2)
        across = (difference[..., :, 1:] - difference[..., :, :-1]).abs()
        down = (difference[..., 1:, :] - difference[..., :-1, :]).abs()
        terms.append(_mean(across, None if weights is None else weights[..., :, 1:]))
        terms.append(_mean(down, None if weights is None else weights[..., 1:, :]))
    return torch.stack(terms).mean()


def laplacian_pyramid(
    result: Tensor, target: Tensor, weights: Tensor | None = None, *, levels: int = 4
) -> Tensor:
    """L1 between the bands of the two pictures' Laplacian pyramids, every band alike.

    A pyramid is linear: that of the difference is enough. H and W are multiples of
    2^(levels - 1).
    """
    difference = result - target
    terms = []
    for _ in range(levels - 1):
        low = F.avg_pool2d(difference, 2)
        wide = F.interpolate(low, scale_factor=2.0, mode="bilinear", align_corners=False)
        terms.append(_mean((difference - wide).abs(), weights))
        difference = low
        weights = None if weights is None else F.avg_pool2d(weights, 2)
    terms.append(_mean(difference.abs(), weights))
    return torch.stack(terms).mean()


def dssim(result: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """(1 - SSIM) / 2 over Gaussian windows of 11 x 11 that lie wholly in the picture; in [0, 1]."""
    likeness, contrast = _ssim_maps(result, target)
    margin = SSIM_WINDOW // 2
    if weights is not None:
        weights = weights[..., margin:-margin, margin:-margin]
    return 0.5 * _mean(1.0 - likeness * contrast, weights)


def ms_ssim(result: Tensor, target: Tensor, *, levels: int = 3) -> Tensor:
    """1 - MS-SSIM. The smaller side must be at least 11 * 2^(levels - 1) pixels."""
    exponents = MS_SSIM_EXPONENTS[:levels]
    product = torch.ones((), device=result.device)
    for level, exponent in enumerate(exponents):
        if level > 0:
            result, target = F.avg_pool2d(result, 2), F.avg_pool2d(target, 2)
        likeness, contrast = _ssim_maps(result, target)
        if level == levels - 1:
            contrast = contrast * likeness
        # A negative mean has no power; its gradient would be lost where it is needed most.
        mean = contrast.mean(dim=(1, 2, 3))
        mean = torch.where(mean > 0.05, mean, 0.05 * torch.exp(mean.clamp_max(0.05) / 0.05 - 1.0))
        product = product * mean ** (exponent / sum(exponents))
    return (1.0 - product).mean()


def gmsd(result: Tensor, target: Tensor) -> Tensor:
    """Gradient magnitude similarity deviation (Xue et al. 2013) on luma at half size."""
    slopes = [_prewitt(F.avg_pool2d(_luma(picture), 2)) for picture in (result, target)]
    a, b = (torch.sqrt(s.square().sum(dim=1) + 1e-8) for s in slopes)
    likeness = (2.0 * a * b + GMSD_C) / (a.square() + b.square() + GMSD_C)
    return torch.sqrt(likeness.flatten(1).var(dim=1, correction=0) + 1e-8).mean()


# The generator's other outputs.


def alpha_sparsity(
    alpha: Tensor, warped: Tensor, target: Tensor, *, tolerance: float = 0.03
) -> Tensor:
    """Mean of 1 - alpha where the warp is right already, to within about `tolerance`.

    alpha: (N, 1, H, W). What is wrong in the warp is left to the other terms.
    """
    error = (warped - target).abs().mean(dim=1, keepdim=True).detach()
    return ((1.0 - alpha) * torch.exp(-error / tolerance)).mean()


def flow_smoothness(flow: Tensor, *, epsilon: float = 0.01) -> Tensor:
    """How much neighbours of the residual flow (N, 2, h, w) differ, in pixels."""
    across = flow[..., :-1, 1:] - flow[..., :-1, :-1]
    down = flow[..., 1:, :-1] - flow[..., :-1, :-1]
    bend = across.square() + down.square()
    return (torch.sqrt(bend.sum(dim=1) + epsilon**2) - epsilon).mean()


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


def _luma(picture: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 1, H, W)."""
    red, green, blue = LUMA
    return red * picture[:, 0:1] + green * picture[:, 1:2] + blue * picture[:, 2:3]


def _prewitt(luma: Tensor) -> Tensor:
    """Slopes to the right and down: (N, 1, H, W) -> (N, 2, H - 2, W - 2)."""
    rows = (luma[..., :-2, :] + luma[..., 1:-1, :] + luma[..., 2:, :]) / 3.0
    columns = (luma[..., :, :-2] + luma[..., :, 1:-1] + luma[..., :, 2:]) / 3.0
    across = rows[..., :, 2:] - rows[..., :, :-2]
    down = columns[..., 2:, :] - columns[..., :-2, :]
    return torch.cat([across, down], dim=1)


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
