# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical face: the mean of many people at rest, and what each control does to it.

Canonical space: the distance between the middles of the two eyes' corners is 1; x right in the
picture, y down, z away from the camera; the origin is the mean of the rigid points. The file is
computed by `python -m export face`; its card lies beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.arrays import UNREADABLE, Arrays, open_arrays
from inference.errors import InputError
from inference.landmarks import POINT_COUNT, TOPOLOGY
from inference.performance.face.controls import CONTROL_NAMES
from inference.track import is_recording, write_arrays

FILE_NAME = "canonical_face.npz"
_FORMAT = 1


@dataclass(frozen=True)
class CanonicalFace:
    """The mean face and the linear basis of its C controls, in canonical units.

    mean: (478, 3) float32, symmetric left to right. triangles: (T, 3) int32 of the skin, corners
    clockwise as seen on the screen; lips and eyes are open. iris_triangles: (I, 3), the same.
    mirror: (478,), which point is which in the mirror image. low, high: (C,) float32, the
    controls' ranges. basis: (C, 478, 3) float32, what a control of 1 adds to the shape.
    regions: index sets `rigid`, `mouth`, `eyes`, `brows`, `jaw`, `cheeks`, `nose`, `irises`;
    contours: `oval`, `mouth_inner`, `mouth_outer`, `right_eye`, `left_eye`, `right_brow`,
    `left_brow`, each in order around its opening or along its line.
    """

    mean: NDArray[np.float32]
    triangles: NDArray[np.int32]
    iris_triangles: NDArray[np.int32]
    mirror: NDArray[np.int32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    basis: NDArray[np.float32]
    regions: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    contours: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of mean and basis, hexadecimal: performances name their face by it."""
        return hashlib.sha256(self.mean.tobytes() + self.basis.tobytes()).hexdigest()

    def shape(self, controls: NDArray[np.floating]) -> NDArray[np.float32]:
        """The face with the controls (..., C) set, (..., 478, 3)."""
        moved = np.tensordot(controls, self.basis, axes=1)
        return np.asarray(self.mean + moved, np.float32)


@cache
def canonical_face() -> CanonicalFace:
    """The face that is shipped. Raises InputError when its file is missing or damaged."""
    return load_face(Path(__file__).with_name(FILE_NAME))


@cache
def control_index(name: str) -> int:
    """Where a control stands in every array of controls. Raises InputError for unknown names."""
    if name not in CONTROL_NAMES:
        raise InputError(
            f"there is no control '{name}'; the controls are {', '.join(CONTROL_NAMES)}"
        )
    return CONTROL_NAMES.index(name)


def save_face(face: CanonicalFace, path: Path) -> None:
    """Write the face; the file appears under its name only when it is whole."""
    arrays: dict[str, object] = {
        "format": _FORMAT,
        "topology": TOPOLOGY,
        "mean": face.mean,
        "triangles": face.triangles,
        "iris_triangles": face.iris_triangles,
        "mirror": face.mirror,
        "controls": np.array(CONTROL_NAMES),
        "low": face.low,
        "high": face.high,
        "basis": face.basis,
    }
    arrays |= {f"region_{name}": points for name, points in face.regions.items()}
    arrays |= {f"contour_{name}": points for name, points in face.contours.items()}
    write_arrays(path, arrays)


def load_face(path: Path) -> CanonicalFace:
    """Read a canonical face. Raises InputError when it is none, or one of another version."""
    try:
        with open_arrays(path, "canonical face", "install Likeness again") as arrays:
            version = arrays.whole("format"), arrays.text("topology")
            names = arrays.texts("controls", 256)
            if version != (_FORMAT, TOPOLOGY) or names != CONTROL_NAMES:
                raise InputError(
                    f"{path}: a canonical face of another version; make it again with "
                    "python -m export face"
                )
            face = CanonicalFace(
                mean=arrays.read("mean", np.float32, (POINT_COUNT, 3)),
                triangles=_triangles(arrays, "triangles"),
                iris_triangles=_triangles(arrays, "iris_triangles"),
                mirror=_indices(arrays, "mirror"),
                low=arrays.read("low", np.float32, (len(names),)),
                high=arrays.read("high", np.float32, (len(names),)),
                basis=arrays.read("basis", np.float32, (len(names), POINT_COUNT, 3)),
                regions=_index_sets(arrays, "region_"),
                contours=_index_sets(arrays, "contour_"),
            )
    except UNREADABLE:
        raise InputError(f"{path}: the canonical face is damaged; install Likeness again") from None
    return face


def is_face(path: Path) -> bool:
    """Does the file's content show that it is a canonical face, of whatever version?"""
    return is_recording(path, "basis")


def _triangles(arrays: Arrays, name: str) -> NDArray[np.int32]:
    return arrays.read(name, np.int32, (arrays.length(name), 3))


def _indices(arrays: Arrays, name: str) -> NDArray[np.int32]:
    return np.array(arrays.numbers(name), np.int32)


def _index_sets(arrays: Arrays, prefix: str) -> dict[str, NDArray[np.int32]]:
    names = sorted(name for name in arrays.names if name.startswith(prefix))
    return {name.removeprefix(prefix): _indices(arrays, name) for name in names}
