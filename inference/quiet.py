# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what native libraries say about themselves off stderr."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Nothing reaches the process's stderr inside; for libraries that have no switch for that.

    Python's own messages are rare in such a block, and errors come as exceptions.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
