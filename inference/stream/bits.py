# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole numbers as bits: Rice codes, whose length grows with what is unusual.

A number n is folded to 0, 1, 2, ... for 0, -1, 1, ...; its upper part above `low` bits is that many
ones and a zero, the lower part follows as it is (Rice 1979).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# More ones in a row are no code of ours; what is larger is held to this.
MOST_ONES = 24


class WrongBits(Exception):
    """The bits end too early, or are no codes."""


def fitted(numbers: NDArray[np.int64], low: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers, those held back whose code would be longer than any may be."""
    most = ((MOST_ONES + 1) << low) // 2 - 1
    return np.clip(numbers, -most, most)


def code_lengths(numbers: NDArray[np.int64], low: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many bits each number takes."""
    return (_folded(numbers) >> low) + 1 + low


def write_bits(numbers: NDArray[np.int64], low: NDArray[np.int64]) -> bytes:
    """The numbers' codes, one after the other, filled up with ones to whole bytes."""
    whole, count = 0, 0
    for folded, bits in zip(_folded(numbers).tolist(), low.tolist(), strict=True):
        ones = folded >> bits
        code = (((1 << ones) - 1) << 1 << bits) | (folded & ((1 << bits) - 1))
        whole, count = whole << (ones + 1 + bits) | code, count + ones + 1 + bits
    spare = -count % 8
    return (whole << spare | ((1 << spare) - 1)).to_bytes((count + spare) // 8, "big")


def read_bits(data: bytes, low: Sequence[int]) -> list[int]:
    """The numbers of `write_bits`, as many as there are entries of `low`.

    Raises WrongBits, and takes no longer for any data than for the longest right one.
    """
    bits = "".join(f"{byte:08b}" for byte in data)
    numbers, at = [], 0
    for count in low:
        end = bits.find("0", at, at + MOST_ONES + 1)
        if end < 0 or end + 1 + count > len(bits):
            raise WrongBits
        lower = int(bits[end + 1 : end + 1 + count], 2) if count else 0
        folded = (end - at) << count | lower
        numbers.append(-(folded + 1) // 2 if folded & 1 else folded // 2)
        at = end + 1 + count
    if len(bits) - at >= 8 or "0" in bits[at:]:
        raise WrongBits
    return numbers


def _folded(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(numbers < 0, -2 * numbers - 1, 2 * numbers)
