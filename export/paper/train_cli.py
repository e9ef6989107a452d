# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `paper` of `python -m export`: every field of `PaperConfig` is an option."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from export.paper.train_config import PaperConfig
from export.training.cli import add_fields
from export.training.config import LAST_STEP
from inference.errors import Cancelled, InputError


def add_paper(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "paper",
        help="train the networks of the 2019 paper on prepared footage",
        description="Goes on from the newest checkpoint in --out. With --clip it overfits one "
        "clip, whose last fifth is held back. Fields: export/training/config.py.",
    )
    add_fields(parser, PaperConfig)
    parser.set_defaults(run=run_paper)


def run_paper(options: argparse.Namespace) -> None:
    """Train as the options say and name the last checkpoint."""
    if min(options.steps, options.batch, options.shots, options.log_every, options.grid_every) < 1:
        raise InputError("--steps, --batch, --shots, --log-every and --grid-every are at least 1")
    if options.steps > LAST_STEP:
        raise InputError(f"--steps is {options.steps}; choose {LAST_STEP} at most")
    from export.paper.train import train_paper

    given = {field.name: getattr(options, field.name) for field in fields(PaperConfig)}
    try:
        print(train_paper(PaperConfig(**given)))
    except KeyboardInterrupt:
        raise Cancelled(
            f"{options.out}: interrupted; the same command goes on from the last checkpoint"
        ) from None
