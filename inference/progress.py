# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress with rate and time left, for events and for people."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Progress = Callable[[int, int], None]  # done, total
Report = Callable[[int, int, float, float], None]  # done, total, a second, seconds left

_EVERY = 0.1  # seconds between reports


def progress_meter(report: Report) -> Progress:
    """Add the rate and the time left to (done, total), and thin the reports out in time."""
    start = time.monotonic()
    first: list[int] = []
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if not first:
            first.append(done - 1)  # what was kept from before took no time
        now = time.monotonic()
        if now - last < _EVERY and done < total:
            return
        last = now
        rate = (done - first[0]) / max(now - start, 1e-6)
        report(done, total, rate, (total - done) / max(rate, 1e-6))

    return progress


def portions(progress: Progress, *counts: int) -> list[Progress]:
    """One progress for each part of the work, in the order in which they are done; `counts` says
    how long each takes, `progress` counts to 100.
    """
    total = sum(counts)

    def part(before: int, count: int) -> Progress:
        def here(done: int, of: int) -> None:
            progress(round(100 * (before + count * done / max(of, 1)) / total), 100)

        return here

    return [part(sum(counts[:index]), count) for index, count in enumerate(counts)]


def progress_line(what: str, of: str = "frames") -> Progress:
    """On a terminal one line that renews itself; in a log one line for every fifth of the way."""
    fifth = -1
    live = sys.stderr.isatty()

    def report(done: int, total: int, rate: float, left: float) -> None:
        nonlocal fifth
        text = f"{what}: {done}/{total}, {rate:.1f} {of} a second, {left:.0f} s left"
        if live:
            end = "\n" if done == total else ""
            print(f"\r{text}  ", end=end, file=sys.stderr, flush=True)
        elif done * 5 // total > fifth:
            fifth = done * 5 // total
            print(text, file=sys.stderr, flush=True)

    return progress_meter(report)
