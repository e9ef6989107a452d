# SPDX-License-Identifier: GPL-3.0-or-later
"""Real tracks and performances: the first frames of the sample's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from inference.performance.face.decompose import decompose
from inference.performance.taking.performance import Performance
from inference.track import LandmarkTrack, load_track


def real_track(samples: Path, frames: int, gap: tuple[int, ...] = ()) -> LandmarkTrack:
    """The first frames of the sample performance, some of them made gaps."""
    whole = load_track(samples / "weekly_address.track.npz")
    valid = np.ones(frames, bool)
    valid[list(gap)] = False
    points = np.where(valid[:, None, None], whole.points[:frames], np.float32(np.nan))
    return replace(whole, points=points.astype(np.float32), valid=valid, cuts=())


def real_performance(samples: Path, frames: int, gap: tuple[int, ...] = ()) -> Performance:
    """The sample performance taken apart."""
    return decompose(real_track(samples, frames, gap))
