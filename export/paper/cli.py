# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `paper` of `python -m export`, and what `personalize --generator paper` adds.

Every field of `PaperConfig` is an option of `paper`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from export.paper.person_config import PaperPersonConfig
from export.paper.train_config import PaperConfig
from export.personalization.config import MOST_PICTURES
from export.training.cli import add_fields
from export.training.config import LAST_STEP
from inference.errors import Cancelled, InputError

SHOTS = 8
FRAMES = 24  # of the clip's second half, that it is judged on


def add_commands(commands: Any) -> None:
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


def add_paper_options(parser: argparse.ArgumentParser) -> None:
    """The options that only this generator has."""
    parser.add_argument(
        "--data", type=Path, metavar="DATA", help="paper only: prepared footage, with --clip"
    )
    parser.add_argument(
        "--clip",
        metavar="NAME",
        help="paper only: judge on unseen frames of this clip's second half; "
        "without --portrait the pictures come from its first half",
    )
    parser.add_argument(
        "--shots",
        type=int,
        default=SHOTS,
        metavar="T",
        help="paper only: pictures from the clip (default: %(default)s)",
    )


def run_paper_person(options: argparse.Namespace) -> None:
    """Personalize as the options say and print what stands."""
    config = read_paper_config(options)
    from export.folders import check_folder, writing
    from export.paper.person import personalize_paper
    from export.paper.person_folder import write_paper_person
    from export.paper.person_judge import judge_unseen
    from export.paper.person_kind import PAPER_FOLDER
    from export.paper.person_pictures import (
        halve_clip,
        person_of_clip,
        person_of_portraits,
    )
    from export.paper.person_weights import load_meta_learned
    from export.personalization.folder import kept_line
    from export.personalization.pictures import open_pictures

    read = [*config.portraits, config.checkpoint, *([options.data] if options.data else [])]
    check_folder(config.out, PAPER_FOLDER, read)
    meta = load_meta_learned(config.checkpoint)  # a wrong one is refused at once
    halves = halve_clip(options.data, options.clip, options.shots, FRAMES) if options.clip else None
    try:
        if config.portraits:
            person = person_of_portraits(
                open_pictures(config.portraits, config.portrait_face, lambda done, total: None)
            )
        else:
            assert halves is not None
            person = person_of_clip(halves)
        with writing(config.out, PAPER_FOLDER, read):
            made = personalize_paper(config, meta, person)
            unseen = judge_unseen(halves, made.feed_forward, made.generator) if halves else None
            write_paper_person(made, config, unseen)
    except KeyboardInterrupt:
        raise Cancelled(
            f"{config.out}: interrupted; the same command goes on from a minute or so before"
        ) from None
    print(kept_line(config.out, made, len(person.names)))
    print(f"held-back pictures: SSIM {made.before.ssim:.3f} -> {made.after.ssim:.3f}")
    if unseen is not None:
        print(unseen.line())
    if not meta.judge_steps:
        print(
            "the checkpoint's discriminator has learned nothing yet: train longer, or with an "
            "earlier --adversary-from",
            file=sys.stderr,
        )


def read_paper_config(options: argparse.Namespace) -> PaperPersonConfig:
    """The options as a checked configuration. Raises InputError for what makes no sense."""
    if options.tier is not None:
        raise InputError("the paper's generator has no tiers; leave --tier out")
    if options.checkpoint is None:
        raise InputError(
            "--generator paper needs --checkpoint: one that python -m export paper wrote"
        )
    if (options.data is None) != (options.clip is None):
        raise InputError("--data and --clip belong together: a prepared folder and a clip in it")
    if not options.portrait and options.clip is None:
        raise InputError("give pictures with --portrait, or a prepared clip with --data and --clip")
    if not 1 <= options.shots <= MOST_PICTURES:
        raise InputError(f"--shots is {options.shots}; give 1 to {MOST_PICTURES}")
    standard = PaperPersonConfig((), options.out, options.checkpoint)
    return PaperPersonConfig(
        tuple(options.portrait or ()),
        options.out,
        options.checkpoint,
        options.portrait_face,
        standard.minutes if options.minutes is None else options.minutes,
        standard.steps if options.steps is None else options.steps,
    )
