# SPDX-License-Identifier: GPL-3.0-or-later
"""A place for one thing between two threads: the newest replaces what nobody took."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """What is put and not taken before the next comes is dropped, and counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thing: T | None = None
        self.dropped = 0

    @property
    def is_empty(self) -> bool:
        """Is there nothing to take?"""
        return self._thing is None

    def put(self, thing: T) -> None:
        """Leave the newest thing for whoever takes next."""
        with self._changed:
            self.dropped += self._thing is not None
            self._thing = thing
            self._changed.notify()

    def take(self, seconds: float) -> T | None:
        """The newest thing, waited for as long as this; None where nothing came."""
        with self._changed:
            if self._thing is None:
                self._changed.wait(seconds)
            thing, self._thing = self._thing, None
            return thing
