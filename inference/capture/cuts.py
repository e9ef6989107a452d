# SPDX-License-Identifier: GPL-3.0-or-later
"""Find cuts: frames at which the picture as a whole becomes another one."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.movie import Picture

_SIZE = (48, 27)
_HISTORY = 12
# Mean grey difference, 0 to 255, below which nothing is a cut, and the factors by which a cut
# stands out from the usual motion of the frames before it, and from the strongest just before:
# a head or a camera that swings fast gathers speed over some frames, a cut does not.
_LEAST = 18.0
_FACTOR = 4.0
_RECENT = 3
_RECENT_FACTOR = 2.5


class CutFinder:
    """Looks at frames in order and says at which one another shot begins."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._changes: deque[float] = deque(maxlen=_HISTORY)

    def is_cut(self, picture: Picture) -> bool:
        """True when this RGB picture does not continue the one before."""
        small = cv2.resize(picture, _SIZE, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        last, self._last = self._last, grey
        if last is None:
            return False
        # Without the mean: a flash or a fade changes the light, not the shot.
        change = float(np.abs((grey - grey.mean()) - (last - last.mean())).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        recent = max(list(self._changes)[-_RECENT:], default=0.0)
        cut = change > max(_LEAST, _FACTOR * usual, _RECENT_FACTOR * recent)
        if cut:
            self._changes.clear()
        else:
            self._changes.append(change)
        return cut
