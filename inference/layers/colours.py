# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's own colours and the ground's where both share a pixel.

T. Germer, T. Uelwer, S. Conrad, S. Harmeling, "Fast Multi-Level Foreground Estimation", 2020:
picture = alpha person + (1 - alpha) ground at every pixel, both smooth where alpha changes, solved
from one pixel up to the picture's size, so that colours reach far.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_SMOOTHNESS, _EDGES = 1e-5, 1.0  # weights of the neighbours: always, and per change of alpha
_SMALL, _ROUNDS_SMALL, _ROUNDS = 32, 10, 3  # up to this size; rounds there, and beyond


def separate(picture: Plane, alpha: Plane) -> tuple[Plane, Plane]:
    """The person's colours and the ground's, (H, W, 3) each, in [0, 1].

    picture: (H, W, 3) in [0, 1]; alpha: (H, W). Where alpha is 1 the first is the picture's, where
    it is 0 the second; the other one goes on smoothly from where it is known.
    """
    height, width = alpha.shape
    levels = max(1, int(np.ceil(np.log2(max(height, width)))))
    person = np.broadcast_to(_mean(picture, alpha), (1, 1, 3))
    ground = np.broadcast_to(_mean(picture, 1 - alpha), (1, 1, 3))
    for level in range(levels + 1):
        size = (round(width ** (level / levels)), round(height ** (level / levels)))
        colours = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        share = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        # (6, H, W): both colours at once, plane by plane.
        both = np.concatenate(
            [
                cv2.resize(np.ascontiguousarray(layer), size, interpolation=cv2.INTER_NEAREST)
                .reshape(size[1], size[0], 3)
                .transpose(2, 0, 1)
                for layer in (person, ground)
            ]
        ).astype(np.float32)
        rounds = _ROUNDS_SMALL if max(size) <= _SMALL else _ROUNDS
        both = _relax(both, colours.reshape(size[1], size[0], 3), share, rounds)
        person, ground = both[:3].transpose(1, 2, 0), both[3:].transpose(1, 2, 0)
    return np.ascontiguousarray(person), np.ascontiguousarray(ground)


def settle(picture: Plane, alpha: Plane, person: Plane, ground: Plane) -> Plane:
    """The person's colours, moved so that laid over `ground` they give the picture.

    As far as alpha lets them: by alpha^2 / (alpha^2 + 0.05) of what is missing. All are (..., 3)
    in [0, 1], alpha (...).
    """
    share = alpha[..., None]
    missing = picture - share * person - (1 - share) * ground
    return np.clip(person + share / (share * share + np.float32(0.05)) * missing, 0, 1)


def _mean(picture: Plane, weight: Plane) -> NDArray[np.float32]:
    total = float(weight.sum())
    if total < 1e-3:
        return picture.mean(axis=(0, 1))
    return np.tensordot(weight, picture, 2) / np.float32(total)


def _relax(both: Plane, picture: Plane, alpha: Plane, rounds: int) -> Plane:
    """Jacobi's rounds on the 2 x 2 system of every pixel."""
    other = 1 - alpha
    weights = [_SMOOTHNESS + _EDGES * np.abs(_shifted(alpha, k) - alpha) for k in range(4)]
    total = np.add.reduce(weights)
    own, off, rest = alpha * alpha + total, alpha * other, other * other + total
    scale = 1 / (own * rest - off * off)
    colours = picture.transpose(2, 0, 1)
    for _ in range(rounds):
        near = sum(weight * _shifted(both, k) for k, weight in enumerate(weights))
        first = near[:3] + alpha * colours
        second = near[3:] + other * colours
        both = np.concatenate(
            [scale * (rest * first - off * second), scale * (own * second - off * first)]
        )
        np.clip(both, 0, 1, out=both)
    return both


def _shifted(planes: Plane, direction: int) -> Plane:
    """Each pixel's neighbour; at the border the pixel itself. (..., H, W)."""
    axis, back = (-1, -2)[direction % 2], direction < 2
    first = planes[..., :1] if axis == -1 else planes[..., :1, :]
    last = planes[..., -1:] if axis == -1 else planes[..., -1:, :]
    inner = planes[..., :-1] if axis == -1 else planes[..., :-1, :]
    outer = planes[..., 1:] if axis == -1 else planes[..., 1:, :]
    return np.concatenate([first, inner] if back else [outer, last], axis=axis)
