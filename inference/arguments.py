# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the command line: ranges, numbers, ratios, each refused in a line."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction

from inference.errors import InputError
from inference.inputs import parse_ratio
from inference.jobs import checked_number, checked_whole


def frame_range(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not a range such as 0-99")
    return int(found[1]), int(found[2])


def whole(text: str) -> int:
    try:
        return checked_whole(int(text), "it")
    except (ValueError, InputError):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number such as 12") from None


def number(text: str) -> float:
    try:
        return checked_number(float(text), "it")
    except (ValueError, InputError):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number such as 0.5") from None


def mix(text: str) -> float | dict[str, float]:
    if not re.match("[a-z]", text):
        return number(text)
    parts = (part.partition("=") for part in text.split(","))
    return {name.strip(): number(value) if given else 1.0 for name, given, value in parts}


def ratio(text: str) -> Fraction:
    try:
        return parse_ratio(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a number such as 25 or 30000/1001"
        ) from None
