# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of a mouth's inside in a portrait's own light and paint.

From real mouths: teeth have the eye white's tint, and their lightness follows the skin's and the
lips'; gums and tongue are the lips' colour, a little greyer. So a painting's teeth are as yellow as
its eyes, and a monochrome's are grey.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYES
from inference.mouth.look import TeethLook

Array = NDArray[np.float64]

DARK, TEETH, GUMS, TONGUE = range(4)  # rows of a palette

# Where lips, skin and eye whites are looked at, by landmarks; a white lies between two of them.
_LIPS = (13, 14, 0, 17, 82, 312, 87, 317)
SKIN = (50, 280, 101, 330, 36, 266, 205, 425, 117, 346, 118, 347, 151, 9, 108, 337, 69, 299)
_WHITES = tuple(
    (iris[side], lid[end])
    for lid, _, iris in EYES
    for side, end in ((1, 0), (1, -1), (3, 0), (3, -1))
)

_WEIGHTS = np.array([0.299, 0.587, 0.114])
# Lightness of teeth: the first, times skin and lips to these powers, and at most the last.
_TEETH, _BY_SKIN, _BY_LIPS, _LIGHTEST = 1.246, 0.51, 0.52, 0.86
_BRIGHT = 0.9  # the quantile of the skin's lightness that counts
_WARM = (0.08, 0.0, -0.25)  # what full warmth adds to red, green and blue, as shares
_TINTED = 0.22  # how far apart the channels of a tooth may be, as a share of the brightest
_ONE_TINT = (0.04, 0.1)  # how far tints stray, as shares of the brightest channel, in a toned print
_DARK, _GUMS, _TONGUE = 0.2, 0.95, 0.72  # lightness, of the lips'
_GREYER = 0.85  # of the lips' tint, in gums and tongue


def palette(colours: Array) -> Array:
    """The colours (4, 3) of DARK, TEETH, GUMS and TONGUE, in [0, 1].

    colours: (N, 3) in [0, 1], of the portrait at `looked_at`.
    """
    lips, skin, whites = np.split(colours, [len(_LIPS), len(_LIPS) + len(SKIN)])
    lip = lips.mean(axis=0)
    luma = max(float(lip @ _WEIGHTS), 1e-3)
    light = float(np.quantile(skin @ _WEIGHTS, _BRIGHT))
    # Where a lid or the iris lies instead, there is more colour or less light.
    plain = whites @ _WEIGHTS - np.ptp(whites, axis=1)
    white = whites[np.argsort(plain)[len(whites) // 2 :]].mean(axis=0)
    white = np.maximum(white, 1e-3)  # a black picture has no tint
    white = white / float(white.max())
    spread = float(np.ptp(white))
    # A toned print has one tint everywhere, and teeth have it too.
    low, high = _ONE_TINT
    tints = colours / np.maximum(colours.max(axis=1, keepdims=True), 1e-3)
    astray = float(np.ptp(np.quantile(tints, (0.1, 0.9), axis=0), axis=0).max())
    free = float(np.clip((astray - low) / (high - low), 0, 1))
    if spread > _TINTED:
        white = 1 - (1 - white) * (1 - free * (1 - _TINTED / spread))
    lightness = min(_TEETH * max(light, 1e-3) ** _BY_SKIN * luma**_BY_LIPS, _LIGHTEST)
    teeth = white * (lightness / float(white @ _WEIGHTS))
    flesh = luma + _GREYER * (lip - luma)
    found = np.stack([lip * _DARK, teeth, flesh * _GUMS, flesh * _TONGUE])
    return np.asarray(np.clip(found, 0, 1))


def tinted(colours: NDArray[np.floating], look: TeethLook) -> NDArray[np.float32]:
    """Colours of teeth (..., 3) as bright and as warm as the artist wants them."""
    before = colours @ _WEIGHTS
    warm = colours * (1 + look.warmth * np.array(_WARM))
    after = np.maximum(warm @ _WEIGHTS, 1e-9)
    return np.asarray(warm * (look.brightness * before / after)[..., None], np.float32)


def looked_at(points: NDArray[np.floating]) -> Array:
    """Where (N, 2) colours are taken: lips, skin, eye whites. points: (478, 2 or 3)."""
    at = points[:, :2].astype(np.float64)
    whites = [0.5 * (at[a] + at[b]) for a, b in _WHITES]
    return np.concatenate([at[list(_LIPS)], at[list(SKIN)], np.stack(whites)])


def find_palette(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], points: NDArray[np.floating]
) -> NDArray[np.float32]:
    """A picture's palette (4, 3) in its own range. pixels: (H, W, 3); points: (478, 2 or 3) in
    them.
    """
    top = np.iinfo(pixels.dtype).max
    height, width = pixels.shape[:2]
    at = np.round(looked_at(points)).astype(int)
    x, y = np.clip(at[:, 0], 0, width - 1), np.clip(at[:, 1], 0, height - 1)
    return (palette(pixels[y, x] / top) * top).astype(np.float32)
