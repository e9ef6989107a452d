# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `evaluate` of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.errors import Cancelled, InputError
from inference.generator.contract import TIERS
from inference.generator.model import PROVIDERS, load_generator, model_path
from inference.outputs import refuse_inputs
from inference.progress import Progress, progress_meter

if TYPE_CHECKING:
    from export.evaluation.people import Personalizing


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
    parser.add_argument("--personalize", type=Path, metavar="DIR",
                        help="also fine-tune on each clip's sources; DIR keeps the people's "
                        "folders, and those that it holds already are used")  # fmt: skip
    parser.add_argument("--minutes", type=float, default=5.0,
                        help="of each fine-tuning, at most (default: %(default)g)")  # fmt: skip
    parser.add_argument("--provider", choices=PROVIDERS, default="auto")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one for each core")
    parser.set_defaults(run=run_evaluate)


def run_evaluate(options: argparse.Namespace) -> None:
    """Evaluate as the options say, write the report and print its tables."""
    from export.evaluation.clips import RUN
    from export.evaluation.evaluate import evaluate
    from export.evaluation.report import write_report
    from export.evaluation.report_files import check_report
    from inference.files import check_writable

    shots = sorted(set(options.shots))
    if shots[0] < 1:
        raise InputError(f"--shots {shots[0]}: at least one source picture is needed")
    if options.targets < RUN:
        raise InputError(f"--targets {options.targets}: frames are taken {RUN} in a row; "
                         f"ask for {RUN} or more")  # fmt: skip
    if options.processes is not None and options.processes < 1:
        raise InputError("--processes must be 1 or more")
    if options.minutes <= 0:
        raise InputError("--minutes must be above 0")
    check_report(options.out, shots, [options.model] if options.model else [])
    if options.personalize is not None:
        refuse_inputs([options.personalize], [options.clips])
    check_writable(options.out)
    try:
        evaluated = evaluate(
            options.clips, shots, options.model or options.tier, options.targets,
            options.provider, options.processes, _progress_line("clips read"),
            _progress_line("frames measured"), _personalizing(options),
            _progress_line("people fine-tuned"),
        )  # fmt: skip
    except KeyboardInterrupt:
        kept = f"; people in {options.personalize} are kept" if options.personalize else ""
        raise Cancelled(f"{options.out}: interrupted; no report was written{kept}") from None
    written = write_report(evaluated, options.out)
    print(written[1].read_text(encoding="utf-8"), end="")
    print(", ".join(map(str, written)))


def _personalizing(options: argparse.Namespace) -> Personalizing | None:
    """How people are fine-tuned on, if at all. Raises InputError when the model cannot be."""
    if options.personalize is None:
        return None
    from export.checkpoint import load_weights
    from export.evaluation.people import Personalizing
    from export.networks.warp import TIER_CONFIGS, WarpGenerator

    model = load_generator(model_path(options.model or options.tier), "cpu")
    if model.size != 256:
        raise InputError(f"{model.path}: people are fine-tuned at 256; this one is of {model.size}")
    # Told before the clips are read, not after.
    load_weights(WarpGenerator(TIER_CONFIGS[model.tier]), model.path, f"warp {model.tier}")
    return Personalizing(options.personalize, model.path, model.tier, options.minutes)


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
