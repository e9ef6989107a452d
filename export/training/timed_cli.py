# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `run` and `join` of `python -m export`: training on a machine that is borrowed."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from inference.errors import Cancelled, InputError, LikenessError
from inference.generator.contract import TIERS


def add_run(commands: Any) -> None:
    """Register both; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "run",
        help="train for a given time and pack the results into small files",
        description="Unpacks the data where it comes in parts, trains, exports and packs, and "
        "never takes longer than --minutes. Run again, it goes on from what --work holds.",
    )
    parser.add_argument("--data", type=Path, required=True, help="prepared data, or its parts")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results' pieces")
    parser.add_argument("--minutes", type=float, required=True, help="for everything")
    parser.add_argument("--tier", choices=TIERS, default="final", help="default: final")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--checkpoint", type=Path, metavar="C.pt", help="to begin with")
    start.add_argument("--resume", type=Path, metavar="RESULTS", help="an earlier run's pieces")
    parser.add_argument("--work", type=Path, metavar="DIR",
                        help="what is kept from run to run (default: a folder of --data and --out "
                        "in your cache)")  # fmt: skip
    parser.add_argument("--reserve", type=float, default=60.0, metavar="SECONDS",
                        help="of --minutes, for validation and export (default: 60)")  # fmt: skip
    parser.add_argument("--start-up", type=float, default=30.0, metavar="SECONDS",
                        help="of --minutes, until the first step (default: 30)")  # fmt: skip
    parser.add_argument("--plan", type=float, default=0.0, metavar="MINUTES",
                        help="of training in all runs together, for its schedule")  # fmt: skip
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="-- OPTIONS",
                        help="of `train`, such as -- --batch 64 --crop 192")  # fmt: skip
    parser.set_defaults(run=run_timed, began=time.monotonic())
    joining = commands.add_parser("join", help="put a run's pieces together, to go on from them")
    joining.add_argument("results", type=Path, metavar="RESULTS")
    joining.add_argument("--out", type=Path, required=True, metavar="RUN")
    joining.set_defaults(run=run_join)


def run_timed(options: argparse.Namespace) -> None:
    """Run as the options say and name the pieces."""
    if options.minutes <= 0 or min(options.reserve, options.start_up) < 0:
        raise InputError("--minutes must be above 0, --reserve and --start-up at least 0")
    from export.training.timed import Run, run
    from export.training.work import default_work

    work = options.work or default_work(options.data, options.out)
    further = tuple(options.options[1:] if options.options[:1] == ["--"] else options.options)
    job = Run(options.data, options.out, options.minutes, work, options.tier,
              options.checkpoint or options.resume, options.reserve, options.start_up,
              further, options.plan)  # fmt: skip
    try:
        outcome = run(job, options.began)
    except KeyboardInterrupt:
        raise Cancelled(f"{work}: interrupted; the same command goes on from the last "
                        "checkpoint") from None  # fmt: skip
    size = sum(path.stat().st_size for path in outcome.pieces) / 1e6
    print(f"{options.out}: step {outcome.step}, {outcome.minutes:.2f} minutes of training, "
          f"{len(outcome.pieces)} files of {size:.1f} MB")  # fmt: skip
    if outcome.left_out:
        print(f"not among them: {', '.join(outcome.left_out)}")
    if outcome.failed:
        raise LikenessError(f"{work}: the training broke off, see above; the results are those "
                            f"of its last checkpoint, step {outcome.step}")  # fmt: skip


def run_join(options: argparse.Namespace) -> None:
    """Join as the options say and name the checkpoint."""
    from export.training.timed import resume_from

    print(resume_from(options.results, options.out))
