# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `personalize --generator paper` of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from export.paper.person_config import PaperPersonConfig
from export.personalization.config import MOST_PICTURES
from inference.errors import Cancelled, InputError

SHOTS = 8
FRAMES = 24  # of the clip's second half, that it is judged on


def add_paper_options(parser: argparse.ArgumentParser) -> None:
    """The options that only this generator has."""
    parser.add_argument("--data", type=Path, metavar="DATA",
                        help="paper only: prepared footage, with --clip")  # fmt: skip
    parser.add_argument("--clip", metavar="NAME",
                        help="paper only: judge on unseen frames of this clip's second half; "
                        "without --portrait the pictures come from its first half")  # fmt: skip
    parser.add_argument("--shots", type=int, default=SHOTS, metavar="T",
                        help="paper only: pictures from the clip "
                        "(default: %(default)s)")  # fmt: skip


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
    meta = load_meta_learned(config.checkpoint)  # a wrong one is told of at once
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
        print("the checkpoint's discriminator has learned nothing yet: train longer, or with an "
              "earlier --adversary-from", file=sys.stderr)  # fmt: skip


def read_paper_config(options: argparse.Namespace) -> PaperPersonConfig:
    """The options as a checked configuration. Raises InputError for what makes no sense."""
    if options.tier is not None:
        raise InputError("the paper's generator has no tiers; leave --tier out")
    if options.checkpoint is None:
        raise InputError("--generator paper needs --checkpoint: one that python -m export paper "
                         "wrote")  # fmt: skip
    if (options.data is None) != (options.clip is None):
        raise InputError("--data and --clip belong together: a prepared folder and a clip in it")
    if not options.portrait and options.clip is None:
        raise InputError("give pictures with --portrait, or a prepared clip with --data and --clip")
    if not 1 <= options.shots <= MOST_PICTURES:
        raise InputError(f"--shots is {options.shots}; give 1 to {MOST_PICTURES}")
    standard = PaperPersonConfig((), options.out, options.checkpoint)
    return PaperPersonConfig(
        tuple(options.portrait or ()), options.out, options.checkpoint, options.portrait_face,
        standard.minutes if options.minutes is None else options.minutes,
        standard.steps if options.steps is None else options.steps,
    )  # fmt: skip
