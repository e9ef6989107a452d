# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist may change of the teeth that are drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields

from inference.errors import InputError


@dataclass(frozen=True)
class TeethLook:
    """seen: 0 (a dark mouth) to 1. brightness: a factor on their light. warmth: -1 (bluish) to 1
    (yellow), 0 as the portrait's eye whites are. size: a factor on the mean adult's.
    """

    seen: float = 1.0
    brightness: float = 1.0
    warmth: float = 0.0
    size: float = 1.0


MEAN = TeethLook()
RANGES = {"seen": (0.0, 1.0), "brightness": (0.3, 1.5), "warmth": (-1.0, 1.0), "size": (0.7, 1.3)}


def check_teeth(look: TeethLook) -> None:
    """Raises InputError when one of the choices is out of its range."""
    for field in fields(look):
        value, (low, high) = getattr(look, field.name), RANGES[field.name]
        if not low <= value <= high:
            raise InputError(
                f"the {field.name} of the teeth is {value:g}; it goes from {low:g} to {high:g}"
            )
