# SPDX-License-Identifier: GPL-3.0-or-later
"""What the overlay shows of a recording: its points and confidence, one frame at a time.

The last few files stay read, by name and time: a take that is made again is read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..controls.head_pose import rotation_matrices
from ..errors import InputError
from ..storage.arrays import read_array
from ..storage.canonical import read_face
from ..storage.recordings import (
    PERFORMANCE_SUFFIX,
    POINT_COUNT,
    TRACK_SUFFIX,
    UNREADABLE,
    Performance,
    load_performance,
    load_track,
)

_KEPT_FILES = 6

Size = tuple[int, int]
_files: dict[tuple[str, int, Size], Recording] = {}
_performances: dict[tuple[str, int], Performance] = {}


@dataclass(frozen=True)
class Recording:
    """points(index): (478, 2) in pixels of a picture of `size`; NaN in gaps.

    count: frames. size: None where the file does not say. confidence: (count,), 0 to 1; None for
    what was not measured.
    """

    points: Callable[[int], NDArray[np.floating]]
    count: int
    size: Size | None
    confidence: NDArray[np.float32] | None


def recording_of(path: Path, size: Size = (0, 0)) -> Recording:
    """The recording in a file, read once. size: of the picture, for files that do not say.

    Raises InputError when the file is gone or is none.
    """
    key = (*_stamp(path), size)
    if key not in _files:
        while len(_files) >= _KEPT_FILES:
            _files.pop(next(iter(_files)))
        _files[key] = read_recording(path, size)
    return _files[key]


def performance_of(path: Path) -> Performance:
    """The performance in a file, read once. Raises InputError."""
    key = _stamp(path)
    if key not in _performances:
        while len(_performances) >= _KEPT_FILES:
            _performances.pop(next(iter(_performances)))
        _performances[key] = load_performance(path)
    return _performances[key]


def read_recording(path: Path, size: Size = (0, 0)) -> Recording:
    """The points of a track, a performance or an .npy. Raises InputError when it is none."""
    if path.name.endswith(TRACK_SUFFIX):
        track = load_track(path)
        return Recording(lambda index: track.points[index, :, :2], len(track), track.size, None)
    if path.name.endswith(PERFORMANCE_SUFFIX):
        p = performance_of(path)
        return Recording(partial(_composed, p), len(p), p.size, p.confidence)
    try:
        points = read_array(path)
    except UNREADABLE:
        raise InputError(f"{path}: no points can be read from this file") from None
    if points.shape not in {(POINT_COUNT, 2), (POINT_COUNT, 3)} or points.dtype.kind != "f":
        raise InputError(f"{path}: {points.shape} are not the points of a face")
    still = points[:, :2].astype(np.float32)
    return Recording(lambda _index: still, 1, size if min(size) > 0 else None, None)


def forget() -> None:
    """Keep no file any more."""
    _files.clear()
    _performances.clear()


def _stamp(path: Path) -> tuple[str, int]:
    try:
        return str(path), path.stat().st_mtime_ns
    except OSError:
        raise InputError(f"{path}: this recording is gone") from None


def _composed(p: Performance, index: int) -> NDArray[np.floating]:
    """A performance's points (478, 2) at a frame."""
    if not p.valid[index]:
        return np.full((POINT_COUNT, 2), np.nan)
    shape = p.neutral + np.tensordot(p.controls[index], read_face().basis, axes=1)
    turned = (shape + p.residual[index]) @ rotation_matrices(p.rotation[index : index + 1])[0].T
    points = p.scale[index] * turned + p.translation[index]
    if p.camera == "perspective" and p.focal > 0:
        # These lie before a camera whose axis is the picture's centre.
        centre = np.array([p.size[0] / 2, p.size[1] / 2])
        away = 1 + points[:, 2:] / p.focal
        return np.asarray(centre + (points[:, :2] - centre) / away)
    return np.asarray(points[:, :2])
