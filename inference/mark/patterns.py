# SPDX-License-Identifier: GPL-3.0-or-later
"""One pattern of the sheet for each sign that is sent, the same for every portrait and payload."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.mark.canonical import sheet
from inference.mark.code import LENGTH, WORDS

Plane = NDArray[np.float32]

COUNT = WORDS * LENGTH
_KEY = b"Likeness mark 1"
# Periods in cells between which the patterns lie: shorter ones are lost to codecs, of longer ones
# there are few.
SHORTEST, LONGEST = 6.0, 26.0


@cache
def patterns() -> Plane:
    """(120, H, W), of mean square 1 over the skin and 0 elsewhere, orthogonal to each other."""
    rows, columns = sheet().shape
    band = _band(rows, columns)
    # Not NumPy's generator, whose numbers may change with its version.
    drawn = hashlib.shake_256(_KEY).digest(COUNT * rows * columns)
    noise = np.frombuffer(drawn, np.uint8).reshape(COUNT, rows, columns)
    flat = np.empty((COUNT, rows * columns), np.float32)
    for row, each in zip(flat, noise, strict=True):  # all at once would take 80 MB
        shaped = np.fft.irfft2(np.fft.rfft2(each - np.float32(127.5)) * band, s=(rows, columns))
        row[:] = (shaped.astype(np.float32) * sheet().skin).ravel()
    # The nearest orthogonal set, which no library's choice of signs can change.
    values, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    straight = (vectors / np.sqrt(values)) @ vectors.T
    even = np.sqrt(float(sheet().skin.sum()))
    return (straight.astype(np.float32) @ flat * np.float32(even)).reshape(COUNT, rows, columns)


def whitened(planes: Plane) -> Plane:
    """Planes (..., H, W) of which broad changes count less: what is no mark has more of those."""
    rows, columns = planes.shape[-2:]
    frequency = _frequency(rows, columns)
    share = frequency * np.clip(frequency * LONGEST, 0, 1) ** 2 * (frequency <= 1.15 / SHORTEST)
    return np.fft.irfft2(np.fft.rfft2(planes) * share, s=(rows, columns)).astype(np.float32)


def _band(rows: int, columns: int) -> Plane:
    frequency = _frequency(rows, columns)
    inside = (frequency >= 1 / LONGEST) & (frequency <= 1 / SHORTEST)
    return np.where(inside, 1 / np.maximum(frequency, 1e-6), 0).astype(np.float32)


def _frequency(rows: int, columns: int) -> Plane:
    """Of a half plane's Fourier terms, in turns a cell."""
    down, across = np.fft.fftfreq(rows), np.fft.rfftfreq(columns)
    return np.hypot(down[:, None], across[None, :]).astype(np.float32)
