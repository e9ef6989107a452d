# SPDX-License-Identifier: GPL-3.0-or-later
"""Mouth and eyes close up: squares cut around them, all of one size, whatever the face's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from export.networks.discriminator import CROP_SIZE
from inference.landmarks import EYES, LIPS_LOWER, LIPS_UPPER

# A square's side in units of the lips' or the eye's width: with chin, lids and brow in it.
_MOUTH_ROOM = 1.5
_EYE_ROOM = 2.0
_SMALLEST = 16.0  # pixels; of a profile's far eye hardly anything is left


def close_ups(picture: Tensor, points: Tensor) -> dict[str, Tensor]:
    """picture: (N, C, H, W); points: (N, 478, 2) in its pixels -> by name of
    `export.networks.discriminator.CROPS`, (N, P, C, 64, 64): one mouth, two eyes.

    Differentiable in the picture. Beyond its border its edge is repeated.
    """
    mouth = [(*LIPS_UPPER, *LIPS_LOWER)]
    eyes = [(*upper, *lower) for upper, lower, _ in EYES]
    return {
        "mouth": _squares(picture, points, mouth, _MOUTH_ROOM),
        "eyes": _squares(picture, points, eyes, _EYE_ROOM),
    }


def _squares(
    picture: Tensor, points: Tensor, contours: Sequence[tuple[int, ...]], room: float
) -> Tensor:
    made = []
    size = torch.tensor([picture.shape[3], picture.shape[2]], device=points.device)
    at = (torch.arange(CROP_SIZE, device=points.device) + 0.5) / CROP_SIZE * 2 - 1
    offsets = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)
    for contour in contours:
        around = points[:, list(contour)].float()
        low, high = around.amin(dim=1), around.amax(dim=1)
        half = 0.5 * room * (high - low).amax(dim=1).clamp_min(_SMALLEST)
        middle = (low + high) / 2
        where = middle[:, None, None] + half[:, None, None, None] * offsets
        made.append(
            F.grid_sample(picture, 2 * where / size - 1, padding_mode="border", align_corners=False)
        )
    return torch.stack(made, dim=1)
