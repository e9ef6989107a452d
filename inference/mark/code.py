# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload as signs that can be told through noise: 32 bits, a check, and Golay's code.

The 32 bits are followed by the first 28 bits of their SHA-256, and five words of 12 bits are sent
as codewords of the extended Golay code (24, 12, 8). Each is decoded by asking all 4096 (M. J. E.
Golay, "Notes on digital coding", 1949). What is no mark passes the check once in 2 ** 28 tries.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

Signs = NDArray[np.float32]

WORDS, LENGTH = 5, 24
CHECK_BITS = 28
_GENERATOR = 0b110001110101  # x^11 + x^10 + x^6 + x^5 + x^4 + x^2 + 1


def encode(payload: int) -> Signs:
    """The codewords (5, 24) of a payload of 32 bits, as +1 and -1."""
    return np.array([_codeword(word) for word in _words(payload)], np.float32)


def decode(signs: Signs) -> NDArray[np.int64]:
    """Payloads (N,) of noisy signs (N, 5, 24); -1 where the check fails."""
    words = (signs.reshape(-1, LENGTH) @ codebook().T).argmax(axis=1).reshape(-1, WORDS)
    payloads = np.full(len(words), -1, np.int64)
    for index, found in enumerate(words.tolist()):
        whole = 0
        for word in found:
            whole = whole << 12 | word
        payload = whole >> CHECK_BITS
        if _words(payload) == found:
            payloads[index] = payload
    return payloads


def _words(payload: int) -> list[int]:
    digest = hashlib.sha256(payload.to_bytes(4, "big")).digest()
    whole = payload << CHECK_BITS | int.from_bytes(digest[:4], "big") >> (32 - CHECK_BITS)
    return [whole >> 12 * place & 0xFFF for place in reversed(range(WORDS))]


@cache
def codebook() -> Signs:
    """The extended Golay code's 4096 codewords (4096, 24), as +1 and -1."""
    return np.array([_codeword(word) for word in range(4096)], np.float32)


def _codeword(word: int) -> list[int]:
    rest = word << 11
    for bit in reversed(range(11, 23)):
        if rest >> bit & 1:
            rest ^= _GENERATOR << (bit - 11)
    whole = word << 11 | rest
    whole = whole << 1 | whole.bit_count() & 1
    return [1 - 2 * (whole >> bit & 1) for bit in reversed(range(LENGTH))]
