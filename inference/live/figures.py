# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a live run as a table: what each stage takes, and how late a picture is shown."""

from __future__ import annotations

import numpy as np

from inference.live.chain import Figures

# In the order in which a frame goes through them.
STAGES = (
    ("wait", "waits for the tracker, or in the jitter buffer"),
    ("track", "face found, landmarks, state"),
    ("retarget", "smoothed, onto the portrait"),
    ("queue", "waits for a drawer"),
    ("warp", "warp"),
    ("network", "network"),
    ("composite", "composite"),
    ("show", "handed to where it is shown"),
)


def figures_table(figures: Figures, skip: float = 2.0) -> str:
    """Markdown: milliseconds by stage, as they pass (median, 99th percentile) and of the processor.

    skip: seconds at the start that do not count. Empty where too little was shown.
    """
    frames = list(figures.frames)
    frames = [frame for frame in frames if frame.at - frames[0].at >= skip]
    if len(frames) < 10:
        return ""
    lines = ["| stage | ms, median | 99th percentile | processor, ms |", "|---|---|---|---|"]
    for name, words in STAGES:
        passed = [1000 * frame.passed[name] for frame in frames if name in frame.passed]
        if not passed:
            continue
        worked = [1000 * frame.worked[name] for frame in frames if name in frame.worked]
        work = f"{np.mean(worked):.1f}" if worked else ""
        lines.append(f"| {words} | {_two(passed)} | {work} |")
    delays = [1000 * frame.delay for frame in frames]
    all_work = np.mean([1000 * sum(frame.worked.values()) for frame in frames])
    lines.append(f"| **arrival to shown** | {_two(delays)} | {all_work:.1f} |")
    span = frames[-1].at - frames[0].at
    lines.append("")
    lines.append(f"{(len(frames) - 1) / max(span, 1e-6):.1f} frames a second over {span:.0f} s")
    return "\n".join(lines)


def _two(values: list[float]) -> str:
    return f"{np.median(values):.1f} | {np.quantile(values, 0.99):.1f}"
