# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `evaluate` of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from inference.errors import Cancelled, InputError
from inference.generator.contract import TIERS
from inference.generator.model import PROVIDERS
from inference.progress import Progress, progress_meter


def add_evaluate(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "evaluate", help="measure a generator on clips, beside the warp and the still picture"
    )
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 8, 32], metavar="T",
                        help="numbers of source pictures (default: 1 8 32)")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="report.json")
    parser.add_argument("--model", type=Path, metavar="M.onnx", help="instead of a shipped tier")
    parser.add_argument("--tier", choices=TIERS, default="draft", help="default: draft")
    parser.add_argument("--targets", type=int, default=32, metavar="N",
                        help="frames of each clip, at most (default: 32)")  # fmt: skip
    parser.add_argument("--provider", choices=PROVIDERS, default="auto")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one for each core")
    parser.set_defaults(run=run_evaluate)


def run_evaluate(options: argparse.Namespace) -> None:
    """Evaluate as the options say, write the report and print its tables."""
    from export.evaluation.clips import RUN
    from export.evaluation.evaluate import evaluate
    from export.evaluation.report import check_name, write_report
    from inference.frames import check_writable

    shots = sorted(set(options.shots))
    if shots[0] < 1:
        raise InputError(f"--shots {shots[0]}: at least one source picture is needed")
    if options.targets < RUN:
        raise InputError(f"--targets {options.targets}: frames are taken {RUN} in a row; "
                         f"ask for {RUN} or more")  # fmt: skip
    if options.processes is not None and options.processes < 1:
        raise InputError("--processes must be 1 or more")
    check_name(options.out)
    check_writable(options.out)
    try:
        evaluated = evaluate(
            options.clips, shots, options.model or options.tier, options.targets,
            options.provider, options.processes, _progress_line("clips read"),
            _progress_line("frames measured"),
        )  # fmt: skip
    except KeyboardInterrupt:
        raise Cancelled(f"{options.out}: interrupted; nothing was written") from None
    written = write_report(evaluated, options.out)
    print(written[1].read_text(encoding="utf-8"), end="")
    print(", ".join(map(str, written)))


def _progress_line(what: str) -> Progress:
    live, tenth = sys.stderr.isatty(), 0
    meter: Progress | None = None

    def report(done: int, total: int, _: float, left: float) -> None:
        nonlocal tenth
        text = f"evaluate: {done}/{total} {what}, {left:.0f} s left"
        if done and live:
            print(f"\r{text}  ", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done * 10 // total > tenth:
            tenth = done * 10 // total
            print(text, file=sys.stderr, flush=True)

    def progress(done: int, total: int) -> None:
        nonlocal meter
        meter = meter or progress_meter(report)  # its clock starts when this stage does
        meter(done, total)

    return progress
