# SPDX-License-Identifier: GPL-3.0-or-later
"""A plate of teeth: a picture that an artist paints, both arches unrolled side by side.

Twice as wide as high. Upper half: the upper row, gums above, edges below; lower half: the lower
row. Both as the viewer sees them, the front teeth in the middle, so many pixels a millimetre across
and down. Where it is transparent there is no tooth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.mouth.arches import GUM, Arch, lower_arch, upper_arch
from inference.mouth.paint import GUMS, TEETH
from inference.mouth.surface import GUM_TONE, arch_surface
from inference.pictures import StillPicture, at_depth, read_picture

Array = NDArray[np.float64]
Plane = NDArray[np.float32]

SIZE = (2048, 1024)  # of a template, pixels
_WIDE = 96.0  # millimetres that the plate is wide
_MARGIN = 1.5  # millimetres from the middle line to where the front teeth end
_SHAPE = 0.01  # how much the ratio of the sides may differ
_SMALLEST, _LARGEST = 256, 8192  # pixels across
_WORDS = (("UPPER", 0.055), ("LOWER", 0.96))  # beside the rows, and how far down


@dataclass(frozen=True)
class TeethPlate:
    """levels: the plate (h, w, 4) in [0, 1], colours multiplied with alpha; each half the last
    one's size.
    """

    levels: tuple[Plane, ...]

    def seen(self, along: Array, up: Array, arch: Arch, fine: float) -> Plane:
        """The plate (N, 4) at points (N,) of an arch, in millimetres from the middle, past the gap,
        and from the edge. fine: pixels a millimetre with which it is shown.
        """
        finest = self.levels[0].shape[1] / _WIDE
        level = self.levels[int(np.clip(np.round(np.log2(finest / fine)), 0, len(self.levels) - 1))]
        x, y = _position(along, up, arch, (level.shape[1], level.shape[0]))
        found = [
            cv2.remap(level, np.float32(x[a:b]), np.float32(y[a:b]), cv2.INTER_LINEAR)
            for a, b in _runs(len(x))
        ]
        return np.concatenate(found)[:, 0]


def read_plate(path: Path) -> StillPicture:
    """A plate of teeth, for `make_plate`. Raises InputError, in one line, for what is none."""
    if not path.exists():
        raise InputError(f"{path}: there is no such plate of teeth; check its name")
    picture = read_picture(path)
    width, height = picture.size
    if abs(width / height / 2 - 1) > _SHAPE:
        raise InputError(
            f"{path}: is {width} x {height} pixels; a plate of teeth is twice as wide as high: "
            "export a template and paint on that"
        )
    if not _SMALLEST <= width <= _LARGEST:
        raise InputError(
            f"{path}: is {width} pixels wide; a plate of teeth has {_SMALLEST} to {_LARGEST}"
        )
    if picture.alpha is None:
        raise InputError(
            f"{path}: is opaque everywhere; a plate of teeth is transparent where no tooth and no "
            "gum is: export a template, paint on that and save it with its alpha"
        )
    return picture


def make_plate(picture: StillPicture) -> TeethPlate:
    """A picture with alpha, to be drawn from."""
    assert picture.alpha is not None
    rgb, alpha = (
        at_depth(plane, np.dtype(np.uint16)).astype(np.float32) / 65535
        for plane in (picture.rgb, picture.alpha)
    )
    levels = [np.dstack([rgb * alpha[..., None], alpha])]
    while levels[-1].shape[1] >= 2 * _SMALLEST:
        height, width = levels[-1].shape[:2]
        half = (width // 2, height // 2)
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
    return TeethPlate(tuple(levels))


def draw_template(palette: Plane, size: tuple[int, int] = SIZE) -> tuple[Plane, Plane]:
    """A plate with the teeth as they are drawn: colours (H, W, 3) and alpha (H, W), in [0, 1].

    palette: (4, 3) in [0, 1]. size: width and height. Colours go on where it is transparent, so
    that a brush's edge finds no other ones there.
    """
    width, height = size
    fine = width / _WIDE
    rgb, alpha = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    x = (np.arange(width) + 0.5 - width / 2) / fine
    down = (np.arange(height) + 0.5 - height / 2) / fine
    for arch in (upper_arch(), lower_arch()):
        rows = np.flatnonzero(arch.up * down > 0)
        along, up = np.meshgrid(x, arch.up * down[rows] - _MARGIN)
        tooth, tall = (np.interp(along, arch.along, of) for of in (arch.tooth, arch.height))
        surface = arch_surface(tooth, up, tall, fine)
        gum = surface.gum[..., None]
        lit = (1 - gum) * surface.tone[..., None] * palette[TEETH] + gum * GUM_TONE * palette[GUMS]
        rgb[rows] = lit
        ends = np.clip((arch.along[-1] - np.abs(along)) * fine + 0.5, 0, 1)
        gums = np.clip((tall + GUM - up) * fine + 0.5, 0, 1)
        alpha[rows] = surface.cover * ends * gums
    for word, at in _WORDS:
        _write(word, at, rgb, alpha)
    return np.clip(rgb, 0, 1), alpha


def _position(along: Array, up: Array, arch: Arch, size: tuple[int, int]) -> tuple[Array, Array]:
    """Pixel indices of a plate of `size` (width, height)."""
    fine = size[0] / _WIDE
    x = size[0] / 2 + along * fine - 0.5
    y = size[1] / 2 + arch.up * (_MARGIN + up) * fine - 0.5
    return x, y


def _runs(count: int, longest: int = 32_000) -> list[tuple[int, int]]:
    """Parts of a list as long as OpenCV takes them."""
    return [(at, min(at + longest, count)) for at in range(0, count, longest)]


def _write(word: str, at: float, rgb: Plane, alpha: Plane) -> None:
    """A word beside the rows, where nothing is looked up."""
    height, width = alpha.shape
    scale = width / SIZE[0]
    ink = np.zeros((height, width), np.uint8)
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(2 * scale))
    (long, _), _ = cv2.getTextSize(word, font, 1.4 * scale, thick)
    place = ((width - long) // 2, round(at * height))
    cv2.putText(ink, word, place, font, 1.4 * scale, 255, thick, cv2.LINE_AA)
    share = ink.astype(np.float32) / 255
    rgb += share[..., None] * (0.5 - rgb)
    alpha[:] = np.maximum(alpha, share)
