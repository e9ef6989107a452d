# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `train` of `python -m export`: every field of `TrainConfig` is an option."""

from __future__ import annotations

import argparse
import typing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from export.training.config import DISCRIMINATORS, LAST_STEP, TrainConfig
from inference.errors import Cancelled, InputError
from inference.generator.contract import TIERS


def add_train(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
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
    for name in ("batch", "steps", "most_sources", "whole_every", "judge_every", "log_every",
                 "grid_every", "keep_checkpoints"):  # fmt: skip
        if getattr(config, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} must be at least 1")
    if config.mouth_every < 0:
        raise InputError("--mouth-every must be 0 (none) or more")
    if config.steps > LAST_STEP:
        raise InputError(f"--steps is {config.steps}; choose {LAST_STEP} at most")
    if config.adversary not in DISCRIMINATORS:
        raise InputError(f"--adversary is '{config.adversary}'; choose one of "
                         f"{', '.join(DISCRIMINATORS)}")  # fmt: skip
    if not Path(config.data).is_dir():
        raise InputError(
            f"{config.data}: there is no such folder; make one with: python -m export prepare"
        )
    return config
