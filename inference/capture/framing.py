# SPDX-License-Identifier: GPL-3.0-or-later
"""What a strip shows of its footage: cropped, then mirrored, as Blender does it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.capture.movie import Picture
from inference.errors import InputError

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Framing:
    """crop: shares of the picture that are cut off at its left, top, right and bottom.

    mirror: whether left and right change places, and top and bottom. Raises InputError for a crop
    that leaves nothing.
    """

    crop: tuple[float, float, float, float] = (0, 0, 0, 0)
    mirror: tuple[bool, bool] = (False, False)

    def __post_init__(self) -> None:
        left, top, right, bottom = self.crop
        if min(self.crop) < 0 or left + right >= 1 or top + bottom >= 1:
            raise InputError("the crop leaves nothing of the picture; crop less")

    def part(self, picture: Picture) -> Picture:
        """What is seen of a picture (H, W, 3)."""
        left, top, right, bottom = self._edges(picture.shape[1], picture.shape[0])
        across, down = (-1 if turned else 1 for turned in self.mirror)
        return np.ascontiguousarray(picture[top:bottom, left:right][::down, ::across])

    def placed(self, points: Points, size: tuple[int, int]) -> Points:
        """Landmarks (478, 3) of that part, in the whole picture of `size`, mirrored as it is."""
        left, top, right, bottom = self._edges(*size)
        corner = (
            size[0] - right if self.mirror[0] else left,
            size[1] - bottom if self.mirror[1] else top,
        )
        return points + np.array([*corner, 0], np.float32)

    def _edges(self, width: int, height: int) -> tuple[int, int, int, int]:
        left, top, right, bottom = self.crop
        x, y = min(round(left * width), width - 1), min(round(top * height), height - 1)
        return (
            x,
            y,
            max(x + 1, round((1 - right) * width)),
            max(y + 1, round((1 - bottom) * height)),
        )


WHOLE = Framing()
