# SPDX-License-Identifier: GPL-3.0-or-later
"""How a face's change is told by few numbers: the controls, and directions of the dense rest.

The directions are the principal ones of what the controls leave of real people's motion, computed
by `python -m export rest`; their card lies beside the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.arrays import UNREADABLE, open_arrays
from inference.errors import InputError
from inference.landmarks import POINT_COUNT, TOPOLOGY
from inference.performance.face.canonical import canonical_face
from inference.track import is_recording, write_arrays

Array = NDArray[np.float64]

FILE_NAME = "rest_basis.npz"
CONTROL_STEP = 1 / 32
# A detector guesses depth: its error weighs less than what is seen.
AXES = np.array([1.0, 1.0, 0.35])
_FORMAT = 1
_MOST_DIRECTIONS = 1024
# How reluctantly a control moves, as a share of what it explains by itself.
_RIDGE = 0.05


@dataclass(frozen=True)
class RestBasis:
    """K directions of the dense rest, the largest first.

    directions: (K, 478, 3) int8, times `unit` (K,) float32 of length about 1 in space weighted by
    AXES. deviation: (K,) float32, how far real faces go along each, canonical units.
    """

    directions: NDArray[np.int8]
    unit: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.directions)

    @cached_property
    def whole(self) -> Array:
        """The directions as numbers, (K, 1434), weighted."""
        flat = self.directions.reshape(len(self), -1).astype(np.float64)
        return flat * self.unit[:, None].astype(np.float64)

    @cached_property
    def _shares(self) -> Array:
        # Rounded directions are not quite at right angles: least squares takes care of it.
        return np.linalg.solve(self.whole @ self.whole.T, self.whole)

    def amounts(self, rest: NDArray[np.floating]) -> Array:
        """How much of each direction a rest (..., 478, 3) holds, (..., K)."""
        weighted = rest * AXES
        return np.asarray(weighted.reshape(*rest.shape[:-2], -1) @ self._shares.T)

    def rest(self, amounts: NDArray[np.floating]) -> Array:
        """The rest (..., 478, 3) of the first amounts (..., at most K)."""
        flat = amounts @ self.whole[: amounts.shape[-1]]
        return np.asarray(flat.reshape(*amounts.shape[:-1], POINT_COUNT, 3) / AXES)


@cache
def rest_basis() -> RestBasis:
    """The basis that is shipped. Raises InputError when its file is missing or damaged."""
    return load_basis(Path(__file__).with_name(FILE_NAME))


def steps_of_controls(change: NDArray[np.floating]) -> NDArray[np.int64]:
    """The controls (..., C) that roughly tell a change (..., 478, 3), in whole CONTROL_STEPs.

    In closed form, hence rougher than `decompose.solve_controls`; the rest says what is left.
    """
    face = canonical_face()
    flat = np.reshape(change, (*np.shape(change)[:-2], -1))
    controls = np.clip(flat @ _solver().T, face.low, face.high)
    return np.asarray(np.rint(controls / CONTROL_STEP), np.int64)


def of_control_steps(steps: NDArray[np.integer]) -> Array:
    """The change (..., 478, 3) of controls in whole CONTROL_STEPs."""
    return np.tensordot(steps * CONTROL_STEP, canonical_face().basis.astype(np.float64), axes=1)


@cache
def _solver() -> Array:
    basis = canonical_face().basis.astype(np.float64)
    flat, weighted = basis.reshape(len(basis), -1), (basis * AXES).reshape(len(basis), -1)
    gram = flat @ weighted.T
    return np.linalg.solve(gram + np.diag(_RIDGE * np.diag(gram)), weighted)


def save_basis(basis: RestBasis, path: Path) -> None:
    """Write the basis; the file appears under its name only when it is whole."""
    arrays: dict[str, object] = {
        "format": _FORMAT, "topology": TOPOLOGY, "canonical": canonical_face().digest,
        "directions": basis.directions, "unit": basis.unit, "deviation": basis.deviation,
    }  # fmt: skip
    write_arrays(path, arrays)


def load_basis(path: Path) -> RestBasis:
    """Read a basis. Raises InputError when it is none, or one for another canonical face."""
    try:
        with open_arrays(path, "basis of the rest", "install Likeness again") as arrays:
            known = arrays.whole("format"), arrays.text("topology"), arrays.text("canonical")
            count = arrays.length("unit")
            if known != (_FORMAT, TOPOLOGY, canonical_face().digest) or count > _MOST_DIRECTIONS:
                raise InputError(
                    f"{path}: a basis of another version, or for another canonical face; make it "
                    "again with python -m export rest"
                )
            return RestBasis(
                arrays.read("directions", np.int8, (count, POINT_COUNT, 3)),
                arrays.read("unit", np.float32, (count,)),
                arrays.read("deviation", np.float32, (count,)),
            )
    except UNREADABLE:
        raise InputError(f"{path}: the basis is damaged; install Likeness again") from None


def is_basis(path: Path) -> bool:
    """Does the file's content show that it is a basis of the rest?"""
    return is_recording(path, "directions")
