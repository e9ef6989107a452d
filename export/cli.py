# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.data.cli import add_pack, add_prepare
from export.evaluation.cli import add_evaluate
from export.evaluation.retargeting_cli import add_retargeting
from export.evaluation.turn_sheet_cli import add_sheet
from export.evaluation.turns_cli import add_turns
from export.face.cli import add_face
from export.head.cli import add_head
from export.paper.train_cli import add_paper
from export.personalization.cli import add_personalize
from export.persons import add_persons
from export.training.cli import add_train
from export.training.timed_cli import add_run
from inference.errors import InputError, LikenessError
from inference.generator.contract import SIZES, TIERS
from inference.outputs import refuse_inputs

_RANDOM = "random"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or an error's own after printing its one line."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except LikenessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    onnx = commands.add_parser("onnx", help="write a generator as an ONNX file")
    onnx.add_argument("--generator", choices=("warp", "paper"), default="warp")
    onnx.add_argument("--tier", choices=TIERS, help="of the warp generator")
    onnx.add_argument("--size", type=int, choices=SIZES, help="picture size (default: 256)")
    onnx.add_argument("--checkpoint", type=Path, metavar="C.pt", help="default: untrained")
    onnx.add_argument("--seed", type=int, default=0, help="of untrained weights (default: 0)")
    onnx.add_argument("--weights", choices=("fp16", "fp32", "int8", "half"), default="fp16",
                      help="fp16, fp32: as stored; warp only: half computes in float16, for CUDA, "
                      "int8 in 8-bit integers, for CPUs")  # fmt: skip
    onnx.add_argument("--data", type=Path, metavar="DATA",
                      help="prepared footage, whose frames int8 takes its ranges from")  # fmt: skip
    onnx.add_argument(
        "--fold", nargs="?", const=_RANDOM, metavar="E.npy",
        help="paper only: make one person's AdaIN parameters constants (default: a random person)",
    )  # fmt: skip
    onnx.add_argument("--out", type=Path, required=True, metavar="F.onnx")
    onnx.set_defaults(run=_onnx)
    add_prepare(commands)
    add_pack(commands)
    add_train(commands)
    add_run(commands)
    add_paper(commands)
    add_evaluate(commands)
    add_retargeting(commands)
    add_turns(commands)
    add_sheet(commands)
    add_personalize(commands)
    add_face(commands)
    add_head(commands)
    add_persons(commands)
    return parser


def _onnx(options: argparse.Namespace) -> None:
    _check(options)
    refuse_inputs([options.out], _read(options))
    # torch takes seconds to import: not for --help or a mistyped option.
    from export.generators import (
        export_half_warp,
        export_paper,
        export_quantized_warp,
        export_warp,
        random_person,
        read_person,
    )

    if options.weights == "int8":
        made = export_quantized_warp(
            options.out, options.tier, options.size or SIZES[0], checkpoint=options.checkpoint,
            data=options.data,
        )  # fmt: skip
        print(f"{made.path}: {made.size / 1e6:.1f} MB, its pictures differ from float's by "
              f"{made.difference:.2f} of 255 on average")  # fmt: skip
        return
    if options.weights == "half":
        half = export_half_warp(
            options.out, options.tier, options.size or SIZES[0], checkpoint=options.checkpoint,
            seed=options.seed,
        )  # fmt: skip
        print(f"{half.path}: {half.size / 1e6:.1f} MB, differs from float32 by "
              f"{half.difference:.1g} at most")  # fmt: skip
        return
    if options.generator == "warp":
        report = export_warp(
            options.out, options.tier, options.size or SIZES[0], checkpoint=options.checkpoint,
            seed=options.seed, weights=options.weights,
        )  # fmt: skip
    else:
        person = None
        if options.fold == _RANDOM:
            person = random_person(options.seed)
        elif options.fold is not None:
            person = read_person(Path(options.fold))
        report = export_paper(
            options.out, checkpoint=options.checkpoint, seed=options.seed,
            weights=options.weights, person=person,
        )  # fmt: skip
    print(f"{report.path}: {report.size / 1e6:.1f} MB, differs from torch by "
          f"{report.difference:.1g} at most")  # fmt: skip


def _read(options: argparse.Namespace) -> list[Path]:
    """What is read beside the checkpoint."""
    given = [options.data] if options.data else []
    return given if options.fold in (None, _RANDOM) else [*given, Path(options.fold)]


def _check(options: argparse.Namespace) -> None:
    if options.generator == "warp":
        if options.tier is None:
            raise InputError("the warp generator needs --tier draft or --tier final")
        if options.fold is not None:
            raise InputError("--fold belongs to --generator paper: the warp generator's file "
                             "takes the person's vector as an input")  # fmt: skip
        if options.tier == "draft" and options.size == 512:
            raise InputError("the draft tier works at 256 only; use --size 256 or --tier final")
    elif options.tier is not None or options.size not in (None, 256):
        raise InputError("the paper's generator has one size, 256, and no tiers; "
                         "leave --tier and --size out")  # fmt: skip
    if options.weights == "half" and options.generator != "warp":
        raise InputError("--weights half is for the warp generator; use fp16")
    if options.weights == "int8":
        if options.generator != "warp" or options.checkpoint is None:
            raise InputError("--weights int8 is for a trained warp generator; name its "
                             "--checkpoint")  # fmt: skip
        if options.data is None:
            raise InputError("--weights int8 needs --data: a folder that python -m export prepare "
                             "wrote")  # fmt: skip
