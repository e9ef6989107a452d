# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed-form matting: alpha where a trimap leaves it open.

A. Levin, D. Lischinski, Y. Weiss, "A Closed-Form Solution to Natural Image Matting", 2008: within
every 3 x 3 window alpha is an affine function of colour, which leaves one sparse quadratic form.
Only open pixels are unknowns. The system is solved coarse to fine: the answer at half the size is
where conjugate gradients begin, so that few steps are left for the size itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Of Levin's regularization of a window's colours: the noise of 8-bit pictures, and no less.
_EPSILON = 1e-6
_TOLERANCE = 3e-4  # of the residual, against that of an empty matte
_MOST_STEPS = 200  # at each size; the coarse ones have fewer open pixels than that
_SMALLEST = 48  # pixels of the longer side, at which coarse to fine begins
_WINDOWS = 1 << 14  # assembled at once
_OFFSETS = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
_MIDDLE = len(_OFFSETS) // 2


def closed_form(
    picture: Plane,
    known: Plane,
    open_: Mask,
    step: Callable[[], None] = lambda: None,
    trust: Plane | None = None,
) -> Plane:
    """Alpha (H, W) in [0, 1].

    picture: (H, W, 3) in [0, 1]. known: (H, W) in [0, 1], heeded where `open_` (H, W) is false.
    step: called before every step of the solver; what it raises goes through. trust: (H, W), how
    much `known` is heeded where `open_` is true, against the picture's colours; None: not at all.
    """
    first = _first_guess(picture, known, open_, step, trust)
    if not open_.any():
        return known.astype(np.float32)
    system = _System(picture, open_)
    if trust is not None:
        system.add(trust, known)
    alpha = np.where(open_, 0, known).astype(np.float32)
    alpha[open_] = system.solve(alpha, first[open_], step)
    return np.clip(alpha, 0, 1)


def _first_guess(
    picture: Plane, known: Plane, open_: Mask, step: Callable[[], None], trust: Plane | None
) -> Plane:
    height, width = open_.shape
    if max(height, width) <= 2 * _SMALLEST or min(height, width) < 12:
        return np.full(open_.shape, 0.5, np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)

    def shrink(plane: NDArray) -> Plane:
        return cv2.resize(plane.astype(np.float32), half, interpolation=cv2.INTER_AREA)

    less = None if trust is None else shrink(trust)
    coarse = closed_form(shrink(picture), shrink(known), shrink(open_) > 0, step, less)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


