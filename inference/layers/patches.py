# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill a hole in textured ground with pieces of the ground itself.

C. Barnes, E. Shechtman, A. Finkelstein, D. Goldman, "PatchMatch", 2009, with the completion of
Y. Wexler, E. Shechtman, M. Irani, "Space-Time Completion of Video", 2007: every patch that touches
the hole looks for the most similar patch of the ground, and every pixel becomes the mean of what
the patches over it propose; coarse to fine. All patches take each step together.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.layers.trimap import Mask, distance

Plane = NDArray[np.float32]
Offsets = NDArray[np.int32]

LONGEST = 160  # pixels of the longer side at which patches are matched
_PATCH = 2  # pixels to each side of the middle
_LEVELS = 3  # each twice as large as the one before
_ROUNDS = (6, 4, 3)  # of matching and voting, coarse to fine
_TRUST = 1.6  # a pixel of the hole is worth 1 / this per pixel of depth when patches are compared
_NEARNESS = 0.01  # squared colours; pieces from nearby are preferred by so much
_LEAST_SOURCES = 60  # whole patches of ground, below which there is nothing to copy


def match_patches(
    picture: Plane, unknown: Mask, first: Plane, step: Callable[[], None] = lambda: None
) -> Offsets | None:
    """For each pixel (h, w, 2) how far away what it is to show lies: x, y in pixels.

    picture: (h, w, 3) in [0, 1], at most `LONGEST` long. unknown: (h, w), the hole; outside of it
    offsets are 0. first: (h, w, 3), a smooth guess at what is in it. step: called before every
    round; what it raises goes through. None where too little of the ground is seen.
    """
    rng = np.random.default_rng(0)
    filled = first
    offsets: Offsets | None = None
    for level in range(_LEVELS):
        factor = 2.0 ** (level - _LEVELS + 1)
        size = (max(8, round(unknown.shape[1] * factor)), max(8, round(unknown.shape[0] * factor)))
        share = cv2.resize((~unknown).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        known = cv2.resize(picture * ~unknown[..., None], size, interpolation=cv2.INTER_AREA)
        known /= np.maximum(share, 1e-3)[..., None]
        guess = cv2.resize(filled, size, interpolation=cv2.INTER_AREA)
        hole = share < 0.99
        matcher = _Matcher(hole, rng)
        if matcher.sources.size < _LEAST_SOURCES:
            continue  # small pictures of a little ground have no whole patches
        if offsets is not None:
            offsets = 2 * cv2.resize(offsets, size, interpolation=cv2.INTER_NEAREST)
        current = np.where(hole[..., None], guess, known).astype(np.float32)
        filled, offsets = matcher.complete(current, offsets, _ROUNDS[level], step)
    return offsets


class _Matcher:
    """One size: patches are known by the flat index of their middle, inside a margin."""

    def __init__(self, unknown: Mask, rng: np.random.Generator) -> None:
        self._rng, self._shape = rng, unknown.shape
        self._unknown = unknown
        height, width = unknown.shape
        inside = np.zeros(unknown.shape, bool)
        inside[_PATCH : height - _PATCH, _PATCH : width - _PATCH] = True
        touched = cv2.dilate(unknown.astype(np.uint8), np.ones((2 * _PATCH + 1,) * 2)) > 0
        self._whole = inside & ~touched
        self.sources = np.flatnonzero(self._whole)
        self._targets = np.flatnonzero(touched & inside)
        # Deep in the hole nothing is sure: pixels nearer to the ground have more to say, both on
        # what a patch is like and on what is voted for. Otherwise flat patches win everywhere.
        depth = np.minimum(distance(unknown), 30)
        self._weight = (1.3**-depth).astype(np.float32).ravel()[self._targets]
        trust = _patches((_TRUST**-depth).astype(np.float32)[..., None])[self._targets]
        self._trust = trust / trust.sum(axis=1, keepdims=True)

    def complete(
        self, picture: Plane, offsets: Offsets | None, rounds: int, step: Callable[[], None]
    ) -> tuple[Plane, Offsets]:
        height, width = self._shape
        matches = np.full(self._shape, -1, np.int64)
        start = self._rng.choice(self.sources, self._targets.size)
        if offsets is not None:
            y, x = np.divmod(self._targets, width)
            moved = offsets.reshape(-1, 2)[self._targets]
            near = np.clip(y + moved[:, 1], 0, height - 1) * width + np.clip(
                x + moved[:, 0], 0, width - 1
            )
            start = np.where(self._whole.ravel()[near], near, start)
        for _ in range(rounds):
            step()
            patches = _patches(picture)
            matches.ravel()[self._targets] = start
            start = self._search(patches, matches)
            picture = self._vote(picture, start)
        result = np.zeros((height * width, 2), np.int32)
        ty, tx = np.divmod(self._targets, width)
        sy, sx = np.divmod(start, width)
        result[self._targets] = np.column_stack([sx - tx, sy - ty])
        return picture, _spread(result.reshape(height, width, 2), self._unknown)

    def _search(self, patches: Plane, matches: NDArray[np.int64]) -> NDArray[np.int64]:
        height, width = self._shape
        mine = patches[self._targets]
        flat, whole = matches.ravel(), self._whole.ravel()
        best = flat[self._targets].copy()
        y0, x0 = np.divmod(self._targets, width)
        scale = np.float32(_NEARNESS / max(height, width) ** 2)

        def price_of(which: NDArray | slice, candidate: NDArray[np.int64]) -> NDArray[np.float32]:
            away = mine[which] - patches[candidate]
            away *= away
            trust = self._trust[which]
            by_pixel = away.reshape(len(away), 3, trust.shape[1]).sum(axis=1)
            price = (by_pixel * trust).sum(axis=1)
            y, x = np.divmod(candidate, width)
            return price + scale * ((y - y0[which]) ** 2 + (x - x0[which]) ** 2).astype(np.float32)

        cost = price_of(slice(None), best)

        def consider(candidate: NDArray[np.int64]) -> None:
            usable = (candidate >= 0) & (candidate < whole.size)
            candidate = np.where(usable, candidate, 0)
            usable &= whole[candidate]
            price = np.full(cost.shape, np.inf, np.float32)
            price[usable] = price_of(usable, candidate[usable])
            better = price < cost
            best[better], cost[better] = candidate[better], price[better]

        for reach in (4, 2, 1, 1):
            for shift in (reach, -reach, reach * width, -reach * width):
                flat[self._targets] = best
                neighbour = np.clip(self._targets - shift, 0, flat.size - 1)
                theirs = flat[neighbour]
                consider(np.where(theirs >= 0, theirs + shift, -1))
        radius = max(height, width)
        while radius >= 1:
            y, x = np.divmod(best, width)
            y = y + self._rng.integers(-radius, radius + 1, best.size)
            x = x + self._rng.integers(-radius, radius + 1, best.size)
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            consider(np.where(inside, y * width + x, -1))
            radius //= 2
        return best

    def _vote(self, picture: Plane, matches: NDArray[np.int64]) -> Plane:
        width = self._shape[1]
        colours = picture.reshape(-1, 3)
        total = np.zeros_like(colours)
        count = np.full(len(colours), 1e-9, np.float32)
        for dy in range(-_PATCH, _PATCH + 1):
            for dx in range(-_PATCH, _PATCH + 1):
                shift = dy * width + dx
                total[self._targets + shift] += self._weight[:, None] * colours[matches + shift]
                count[self._targets + shift] += self._weight
        voted = (total / count[:, None]).reshape(picture.shape)
        reached = self._unknown & (count > 1e-6).reshape(self._shape)
        return np.where(reached[..., None], voted, picture)


def _patches(picture: Plane) -> Plane:
    """The pixels around each pixel, (h * w, C * 25)."""
    padded = np.pad(picture, ((_PATCH, _PATCH), (_PATCH, _PATCH), (0, 0)), "edge")
    side = 2 * _PATCH + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (0, 1))  # type: ignore[call-overload]
    return np.ascontiguousarray(windows).reshape(picture.shape[0] * picture.shape[1], -1)


def _spread(offsets: Offsets, unknown: Mask) -> Offsets:
    """Pixels of the hole too near to the picture's edge for a patch take the nearest one's."""
    height, width = unknown.shape
    rows = np.clip(np.arange(height), _PATCH, height - 1 - _PATCH)
    columns = np.clip(np.arange(width), _PATCH, width - 1 - _PATCH)
    spread = offsets[rows[:, None], columns]
    # Never beyond the picture.
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    spread[..., 0] = np.clip(x + spread[..., 0], 0, width - 1) - x
    spread[..., 1] = np.clip(y + spread[..., 1], 0, height - 1) - y
    return np.where(unknown[..., None], spread, 0).astype(np.int32)
