# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a take's shots and gaps lie: what filters may look across and what they may not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def shots(frames: int, cuts: Sequence[int]) -> list[range]:
    """The shots of a take of so many frames; `cuts` are the frames at which others begin."""
    bounds = [0, *sorted({cut for cut in cuts if 0 < cut < frames}), frames]
    return [range(a, b) for a, b in zip(bounds, bounds[1:], strict=False) if a < b]


def runs(valid: NDArray[np.bool_], cuts: Sequence[int]) -> list[range]:
    """Unbroken stretches of valid frames (F,), none of them across a cut."""
    return [run for shot in shots(len(valid), cuts) for run in _stretches(valid, shot)]


def gaps(valid: NDArray[np.bool_], cuts: Sequence[int]) -> list[range]:
    """Unbroken stretches of missing frames, none of them across a cut."""
    return [gap for shot in shots(len(valid), cuts) for gap in _stretches(~valid, shot)]


def _stretches(wanted: NDArray[np.bool_], shot: range) -> list[range]:
    inside = np.r_[False, wanted[shot.start : shot.stop], False]
    turns = np.flatnonzero(inside[1:] != inside[:-1]) + shot.start
    return [range(int(a), int(b)) for a, b in zip(turns[::2], turns[1::2], strict=True)]
