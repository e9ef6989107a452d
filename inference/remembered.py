# SPDX-License-Identifier: GPL-3.0-or-later
"""The last answers of costly functions of pictures, for the next call that shows the same ones.

A worker makes test frames and syntheses of one portrait again and again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, TypeVar

import numpy as np

Answer = TypeVar("Answer")


def remembered(
    count: int, by: Callable[..., tuple[Any, ...] | None] | None = None
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Of a function of arrays, bytes and what has a plain `repr`, keep the last `count` answers.

    by: makes all that the answer depends on of other arguments; None: this one is not kept.
    The answers are shared: whoever gets one must not change it. Thread-safe.
    """

    def decorated(function: Callable[..., Answer]) -> Callable[..., Answer]:
        known: OrderedDict[bytes, Answer] = OrderedDict()
        lock = Lock()

        @wraps(function)
        def asked(*arguments: Any) -> Answer:
            decides = arguments if by is None else by(*arguments)
            if decides is None:
                return function(*arguments)
            key = _digest(decides)
            with lock:
                if key in known:
                    known.move_to_end(key)
                    return known[key]
            answer = function(*arguments)
            with lock:
                known[key] = answer
                while len(known) > count:
                    known.popitem(last=False)
            return answer

        return asked

    return decorated


def _digest(arguments: tuple[Any, ...]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for value in arguments:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype} {value.shape} ".encode())
            digest.update(np.ascontiguousarray(value).data)
        elif isinstance(value, bytes):
            digest.update(value)
        else:
            digest.update(repr(value).encode())
        digest.update(b"\0")
    return digest.digest()
