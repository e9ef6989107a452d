# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `personalize` of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from export.paper.cli import add_paper_options, run_paper_person
from export.paper.person_config import PaperPersonConfig
from export.personalization.config import FEWEST_TO_TRAIN, MOST_PICTURES, PersonalizeConfig
from inference.errors import Cancelled, InputError
from inference.generator.contract import TIERS
from inference.generator.model import model_path


def add_commands(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "personalize",
        help="fine-tune a generator on pictures of one person",
        description="Writes a folder for: python -m inference synthesize --person DIR; of the "
        "paper's generator one with its ONNX file, figures and pictures. The same command goes on "
        "where it was interrupted.",
    )
    parser.add_argument("--generator", choices=("warp", "paper"), default="warp")
    parser.add_argument(
        "--portrait",
        type=Path,
        nargs="+",
        metavar="P",
        help=f"1 to {MOST_PICTURES} pictures, the main one first",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="C",
        help="that training wrote, or an exported .onnx (default: the shipped model of the tier)",
    )
    parser.add_argument(
        "--tier", choices=TIERS, help=f"of the warp generator (default: {PersonalizeConfig.tier})"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help=f"of training at most (default: {PersonalizeConfig.minutes:g}; paper: "
        f"{PaperPersonConfig.minutes:g})",
    )
    parser.add_argument(
        "--steps",
        type=int,
        help=f"of training at most (default: {PersonalizeConfig.steps}; paper: "
        f"{PaperPersonConfig.steps})",
    )
    parser.add_argument(
        "--portrait-face",
        type=int,
        metavar="N",
        help="which face in the first picture, from left to right",
    )
    add_paper_options(parser)
    parser.set_defaults(run=run_personalize)


def run_personalize(options: argparse.Namespace) -> None:
    """Personalize as the options say and print what stands."""
    _check(options)
    if options.generator == "paper":
        run_paper_person(options)
        return
    config = read_config(options)
    from export.folders import writing
    from export.personalization.folder import kept_line, write_person
    from export.personalization.personalize import personalize, read_files
    from inference.generator.person import PERSON_FOLDER

    try:
        with writing(config.out, PERSON_FOLDER, read_files(config)):
            made = personalize(config)
            write_person(made, config)
    except KeyboardInterrupt:
        raise Cancelled(
            f"{config.out}: interrupted; the same command goes on from the last judgement"
        ) from None
    count = len(made.pictures)
    print(kept_line(config.out, made, count))
    if count < FEWEST_TO_TRAIN:
        print(
            "nothing is trained on a single picture, which says nothing about other poses; give "
            "more, of other poses and with the mouth open"
        )
    elif not made.better:
        print(
            "no step was better than feed-forward on what was held back; more pictures, of "
            "other poses and with the mouth open, may change that"
        )
    if count > 1:
        print(
            "whether all pictures show the same person cannot be checked; look at before_after.png",
            file=sys.stderr,
        )


def read_config(options: argparse.Namespace) -> PersonalizeConfig:
    """The options as a checked configuration. Raises InputError for what makes no sense."""
    if not options.portrait:
        raise InputError(f"give 1 to {MOST_PICTURES} pictures of one person with --portrait")
    if options.clip is not None or options.data is not None:
        raise InputError(
            "--data and --clip belong to --generator paper; the warp generator is "
            "judged by: python -m export evaluate --personalize DIR"
        )
    standard = PersonalizeConfig((), options.out, Path())
    tier = options.tier or standard.tier
    return PersonalizeConfig(
        tuple(options.portrait),
        options.out,
        options.checkpoint or model_path(tier),
        tier,
        options.portrait_face,
        standard.minutes if options.minutes is None else options.minutes,
        standard.steps if options.steps is None else options.steps,
    )


def _check(options: argparse.Namespace) -> None:
    """What both generators ask of the options."""
    if len(options.portrait or ()) > MOST_PICTURES:
        raise InputError(f"{len(options.portrait)} pictures were given; give 1 to {MOST_PICTURES}")
    if options.minutes is not None and options.minutes <= 0:
        raise InputError("--minutes must be above 0")
    if options.steps is not None and options.steps < 1:
        raise InputError("--steps must be at least 1")
