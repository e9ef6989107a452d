# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `prepare`, `pack` and `unpack` of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from inference.errors import Cancelled, InputError
from inference.progress import Progress, progress_meter


def add_commands(commands: Any) -> None:
    """Register all three; `commands` is what argparse's add_subparsers returned."""
    _add_prepare(commands)
    _add_pack(commands)


def _add_prepare(commands: Any) -> None:
    parser = commands.add_parser(
        "prepare", help="track and pack a folder of clips, or VoxCeleb, for training"
    )
    parser.add_argument("source", type=Path, metavar="SRC")
    parser.add_argument("--out", type=Path, required=True, metavar="DATA")
    parser.add_argument(
        "--size",
        type=int,
        default=512,
        metavar="PIXELS",
        help="larger crops are shrunk to this side (default: 512)",
    )
    parser.add_argument("--quality", type=int, default=92, help="of the JPEGs (default: 92)")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one for each core")
    parser.add_argument(
        "--val-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of people held back if SRC does not say (default: 0.1)",
    )
    parser.add_argument(
        "--no-mattes", action="store_true", help="do not tell the people from the background"
    )
    parser.set_defaults(run=run_prepare)


def run_prepare(options: argparse.Namespace) -> None:
    """Prepare as the options say and print what stands."""
    if options.size < 1 or not 1 <= options.quality <= 100 or not 0 <= options.val_share <= 1:
        raise InputError("--size must be 1 or more, --quality 1 to 100, --val-share 0 to 1")
    if options.processes is not None and options.processes < 1:
        raise InputError("--processes must be 1 or more")
    from export.data.layout import SKIPPED
    from export.data.prepare import PrepareSettings, prepare

    settings = PrepareSettings(options.size, options.quality, not options.no_mattes)
    try:
        made = prepare(
            options.source,
            options.out,
            settings,
            options.processes,
            options.val_share,
            _progress_line(),
        )
    except KeyboardInterrupt:
        raise Cancelled(
            f"{options.out}: interrupted; finished clips are kept, the same command goes on"
        ) from None
    print(
        f"{options.out}: {made.clips} clips of {made.people} people, {made.frames} frames, "
        f"{made.megabytes:.0f} MB"
    )
    if made.skipped:
        print(
            f"{len(made.skipped)} files could not be used, see {options.out / SKIPPED}; delete "
            "that list to try them again"
        )


def _add_pack(commands: Any) -> None:
    packing = commands.add_parser(
        "pack", help="cut prepared data into parts that can be copied one by one"
    )
    packing.add_argument("data", type=Path, metavar="DATA")
    packing.add_argument("--out", type=Path, required=True, metavar="PARTS")
    packing.add_argument(
        "--megabytes",
        type=float,
        default=45.0,
        metavar="MB",
        help="of a part, at most (default: 45)",
    )
    packing.add_argument(
        "--side",
        type=int,
        default=0,
        metavar="PIXELS",
        help="larger pictures are shrunk to it (default: none is)",
    )
    packing.add_argument(
        "--every", type=int, default=1, metavar="N", help="keep one frame in N (default: all)"
    )
    packing.add_argument("--quality", type=int, default=92, help="of shrunk JPEGs (default: 92)")
    packing.set_defaults(run=run_pack)
    unpacking = commands.add_parser("unpack", help="make prepared data of its parts, checked")
    unpacking.add_argument("parts", type=Path, metavar="PARTS")
    unpacking.add_argument("--out", type=Path, required=True, metavar="DATA")
    unpacking.set_defaults(run=run_unpack)


def run_pack(options: argparse.Namespace) -> None:
    """Pack as the options say and print what stands."""
    from export.data.parts import Smaller, pack

    smaller = Smaller(options.side, options.every, options.quality)
    made = pack(
        options.data, options.out, options.megabytes, smaller, progress=_progress_line("pack")
    )
    size = sum(path.stat().st_size for path in made.parts) / 1e6
    print(
        f"{options.out}: {made.clips} clips, {made.frames} frames in {len(made.parts)} parts, "
        f"{size:.0f} MB"
    )


def run_unpack(options: argparse.Namespace) -> None:
    """Unpack as the options say and print what stands."""
    from export.data.parts import unpack

    data = unpack(options.parts, options.out)
    frames = sum(record.frames for record in data.records)
    print(f"{options.out}: {len(data)} clips, {frames} frames")


def _progress_line(what: str = "prepare") -> Progress:
    live = sys.stderr.isatty()

    def report(done: int, total: int, rate: float, left: float) -> None:
        text = f"{what}: {done}/{total} clips, {left:.0f} s left"
        if live:
            end = "\n" if done == total else ""
            print(f"\r{text}  ", end=end, file=sys.stderr, flush=True)
        elif done == total or done % max(1, total // 50) == 0:
            print(text, file=sys.stderr, flush=True)

    return progress_meter(report)
