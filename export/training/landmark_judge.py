# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the landmarks of a picture lie, answered so that a gradient can follow.

MediaPipe's face mesh of the installed package (Apache-2.0; nothing is downloaded or copied) is read
into torch, frozen, and looks at faces as MediaPipe does. What it saw on its way serves as features
of a network that knows faces, in place of VGGFace.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.networks.tflite import TfliteNetwork
from export.training.perceptual import feature_distance
from inference.capture.task_file import sources
from inference.capture.tflite_file import bundled_model
from inference.errors import InputError
from inference.landmarks import EYES, LIPS_LOWER, LIPS_UPPER, MOUTH_LOWER, MOUTH_UPPER, POINT_COUNT

SIDE = 192  # pixels of the square that the network looks at
_NETWORK = "modules/face_landmark/face_landmark_with_attention.tflite"
# Its answers, in the order in which `sources` counts their values.
_ANSWERS = (
    "output_mesh_identity", "output_lips", "output_left_eye", "output_right_eye",
    "output_left_iris", "output_right_iris",
)  # fmt: skip
# What the first four poolings take: 96, 48, 24 and 12 pixels wide.
_FEATURES = ("p_re_lu_2", "p_re_lu_5", "p_re_lu_8", "p_re_lu_11")
# MediaPipe's search window: the landmarks' box, made a square with this room, level with the eyes.
_ROOM = 1.5
_LEVEL = (33, 263)

_LIPS = tuple(sorted({*LIPS_UPPER, *LIPS_LOWER, *MOUTH_UPPER, *MOUTH_LOWER}))
_EYES = tuple(sorted({point for eye in EYES for part in eye for point in part}))
_REST = tuple(sorted(set(range(POINT_COUNT)) - {*_LIPS, *_EYES}))
# Lips, and lids with irises, are a tenth of the points and nearly all that an expression is.
_REGIONS = ((_LIPS, 0.4), (_EYES, 0.4), (_REST, 0.2))
_SOFT = 0.5  # pixels of SIDE: below it lies what the network itself is unsure of


@dataclass(frozen=True)
class Seen:
    """landmarks: (N, 478, 2) in pixels of SIDE. features: of four levels, (N, C, h, w)."""

    landmarks: Tensor
    features: list[Tensor]


class LandmarkJudge(nn.Module):
    """Looks at the faces of pictures. To be called outside autocast: half a pixel counts."""

    def __init__(self) -> None:
        """Raises InputError where the installed MediaPipe has no face mesh in it."""
        super().__init__()
        self.network = TfliteNetwork(_model_file(), (*_ANSWERS, *_FEATURES))
        places = torch.from_numpy(sources().reshape(POINT_COUNT, 3)[:, :2].astype(np.int64))
        self.register_buffer("places", places.contiguous(), persistent=False)

    def forward(self, picture: Tensor, points: Tensor) -> Seen:
        """picture: (N, 3, H, W) in [0, 1]; points: (N, 478, 2), about where its landmarks lie."""
        window = face_window(points)
        answers = self.network(_looked_at(picture.float(), window))
        row = torch.cat([answers[name].flatten(1) for name in _ANSWERS], dim=1)
        return Seen(row[:, self.places], [answers[name] for name in _FEATURES])


@dataclass(frozen=True)
class Window:
    """Turned squares in a picture: middle (N, 2) and side (N,) in its pixels, axes (N, 2, 2)."""

    middle: Tensor
    side: Tensor
    axes: Tensor

    def placed(self, landmarks: Tensor) -> Tensor:
        """Points in pixels of SIDE as points of the picture."""
        offset = (landmarks / SIDE - 0.5) * self.side[:, None, None]
        return self.middle[:, None] + offset @ self.axes.transpose(1, 2)


def face_window(points: Tensor) -> Window:
    """Where MediaPipe looks for a face that it saw in the frame before: landmarks (N, 478, 2)."""
    points = points.float()
    low, high = points.amin(dim=1), points.amax(dim=1)
    across = points[:, _LEVEL[1]] - points[:, _LEVEL[0]]
    turn = torch.atan2(across[:, 1], across[:, 0])
    cos, sin = torch.cos(turn), torch.sin(turn)
    axes = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    return Window((low + high) / 2, _ROOM * (high - low).amax(dim=1), axes)


def landmark_distance(result: Seen, target: Seen) -> Tensor:
    """How far the landmarks lie apart, in pixels of SIDE: lips and eyes count most."""
    apart = (result.landmarks - target.landmarks.detach()).square().sum(dim=2)
    apart = torch.sqrt(apart + _SOFT**2) - _SOFT
    terms = [share * apart[:, list(region)].mean() for region, share in _REGIONS]
    return torch.stack(terms).sum()


def face_distance(result: Seen, target: Seen) -> Tensor:
    """How unlike the two faces look to the network."""
    return feature_distance(result.features, [maps.detach() for maps in target.features])


def _looked_at(picture: Tensor, window: Window) -> Tensor:
    """The windows' pixels, (N, 3, SIDE, SIDE); beyond the picture its edge is repeated."""
    # As MediaPipe lays its square: a corner of the square is the middle of a pixel, in both.
    at = torch.arange(SIDE, dtype=picture.dtype, device=picture.device)
    pixels = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).reshape(1, -1, 2)
    where = window.placed(pixels.expand(len(picture), -1, -1)).view(-1, SIDE, SIDE, 2) + 0.5
    size = where.new_tensor([picture.shape[3], picture.shape[2]])
    return F.grid_sample(picture, 2 * where / size - 1, padding_mode="border", align_corners=False)


def _model_file() -> Path:
    path = bundled_model(_NETWORK)
    if path is None:
        raise InputError("the installed MediaPipe has no face mesh that could judge landmarks "
                         "(0.10.21 has): install that, or train with --share-landmarks 0 "
                         "--share-face-looks 0")  # fmt: skip
    return path
