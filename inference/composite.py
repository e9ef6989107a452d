# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the network's answer and the full-resolution warp together, and lay them on the portrait.

Two bands: broad colour comes from the network's blend at its own size, fine detail from the
warped portrait at full size wherever alpha says that the warp is right. An untrained network
changes nothing, and a 4K portrait keeps its own sharpness.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.generator.contract import ALPHA_UNTRAINED
from inference.generator.model import GeneratorOutput
from inference.landmarks import OVAL
from inference.planes import bands, between, lines, rounded, times, window_of
from inference.portrait import Portrait
from inference.warp.mesh import BORDER
from inference.warp.openings import Patch

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Plane = NDArray[np.float32]
Match = Callable[[Plane, Plane, Plane], tuple[Plane, Plane]]

# Alpha at which detail is kept whole: a hair below the untrained value, for rounding's sake.
_WHOLE_DETAIL = ALPHA_UNTRAINED - 1e-3

# Softness of the face region's edge, in units of the network's size.
EDGE = 0.02

# How much of what the network would change in a drawn mouth is left undone: the more, the crisper
# are teeth and the darker what lies behind them, which real mouths are not (validation people, L1
# inside the mouth: 34.0 with 0, 38.8 with .85). Likewise for the portrait's own teeth, which it
# makes now bright, now a dull pink, from one frame to the next.
_DRAWN, _OWN = np.float32(0.4), np.float32(0.7)


def merge(
    answer: GeneratorOutput,
    warped_small: NDArray[np.uint8],
    warped_full: Pixels,
    match: Match | None = None,
) -> Pixels:
    """The head's colours (H, W, 3), of `warped_full`'s size and type.

    warped_small: (S, S, 3), the same warp at the network's size, its residual flow included.
    match: gets the warp at S, the blend with the network's colours and alpha, and gives the first
    two as the colour match wants them; `warped_full` is as it wants already.
    """
    result = warped_full.copy()
    window = window_of(answer.alpha < 1)  # elsewhere it changes nothing
    if window is None:
        return result
    small: Plane = warped_small[window].astype(np.float32) * np.float32(1 / 255)
    alpha = answer.alpha[window][..., None]
    detail = np.minimum(alpha * np.float32(1 / _WHOLE_DETAIL), 1)
    blend: Plane = alpha * small + (1 - alpha) * answer.colour[window]
    if match:
        small, blend = match(small, blend, alpha[..., 0])
    broad = (blend - detail * small) * np.float32(np.iinfo(warped_full.dtype).max)
    rows, columns = (
        lines(part, before, after)
        for part, before, after in zip(window, answer.alpha.shape, warped_full.shape, strict=False)
    )
    broad, kept = between(broad, columns, 1), between(detail[..., 0], columns, 1)
    part = result[rows.first : rows.last, columns.first : columns.last]
    for band in bands((part.shape[1], part.shape[0])):
        some = rows.some(band)
        here = times(part[band], between(kept, some, 0))
        here += between(broad, some, 0)
        part[band] = rounded(here, result.dtype)
    return result


def confine(answer: GeneratorOutput, points: NDArray[np.float32]) -> GeneratorOutput:
    """Keep the network to the face; hair, neck and background stay the mesh warp's.

    A network trained on pixel differences answers what it cannot know, such as where a lock of
    hair ends, with blur: over hair that shows as a halo. points: the target's (478, 2) in pixels
    of S.
    """
    share = face_region(points, answer.alpha.shape[0])
    quarter = answer.flow.shape[1::-1]
    return GeneratorOutput(
        answer.flow * cv2.resize(share, quarter, interpolation=cv2.INTER_AREA)[..., None],
        answer.colour,
        np.float32(1) - share * (np.float32(1) - answer.alpha),
        answer.matte,
    )


def keep_teeth(answer: GeneratorOutput, patches: Sequence[Patch]) -> GeneratorOutput:
    """Keep the network off mouths that are drawn and teeth that the portrait shows, but for a hint
    of their light.

    It was trained before mouths were drawn: it fills a cavity with a pink blur, and adds its own
    teeth's light to the drawn ones'. patches: the openings at S.
    """
    alpha = answer.alpha.copy()
    for patch in patches:
        if patch.paint is not None and patch.made_up is not None:
            height, width = patch.mask.shape
            here = alpha[patch.top : patch.top + height, patch.left : patch.left + width]
            kept = _DRAWN * patch.made_up + _OWN * patch.own * (1 - patch.made_up)
            here += patch.mask * kept * (1 - here)
    return replace(answer, alpha=alpha)


def face_region(points: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """The face's own region (S, S), 0 to 1: whole inside, soft to the outline, nothing beyond.

    points: (478, 2) in pixels of S = `size`.
    """
    outline = np.round((points[list(OVAL)] - 0.5) * 16).astype(np.int32)
    region = np.zeros((size, size), np.uint8)
    cv2.fillPoly(region, [outline], 255, cv2.LINE_AA, 4)
    found = np.zeros((size, size), np.float32)
    window = window_of(region > 0, math.ceil(4 * EDGE * size))  # the blur ends within it
    if window:
        soft = cv2.GaussianBlur(region[window], (0, 0), EDGE * size).astype(np.float32)
        # All of the softness lies inside: beyond the outline there is hair.
        found[window] = np.clip(2 * (soft * np.float32(1 / 255)) - 1, 0, 1)
    return found


def feather(portrait: Portrait, softness: float = 0.0) -> NDArray[np.float32]:
    """The head layer's own alpha (H, W), 0 to 1: whole inside, nothing at the crop's edge.

    softness: width of the ramp in units of the crop's side; never narrower than the mesh's border,
    in which the head's motion fades. InputError outside of 0 to 0.25.
    Where the picture itself ends inside the crop it stays whole up to the picture's edge, and
    is nothing beyond.
    """
    box = portrait.box
    if not 0 <= softness <= 0.25:
        raise InputError(f"feather {softness:g}: give 0 to 0.25 of the crop's side")
    width = max(BORDER, softness) * max(box.width, box.height)
    left, top, right, bottom = portrait.visible()

    def ramp(length: int, first: int, last: int) -> NDArray[np.float32]:
        at = np.arange(length, dtype=np.float32) + 0.5
        rise = at if first == 0 else np.full(length, width, np.float32)
        fall = length - at if last == length else np.full(length, width, np.float32)
        inside = (at > first) & (at < last)
        x = np.clip(np.minimum(rise, fall) / width, 0, 1)
        return inside * x * x * (3 - 2 * x)

    return ramp(box.height, top, bottom)[:, None] * ramp(box.width, left, right)[None, :]


def lay_over(
    portrait: Portrait, head: Pixels, alpha: NDArray[np.floating]
) -> tuple[Pixels, Pixels | None]:
    """The whole portrait with the head over it: (H, W, 3), and its alpha (H, W) or None.

    head: (h, w, 3) of the box; alpha: (h, w), 0 to 1.
    """
    left, top, right, bottom = portrait.visible()
    box = portrait.box
    rgb = portrait.picture.rgb.copy()
    below = rgb[box.y + top : box.y + bottom, box.x + left : box.x + right]
    share = alpha[top:bottom, left:right, None].astype(np.float32)
    over = head[top:bottom, left:right].astype(np.float32)
    below[:] = np.round(below + share * (over - below)).astype(rgb.dtype)
    return rgb, portrait.picture.alpha
