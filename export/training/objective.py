# SPDX-License-Identifier: GPL-3.0-or-later
"""What the `warp` generator is asked for, without a discriminator: the person's own pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from export.training.config import TrainConfig
from export.training.losses import matte_term
from export.training.render import Rendered, View
from inference.generator.contract import ALPHA_UNTRAINED

_EPSILON = 1e-3  # of the Charbonnier penalty: about a quarter of a grey level


def objective(rendered: Rendered, view: View, config: TrainConfig) -> dict[str, Tensor]:
    """The loss's terms, already weighted; their sum is what is minimised.

    pixels: Charbonnier, weighted by region. edges: the same on differences of neighbours at
    three scales, which keeps lids and teeth from going soft. alpha: trust in the warp where
    nothing is gained by leaving it. flow: smoothness of the residual displacement. matte: the
    person against the background where the data tells them apart; elsewhere the face, as a hint.
    """
    weight = region_weight(view, config)
    difference = rendered.result - view.target
    pixels = _weighted(_charbonnier(difference), weight)
    edges = torch.zeros((), device=weight.device)
    for scale in (1, 2, 4):
        small = F.avg_pool2d(difference, scale) if scale > 1 else difference
        near = F.avg_pool2d(weight, scale) if scale > 1 else weight
        for axis in (2, 3):
            steps = _charbonnier(small.diff(dim=axis))
            edges = edges + _weighted(steps, near.narrow(axis, 1, near.shape[axis] - 1))
    # Whatever a segmentation says, the face is the person's.
    matte = config.weight_matte * matte_term(
        rendered.matte, torch.maximum(view.matte, view.face), view.matted
    )
    hint = matte_term(rendered.matte, torch.ones_like(view.face), view.face * (1 - view.matted))
    return {
        "pixels": config.share_pixels * pixels,
        "edges": config.share_edges * edges / 3,
        "alpha": config.alpha_sparsity * F.relu(ALPHA_UNTRAINED - rendered.alpha).mean(),
        "flow": config.flow_smoothness
        * sum(rendered.flow.diff(dim=axis).abs().mean() for axis in (2, 3)),
        "matte": matte + 0.01 * hint,
    }


def region_weight(view: View, config: TrainConfig) -> Tensor:
    """How much each pixel counts, (N, 1, C, C): lips and lids are in it with their surroundings."""
    mouth = F.max_pool2d(view.mouth, 9, 1, 4)
    eyes = F.max_pool2d(view.eyes, 11, 1, 5)
    return view.visible * (
        1 + config.weight_face * view.face + config.weight_mouth * mouth + config.weight_eyes * eyes
    )


def measures(rendered: Rendered, view: View) -> dict[str, float]:
    """Mean absolute errors in grey levels of 255, of the result and of the pure warp."""
    found: dict[str, float] = {}
    for name, mask in (("face", view.face), ("mouth", view.mouth), ("eyes", view.eyes)):
        share = mask * view.visible
        total = share.sum().clamp_min(1e-3) * 3
        for kind, picture in (("", rendered.result), ("_warp", view.picture[:, :3])):
            error = ((picture - view.target).abs() * share).sum() / total
            found[name + kind] = float(error.detach()) * 255
    if bool(view.matted.any()):
        wrong = (rendered.matte - view.matte).abs() * view.matted
        found["matte_error"] = float(wrong.detach().sum() / view.matted.sum())
    found["alpha_mean"] = float(rendered.alpha.detach().mean())
    return found


def _weighted(values: Tensor, weight: Tensor) -> Tensor:
    """Each picture's weighted mean, (N, 3, H, W) and (N, 1, H, W), then the mean over pictures.

    Not one mean over all: the parts of a batch must add up, however processes share it.
    """
    sums = (values * weight).sum(dim=(1, 2, 3))
    return (sums / (3 * weight.sum(dim=(1, 2, 3)).clamp_min(1.0))).mean()


def _charbonnier(x: Tensor) -> Tensor:
    return torch.sqrt(x.square() + _EPSILON**2) - _EPSILON
