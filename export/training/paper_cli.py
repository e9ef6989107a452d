# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `paper` of `python -m export`: every field of `PaperConfig` is an option."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from inference.errors import Cancelled, InputError


def add_paper(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "paper",
        help="train the networks of the 2019 paper on prepared footage",
        description="Goes on from the newest checkpoint in --out. With --clip it overfits one "
        "clip, whose last fifth is held back. Fields: export/training/paper_train.py.",
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clip", default="", metavar="NAME")
    for name, default in (
        ("steps", 1_000_000), ("batch", 2), ("shots", 8), ("workers", 1), ("seed", 0),
        ("adversary-steps", 2), ("log-every", 10), ("grid-every", 200), ("threads", 0),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N")
    for name, value in (
        ("minutes", 60.0), ("rate", 5e-5), ("rate-adversary", 2e-4), ("adversary-from", 0.0),
        ("share-looks", 1.0), ("share-adversary", 0.25), ("share-features", 0.5),
        ("weight-match", 10.0), ("ema", 0.998), ("checkpoint-minutes", 3.0),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=float, default=value, metavar="X")
    parser.add_argument("--half", action=argparse.BooleanOptionalAction, default=True)
    parser.set_defaults(run=run_paper)


def run_paper(options: argparse.Namespace) -> None:
    """Train as the options say and name the last checkpoint."""
    if min(options.steps, options.batch, options.shots, options.log_every, options.grid_every) < 1:
        raise InputError("--steps, --batch, --shots, --log-every and --grid-every are at least 1")
    from export.training.paper_train import PaperConfig, train_paper

    given = {key: value for key, value in vars(options).items() if key not in ("command", "run")}
    try:
        print(train_paper(PaperConfig(**given)))
    except KeyboardInterrupt:
        raise Cancelled(
            f"{options.out}: interrupted; the same command goes on from the last checkpoint"
        ) from None
