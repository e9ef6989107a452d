# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a personalization is, in one line that says how long it will still take."""

from __future__ import annotations

import sys
import time


class StepLine:
    """On a terminal one line that renews itself; in a log a line every tenth of the way."""

    def __init__(self, total: int, first: int, minutes_left: float) -> None:
        self._total, self._first = total, first
        self._start = time.monotonic()
        self._end = self._start + 60 * minutes_left
        self._live = sys.stderr.isatty()
        self._tenth = -1

    def show(self, done: int, gain: float | None) -> None:
        """done: steps. gain: by how much the best so far is better, as a share, if anything."""
        now = time.monotonic()
        a_step = (now - self._start) / max(1, done - self._first)
        left = max(0.0, min((self._total - done) * a_step, self._end - now))
        better = "nothing better yet" if gain is None else f"best so far {100 * gain:.1f}% better"
        text = f"personalize: step {done}/{self._total}, {better}, at most {left:.0f} s left"
        if self._live:
            print(f"\r{text}  ", end="", file=sys.stderr, flush=True)
        elif done * 10 // self._total > self._tenth:
            self._tenth = done * 10 // self._total
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the line."""
        if self._live:
            print(file=sys.stderr, flush=True)
