# SPDX-License-Identifier: GPL-3.0-or-later
"""What samples may be made of: clips in shards, a person's few pictures, whatever reads alike."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ClipFacts(Protocol):
    """name: to say which. size: (width, height) of its pictures. side: of the crop, in pixels."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def side(self) -> float: ...


class Clip(Protocol):
    """Frames with landmarks, read one at a time. measures: (F, 4), see `export.data.measures`."""

    @property
    def record(self) -> ClipFacts: ...
    @property
    def measures(self) -> NDArray[np.float32]: ...

    def points(self, index: int) -> NDArray[np.float32]:
        """The landmarks (478, 3) of a frame in pixels of its picture."""

    def picture(self, index: int, half: bool = False) -> NDArray[np.uint8]:
        """A frame's picture (H, W, 3), RGB; `half` gives half its size."""

    def matte(self, index: int) -> NDArray[np.uint8] | None:
        """The person in the whole picture (64, 64), 255 is person; None where nobody knows."""


class Footage(Protocol):
    """Clips by number."""

    def clip(self, index: int) -> Clip:
        """The clip of that number."""
