# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe without matplotlib, which is half of what its import costs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_NAMES = ("matplotlib", "matplotlib.pyplot")


@contextmanager
def without_matplotlib() -> Iterator[None]:
    """Import MediaPipe inside: its drawing helpers then get empty modules for matplotlib.

    Nothing here draws with them. A matplotlib that is imported already stays what it is, and one
    that is imported later is the real one.
    """
    if _NAMES[0] in sys.modules:
        yield
        return
    empty = {name: ModuleType(name) for name in _NAMES}
    empty["matplotlib"].pyplot = empty["matplotlib.pyplot"]  # type: ignore[attr-defined]
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in _NAMES:
            del sys.modules[name]
