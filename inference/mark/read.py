# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a mark out of a face's skin over a second or more, laid out frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.mark.canonical import sheet
from inference.mark.code import LENGTH, WORDS, decode
from inference.mark.embed import TURNS
from inference.mark.patterns import COUNT, patterns, whitened

Plane = NDArray[np.float32]

# Turns a second at which there is no mark: how strong they are says how much a cell is to be
# believed; added to it, this share of the usual.
_OTHER, _FLOOR = (2, 3, 4), 0.1
# Cells over which that is smoothed, and cells by which landmarks may be off as a whole.
_SMOOTH, _OFF = 3.0, 1.2
# Added to what patterns have in common, as a share of what each has alone: steadies the division.
_RIDGE = 0.05
_LUMA = 110.0  # to which every frame is brought, on average


@dataclass(frozen=True)
class Turning:
    """What turns once a second in some frames. signal: (2, H, W), its cosine and sine, over frames
    of mean brightness; noise: (H, W), the mean square of what turns faster. frames: how many.
    """

    signal: Plane
    noise: Plane
    frames: int


def turning(sheets: Plane, times: NDArray[np.int64], rate: Fraction) -> Turning:
    """What turns in frames (N, H, W), 0 to 255, of a rate; times: (N,) their indices."""
    skin = sheet().skin
    level = (sheets * skin).sum(axis=(1, 2), keepdims=True) / skin.sum()
    even = sheets * (np.float32(_LUMA) / np.maximum(level, 1))
    seconds = times / float(rate)
    turns = [turn for turn in (TURNS, *_OTHER) if turn * 2.2 < rate]
    waves = [wave(2 * np.pi * turn * seconds) for turn in turns for wave in (np.cos, np.sin)]
    columns = np.stack([np.ones(len(times)), *waves], axis=1)
    fitted, *_ = np.linalg.lstsq(columns, even.reshape(len(times), -1), rcond=None)
    terms = fitted.astype(np.float32).reshape(-1, *skin.shape)
    noise = (terms[3:] ** 2).mean(axis=0) if len(terms) > 3 else np.ones_like(skin)
    return Turning(terms[1:3], noise, len(times))


def together(parts: list[Turning]) -> Turning:
    """Several seconds of one shot as one."""
    count = sum(part.frames for part in parts)
    share = [np.float32(part.frames / count) for part in parts]
    signal = sum(s * part.signal for s, part in zip(share, parts, strict=True))
    noise = sum(s * part.noise for s, part in zip(share, parts, strict=True))
    return Turning(np.asarray(signal), np.asarray(noise), count)


def read_mark(seen: Turning) -> int | None:
    """The payload, or None. What is no mark is taken for one once in ten million times.

    Nine places are tried and two signs, each of which passes the check once in 2 ** 28 times.
    """
    skin = sheet().skin
    share = np.maximum(cv2.GaussianBlur(skin, (0, 0), _SMOOTH), 1e-3)
    noise = cv2.GaussianBlur(seen.noise * skin, (0, 0), _SMOOTH) / share
    usual = float(np.median(noise[skin > 0]))
    if usual <= 0:  # a picture that stands still
        return None
    trust = np.sqrt(skin / (noise + np.float32(_FLOOR * usual)))
    looked_for = whitened(patterns() * trust).reshape(COUNT, -1)
    common = (looked_for @ looked_for.T).astype(np.float64)
    common += np.eye(COUNT) * (_RIDGE * np.trace(common) / COUNT)
    shifts = [(x, y) for y in (0, -_OFF, _OFF) for x in (0, -_OFF, _OFF)]
    moved = np.stack([_shifted(seen.signal, x, y) for x, y in shifts])
    found = whitened(moved * trust).reshape(len(shifts) * 2, -1) @ looked_for.T
    amounts = np.linalg.solve(common, found.T.astype(np.float64)).T.reshape(-1, 2, COUNT)
    turned = amounts[:, 0] + 1j * amounts[:, 1]
    turned[:, 1::2] *= -1j  # the patterns of the second plane are a quarter behind
    # Where a turn began is not known: all signs are squared away, and half the angle is left.
    phase = np.angle((turned**2).sum(axis=1, keepdims=True)) / 2
    signs = (turned * np.exp(-1j * phase)).real
    both = np.concatenate([signs, -signs]).astype(np.float32).reshape(-1, WORDS, LENGTH)
    payloads = decode(both)
    right = payloads[payloads >= 0]
    return int(right[0]) if len(right) else None


def _shifted(planes: Plane, x: float, y: float) -> Plane:
    how = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (planes.shape[2], planes.shape[1])
    return np.stack([cv2.warpAffine(plane, how, size) for plane in planes])
