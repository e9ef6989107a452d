# SPDX-License-Identifier: GPL-3.0-or-later
"""Real faces for the tests of networks and losses, made of the project's own two samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from inference.generator.inputs import landmark_channels

SAMPLES = Path(__file__).resolve().parents[1] / "inference" / "samples"
_FACE = (slice(20, 236), slice(112, 328))  # rows and columns of the portrait


@dataclass(frozen=True)
class People:
    """pictures (N, 3, S, S) and landmarks (N, 6, S, S) in [0, 1]; who: (N,) int64."""

    pictures: Tensor
    landmarks: Tensor
    who: Tensor


def face(size: int) -> Tensor:
    """The sample portrait's face, (1, 3, size, size) RGB in [0, 1]."""
    return _tensor(_face(size))


def drawn_landmarks(frame: int, size: int) -> Tensor:
    """The contract's six landmark channels of one frame of the sample performance."""
    with np.load(SAMPLES / "weekly_address.track.npz") as track:
        points, width = track["points"][frame, :, :2], float(track["size"][0])
    return torch.from_numpy(landmark_channels(points * np.float32(size / width), size))[None]


def make_people(count: int, frames: int, size: int, seed: int) -> People:
    """`count` people with `frames` pictures each, person by person.

    A person is the sample face in a complexion and shape of its own, the same for every seed; the
    pictures differ in place, size, light and noise, by `seed`.
    """
    rng = np.random.default_rng(seed)
    pictures, landmarks = [], []
    for person in range(count):
        look = _look(person, size)
        for _ in range(frames):
            turn = cv2.getRotationMatrix2D(
                (size / 2, size / 2), rng.uniform(-6, 6), rng.uniform(0.95, 1.1)
            )
            turn[:, 2] += rng.uniform(-0.03, 0.03, 2) * size
            moved = cv2.warpAffine(look, turn, (size, size), borderMode=cv2.BORDER_REFLECT)
            moved = moved * rng.uniform(0.85, 1.1) + rng.normal(0, 2, moved.shape)
            pictures.append(_tensor(np.clip(moved, 0, 255)))
            landmarks.append(drawn_landmarks(int(rng.integers(240)), size))
    who = torch.arange(count).repeat_interleave(frames)
    return People(torch.cat(pictures), torch.cat(landmarks), who)


def _look(person: int, size: int) -> NDArray[np.float32]:
    rng = np.random.default_rng([77, person])
    picture = _face(size) * rng.uniform(0.6, 1.1, 3)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    phase, waves = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0.5, 1.5, 2)
    shift = 0.05 * size * np.sin(2 * np.pi * waves[0] * rows / size + phase[0])
    rise = 0.05 * size * np.sin(2 * np.pi * waves[1] * columns / size + phase[1])
    return cv2.remap(
        picture.astype(np.float32),
        (columns + shift).astype(np.float32),
        (rows + rise).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )


def blurred(picture: Tensor) -> Tensor:
    """The picture (N, 3, S, S) without its finest detail."""
    return F.avg_pool2d(F.pad(picture, (2, 2, 2, 2), mode="replicate"), 5, stride=1)


def moved(picture: Tensor, pixels: float, down: float = 0.0) -> Tensor:
    """The picture moved to the right, and down."""
    array = picture[0].permute(1, 2, 0).numpy()
    shift = np.array([[1, 0, pixels], [0, 1, down]], np.float32)
    size = (array.shape[1], array.shape[0])
    array = cv2.warpAffine(
        array, shift, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()


def _face(size: int) -> NDArray[np.float32]:
    picture = cv2.imread(str(SAMPLES / "eileen_collins.png"))[_FACE][:, :, ::-1]
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)


def _tensor(picture: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None].contiguous() / 255
