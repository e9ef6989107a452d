# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical face: mean shape, triangles, and what each control moves. No bpy.

Canonical space: the distance between the eyes' middles is 1; x right in the picture, y down, z away
from the camera. Blender's space: x right, z up, a face looks along -y. "Left" and "right" in names
are the person's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .arrays import UNREADABLE, open_arrays
from .recordings import POINT_COUNT, TOPOLOGY

FILE_NAME = "canonical_face.npz"
EYE_DISTANCE = 0.063  # metres between a person's pupils; makes the face life-sized
# Image axes in Blender's: x -> x, y (down) -> -z, z (away) -> y. A rotation, no mirroring.
TO_BLENDER = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)


@dataclass(frozen=True)
class Face:
    """What the file holds; C controls, T triangles.

    mean: (478, 3) float32. triangles: (T, 3) of the skin, iris_triangles: (I, 3), both clockwise as
    seen on the screen. names: of the controls. low, high: (C,) their ranges.
    basis: (C, 478, 3) float32, what a control of 1 adds to the shape.
    regions: point indices under the names of the file (`region_mouth`, `contour_oval`, ...).
    digest: SHA-256 of mean and basis, hexadecimal.
    """

    mean: NDArray[np.float32]
    triangles: NDArray[np.int32]
    iris_triangles: NDArray[np.int32]
    names: tuple[str, ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    basis: NDArray[np.float32]
    regions: Mapping[str, NDArray[np.int32]]
    digest: str


def read_face(path: Path | None = None) -> Face:
    """The canonical face from `path`, or the one that Likeness ships.

    Raises InputError when the file is not there or not one of this version.
    """
    return _read(path or shipped_path())


def shipped_path() -> Path:
    """Beside the add-on's own files in a package, in the performance room of the sources."""
    here = Path(__file__).resolve().parent
    beside = here / FILE_NAME
    if beside.is_file():
        return beside
    return here.parent / "inference" / "performance" / "face" / FILE_NAME


def to_blender(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Canonical (..., 3) -> metres in Blender's axes, life-sized."""
    return points.astype(np.float64) @ TO_BLENDER.T * EYE_DISTANCE


@cache
def _read(path: Path) -> Face:
    try:
        with open_arrays(path) as data:
            if data.read("format", "iu", ()) != 1 or data.text("topology") != TOPOLOGY:
                raise InputError(f"{path}: a canonical face of another version; install again")
            names = data.texts("controls")
            mean = data.read("mean", "f", (POINT_COUNT, 3))
            basis = data.read("basis", "f", (len(names), POINT_COUNT, 3))
            face = Face(
                mean=mean,
                triangles=data.read("triangles", "i", (None, 3)),
                iris_triangles=data.read("iris_triangles", "i", (None, 3)),
                names=names,
                low=data.read("low", "f", (len(names),)),
                high=data.read("high", "f", (len(names),)),
                basis=basis,
                regions={
                    name: data.read(name, "i", (None,))
                    for name in sorted(data.names)
                    if name.startswith(("region_", "contour_"))
                },
                digest=hashlib.sha256(mean.tobytes() + basis.tobytes()).hexdigest(),
            )
    except FileNotFoundError:
        raise InputError(f"{path}: the canonical face is missing; install Likeness again") from None
    except InputError:
        raise
    except UNREADABLE:
        raise InputError(f"{path}: the canonical face is damaged; install again") from None
    return face
