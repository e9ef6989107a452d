# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `train`, `run` and `join` of `python -m export`.

Every field of `TrainConfig` is an option of `train`; `run` and `join` train on a machine that is
borrowed for minutes.
"""

from __future__ import annotations

import argparse
import time
import typing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from export.training.config import DISCRIMINATORS, LAST_STEP, TrainConfig
from inference.errors import Cancelled, InputError, LikenessError
from inference.generator.contract import TIERS


def add_commands(commands: Any) -> None:
    """Register all three; `commands` is what argparse's add_subparsers returned."""
    _add_train(commands)
    _add_run(commands)


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="meta-learn the warp generator on prepared footage",
        description="Goes on from the newest checkpoint in --out. Many processes: start it with "
        "torchrun. The fields are explained in export/training/config.py.",
    )
    add_fields(parser, TrainConfig)
    parser.set_defaults(run=run_train)


def add_fields(parser: argparse.ArgumentParser, config: type[Any]) -> None:
    """Every field of the dataclass `config` as an option of its name."""
    kinds = typing.get_type_hints(config)
    for field in fields(config):
        needed = field.default is MISSING
        option: dict[str, Any] = {"required": True} if needed else {"default": field.default}
        kind = kinds[field.name]
        if kind is bool:
            option |= {"action": argparse.BooleanOptionalAction}
        elif typing.get_origin(kind) is tuple:
            option |= {"type": float, "nargs": len(typing.get_args(kind))}
        else:
            kind = Path if kind == Path | None else kind
            option |= {"type": kind, "metavar": kind.__name__.upper()}
        parser.add_argument(f"--{field.name.replace('_', '-')}", **option)


def run_train(options: argparse.Namespace) -> None:
    """Train as the options say and name the last checkpoint."""
    config = read_config(options)
    from export.training.train import train

    try:
        print(train(config))
    except KeyboardInterrupt:
        raise Cancelled(
            f"{config.out}: interrupted; the same command goes on from the last checkpoint"
        ) from None


def read_config(options: argparse.Namespace) -> TrainConfig:
    """The options as a checked configuration. Raises InputError for what makes no sense."""
    values = {field.name: getattr(options, field.name) for field in fields(TrainConfig)}
    config = TrainConfig(**{**values, "betas": tuple(values["betas"])})
    if config.tier not in TIERS:
        raise InputError(f"there is no tier '{config.tier}'; choose one of {', '.join(TIERS)}")
    if config.loader not in ("workers", "resident"):
        raise InputError(f"there is no loader '{config.loader}'; choose workers or resident")
    for name in ("crop", "mouth_crop"):
        side = getattr(config, name)
        if side % 32 or not 64 <= side <= 256:
            option = "--" + name.replace("_", "-")
            raise InputError(f"{option} is {side}; choose a multiple of 32 from 64 to 256")
    for name in (
        "batch",
        "steps",
        "most_sources",
        "whole_every",
        "log_every",
        "grid_every",
        "keep_checkpoints",
    ):
        if getattr(config, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} must be at least 1")
    if not 0 <= config.merge_share <= 1:
        raise InputError(f"--merge-share is {config.merge_share:g}; choose 0 to 1")
    if config.merge_share and config.loader == "resident":
        raise InputError("--merge-share: only the loader workers lays sources together")
    if config.mouth_every < 0:
        raise InputError("--mouth-every must be 0 (none) or more")
    if config.steps > LAST_STEP:
        raise InputError(f"--steps is {config.steps}; choose {LAST_STEP} at most")
    if config.adversary not in DISCRIMINATORS:
        raise InputError(
            f"--adversary is '{config.adversary}'; choose one of {', '.join(DISCRIMINATORS)}"
        )
    if not Path(config.data).is_dir():
        raise InputError(
            f"{config.data}: there is no such folder; make one with: python -m export prepare"
        )
    return config


def _add_run(commands: Any) -> None:
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
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="what is kept from run to run (default: a folder of --data and --out in your cache)",
    )
    parser.add_argument(
        "--reserve",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="of --minutes, for validation and export (default: 60)",
    )
    parser.add_argument(
        "--start-up",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="of --minutes, until the first step (default: 30)",
    )
    parser.add_argument(
        "--plan",
        type=float,
        default=0.0,
        metavar="MINUTES",
        help="of training in all runs together, for its schedule",
    )
    parser.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        metavar="-- OPTIONS",
        help="of `train`, such as -- --batch 64 --crop 192",
    )
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
    job = Run(
        options.data,
        options.out,
        options.minutes,
        work,
        options.tier,
        options.checkpoint or options.resume,
        options.reserve,
        options.start_up,
        further,
        options.plan,
    )
    try:
        outcome = run(job, options.began)
    except KeyboardInterrupt:
        raise Cancelled(
            f"{work}: interrupted; the same command goes on from the last checkpoint"
        ) from None
    size = sum(path.stat().st_size for path in outcome.pieces) / 1e6
    print(
        f"{options.out}: step {outcome.step}, {outcome.minutes:.2f} minutes of training, "
        f"{len(outcome.pieces)} files of {size:.1f} MB"
    )
    if outcome.left_out:
        print(f"not among them: {', '.join(outcome.left_out)}")
    if outcome.failed:
        raise LikenessError(
            f"{work}: the training broke off, see above; the results are those "
            f"of its last checkpoint, step {outcome.step}"
        )


def run_join(options: argparse.Namespace) -> None:
    """Join as the options say and name the checkpoint."""
    from export.training.timed import resume_from

    print(resume_from(options.results, options.out))
