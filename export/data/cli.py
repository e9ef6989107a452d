# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `prepare` of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from inference.errors import Cancelled
from inference.progress import Progress, progress_meter


def add_prepare(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "prepare", help="track and pack a folder of clips, or VoxCeleb, for training"
    )
    parser.add_argument("source", type=Path, metavar="SRC")
    parser.add_argument("--out", type=Path, required=True, metavar="DATA")
    parser.add_argument("--size", type=int, default=512, metavar="PIXELS",
                        help="larger crops are shrunk to this side (default: 512)")  # fmt: skip
    parser.add_argument("--quality", type=int, default=92, help="of the JPEGs (default: 92)")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one for each core")
    parser.add_argument("--val-share", type=float, default=0.1, metavar="SHARE",
                        help="of people held back if SRC does not say (default: 0.1)")  # fmt: skip
    parser.set_defaults(run=run_prepare)


def run_prepare(options: argparse.Namespace) -> None:
    """Prepare as the options say and print what stands."""
    from export.data.prepare import SKIPPED, PrepareSettings, prepare

    settings = PrepareSettings(options.size, options.quality)
    try:
        made = prepare(options.source, options.out, settings, options.processes,
                       options.val_share, _progress_line())  # fmt: skip
    except KeyboardInterrupt:
        raise Cancelled(f"{options.out}: interrupted; finished clips are kept, the same command "
                        "goes on") from None  # fmt: skip
    print(f"{options.out}: {made.clips} clips of {made.people} people, {made.frames} frames, "
          f"{made.megabytes:.0f} MB")  # fmt: skip
    if made.skipped:
        print(f"{len(made.skipped)} files could not be used, see {options.out / SKIPPED}; delete "
              "that list to try them again")  # fmt: skip


def _progress_line() -> Progress:
    live = sys.stderr.isatty()

    def report(done: int, total: int, rate: float, left: float) -> None:
        text = f"prepare: {done}/{total} clips, {left:.0f} s left"
        if live:
            end = "\n" if done == total else ""
            print(f"\r{text}  ", end=end, file=sys.stderr, flush=True)
        elif done == total or done % max(1, total // 50) == 0:
            print(text, file=sys.stderr, flush=True)

    return progress_meter(report)