class _System:
    """The matting Laplacian's rows of the open pixels, as 25 diagonals of a 5 x 5 neighbourhood."""

    def __init__(self, picture: Plane, open_: Mask) -> None:
        # A border of two pixels: no neighbour lies beyond the array.
        self._shape = (open_.shape[0] + 4, open_.shape[1] + 4)
        padded = np.zeros(self._shape, bool)
        padded[2:-2, 2:-2] = open_
        self._at = np.flatnonzero(padded)
        count = self._at.size
        number = np.full(padded.size, count)  # known pixels share the last place, which stays 0
        number[self._at] = np.arange(count)
        shifts = [dy * self._shape[1] + dx for dy, dx in _OFFSETS]
        self._rows = self._assemble(picture, open_, number, shifts, count)
        self._neighbours = [number[self._at + shift] for shift in shifts]
        self._shifts = shifts
        self._buffer = np.empty(count, np.float32)
        self._open = open_
        self._pull = np.zeros(count, np.float32)

    def add(self, trust: Plane, wanted: Plane) -> None:
        """Pull each open pixel to what is wanted of it; both (H, W)."""
        weight = trust[self._open].astype(np.float32)
        self._rows[_MIDDLE] += weight
        self._pull += weight * wanted[self._open]

    def _assemble(
        self, picture: Plane, open_: Mask, number: NDArray, shifts: list[int], count: int
    ) -> NDArray[np.float32]:
        rows = np.zeros((len(shifts), count + 1), np.float32)
        # In double precision: in single, flat windows leave a matrix that is not definite.
        colours = np.zeros((3, *self._shape), np.float64)
        colours[:, 2:-2, 2:-2] = picture.transpose(2, 0, 1)
        colours = colours.reshape(3, -1)
        around = [dy * self._shape[1] + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        for centres in self._windows(open_):
            pixels = np.add.outer(around, centres)
            window = colours[:, pixels]  # (3, 9, K)
            window -= window.mean(axis=1, keepdims=True)
            inverse = _inverse_covariance(window)
            affine = [(inverse * window[:, i]).sum(axis=1) for i in range(9)]  # (3, K) each
            own = number[pixels]
            for i, row in enumerate(around):
                for j, column in enumerate(around[: i + 1]):
                    share = ((affine[i] * window[:, j]).sum(axis=0) + 1) / -9
                    # Within one pair of places every pixel comes once, so that += adds all.
                    rows[shifts.index(column - row), own[i]] += share
                    if i != j:
                        rows[shifts.index(row - column), own[j]] += share
                rows[_MIDDLE, own[i]] += 1
        return np.ascontiguousarray(rows[:, :-1])

    def _windows(self, open_: Mask) -> Iterator[NDArray[np.intp]]:
        """Centres of the windows within the picture that hold an open pixel, some at a time."""
        inside = np.zeros(self._shape, bool)
        inside[3:-3, 3:-3] = cv2.dilate(open_.astype(np.uint8), np.ones((3, 3)))[1:-1, 1:-1] > 0
        centres = np.flatnonzero(inside)
        for first in range(0, centres.size, _WINDOWS):
            yield centres[first : first + _WINDOWS]

    def _times(self, vector: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """vector: (N + 1,), its last place 0; out: (N,)."""
        np.multiply(self._rows[_MIDDLE], vector[:-1], out=out)
        for k, (row, neighbour) in enumerate(zip(self._rows, self._neighbours, strict=True)):
            if k != _MIDDLE:
                np.take(vector, neighbour, out=self._buffer, mode="clip")
                np.multiply(self._buffer, row, out=self._buffer)
                np.add(out, self._buffer, out=out)

    def solve(self, known: Plane, first: Plane, step: Callable[[], None]) -> NDArray[np.float32]:
        """Conjugate gradients with Jacobi's preconditioner; known: (H, W), 0 where open."""
        padded = np.zeros(self._shape, np.float32)
        padded[2:-2, 2:-2] = known
        padded = padded.ravel()
        right = self._pull.copy()
        for row, shift in zip(self._rows, self._shifts, strict=True):
            right -= row * padded[self._at + shift]
        inverse = 1 / np.maximum(self._rows[_MIDDLE], 1e-6)
        alpha = first.copy()
        direction = np.zeros(alpha.size + 1, np.float32)
        product = np.empty_like(alpha)
        direction[:-1] = alpha
        self._times(direction, product)
        rest = right - product
        scaled = inverse * rest
        direction[:-1] = scaled
        energy = float(rest @ scaled)
        enough = _TOLERANCE**2 * max(float(right @ (inverse * right)), 1e-12)
        for _ in range(_MOST_STEPS):
            if energy <= enough:
                break
            step()
            self._times(direction, product)
            length = energy / max(float(direction[:-1] @ product), 1e-20)
            alpha += length * direction[:-1]
            rest -= length * product
            scaled = inverse * rest
            before, energy = energy, float(rest @ scaled)
            direction[:-1] *= energy / before
            direction[:-1] += scaled
        return alpha


def _inverse_covariance(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3, K) of colours (3, 9, K) whose mean is 0, regularized."""
    r, g, b = window
    rr, gg, bb = ((c * c).sum(axis=0) / 9 + _EPSILON / 9 for c in (r, g, b))
    rg, rb, gb = ((c * d).sum(axis=0) / 9 for c, d in ((r, g), (r, b), (g, b)))
    a, d, e = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    f, g, h = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    return np.array([[a, d, e], [d, f, g], [e, g, h]]) / (rr * a + rg * d + rb * e)
