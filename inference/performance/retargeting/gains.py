# SPDX-License-Identifier: GPL-3.0-or-later
"""How strongly each region of the face follows the driver."""

from __future__ import annotations

from dataclasses import dataclass, fields

from inference.errors import InputError

MOST = 2.0


@dataclass(frozen=True)
class Gains:
    """0: the region stays as the portrait's is; 1: as acted; up to 2: stronger."""

    pose: float = 1.0
    mouth: float = 1.0
    eyes: float = 1.0
    brows: float = 1.0
    gaze: float = 1.0


AS_ACTED = Gains()


def check_gains(gains: Gains) -> None:
    """Raises InputError when one of them is out of its range."""
    for field in fields(gains):
        value = getattr(gains, field.name)
        if not 0 <= value <= MOST:
            raise InputError(f"the gain of the {field.name} is {value:g}; gains go from 0 to 2")
