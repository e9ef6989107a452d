# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of a mean head: how far its surface lies from its middle, in every direction.

Canonical space, as `inference.performance.canonical`: the eyes' distance is 1, x right in the
picture, y down, z away from the camera. The file is computed by `python -m export head`; its card
lies beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.arrays import UNREADABLE
from inference.errors import InputError
from inference.track import write_arrays

FILE_NAME = "head.npz"
_FORMAT = 1
# The middle of the skull, between the ears.
CENTER = np.array([0.0, 0.1, 1.25])
# Angles from the direction of the face to that of the nape, and around that axis, in degrees.
_STEP = 5
_ANGLES, _AZIMUTHS = 180 // _STEP + 1, 360 // _STEP


@dataclass(frozen=True)
class HeadForm:
    """radii: (37, 72) float32, by angle from the face's direction (rows, 0 to 180 degrees) and
    azimuth around it (columns, from x towards y, 0 to 355 degrees), in eye distances.
    """

    radii: NDArray[np.float32]

    def radius(self, rays: NDArray[np.floating]) -> NDArray[np.float64]:
        """How far the surface lies from CENTER in directions (..., 3) of canonical space."""
        unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        angle = np.degrees(np.arccos(np.clip(-unit[..., 2], -1, 1))) / _STEP
        azimuth = np.degrees(np.arctan2(unit[..., 1], unit[..., 0])) % 360 / _STEP
        table = np.concatenate([self.radii, self.radii[:, :1]], axis=1)
        where = np.stack([azimuth, angle], axis=-1).astype(np.float32).reshape(-1, 1, 2)
        found = cv2.remap(table, where, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        return np.asarray(found.reshape(unit.shape[:-1]), np.float64)


def directions() -> NDArray[np.float64]:
    """The unit vectors (37, 72, 3) of the table's angles and azimuths."""
    angle = np.radians(np.arange(_ANGLES) * _STEP)[:, None]
    azimuth = np.radians(np.arange(_AZIMUTHS) * _STEP)[None]
    x, y = np.sin(angle) * np.cos(azimuth), np.sin(angle) * np.sin(azimuth)
    return np.stack([x, y, np.broadcast_to(-np.cos(angle), x.shape)], axis=-1)


@cache
def head_form() -> HeadForm:
    """The form that is shipped. Raises InputError when its file is missing or damaged."""
    return load_form(Path(__file__).with_name(FILE_NAME))


def save_form(form: HeadForm, path: Path) -> None:
    """Write the form; the file appears under its name only when it is whole."""
    write_arrays(path, {"format": _FORMAT, "radii": form.radii})


def load_form(path: Path) -> HeadForm:
    """Read a form. Raises InputError when the file is none, or one of another version."""
    try:
        with np.load(path, allow_pickle=False) as data:
            version, radii = int(data["format"]), data["radii"]
    except FileNotFoundError:
        raise InputError(f"{path}: the head's form is missing; install Likeness again") from None
    except UNREADABLE:
        raise InputError(f"{path}: the head's form is damaged; install Likeness again") from None
    if version != _FORMAT or radii.shape != (_ANGLES, _AZIMUTHS):
        raise InputError(
            f"{path}: a head's form of another version; make it again with python -m export head"
        )
    return HeadForm(radii.astype(np.float32))
