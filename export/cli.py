# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export import personalize_cli, persons
from export.data import cli as data
from export.evaluation import cli as evaluation
from export.face import cli as face
from export.head import cli as head
from export.paper import cli as paper
from export.speech import cli as speech
from export.training import cli as training
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
    onnx.add_argument(
        "--weights",
        choices=("fp16", "fp32", "int8", "half"),
        default="fp16",
        help="fp16, fp32: as stored; warp only: half computes in float16, for CUDA, "
        "int8 in 8-bit integers, for CPUs",
    )
    onnx.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help="prepared footage, whose frames int8 takes its ranges from",
    )
    onnx.add_argument(
        "--fold",
        nargs="?",
        const=_RANDOM,
        metavar="E.npy",
        help="paper only: make one person's AdaIN parameters constants (default: a random person)",
    )
    onnx.add_argument("--out", type=Path, required=True, metavar="F.onnx")
    onnx.set_defaults(run=_onnx)
    for package in (
        data,
        training,
        paper,
        evaluation,
        personalize_cli,
        face,
        head,
        persons,
        speech,
    ):
        package.add_commands(commands)
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
            options.out,
            options.tier,
            options.size or SIZES[0],
            checkpoint=options.checkpoint,
            data=options.data,
        )
        print(
            f"{made.path}: {made.size / 1e6:.1f} MB, its pictures differ from float's by "
            f"{made.difference:.2f} of 255 on average"
        )
        return
    if options.weights == "half":
        half = export_half_warp(
            options.out,
            options.tier,
            options.size or SIZES[0],
            checkpoint=options.checkpoint,
            seed=options.seed,
        )
        print(
            f"{half.path}: {half.size / 1e6:.1f} MB, differs from float32 by "
            f"{half.difference:.1g} at most"
        )
        return
    if options.generator == "warp":
        report = export_warp(
            options.out,
            options.tier,
            options.size or SIZES[0],
            checkpoint=options.checkpoint,
            seed=options.seed,
            weights=options.weights,
        )
    else:
        person = None
        if options.fold == _RANDOM:
            person = random_person(options.seed)
        elif options.fold is not None:
            person = read_person(Path(options.fold))
        report = export_paper(
            options.out,
            checkpoint=options.checkpoint,
            seed=options.seed,
            weights=options.weights,
            person=person,
        )
    print(
        f"{report.path}: {report.size / 1e6:.1f} MB, differs from torch by "
        f"{report.difference:.1g} at most"
    )


def _read(options: argparse.Namespace) -> list[Path]:
    """What is read beside the checkpoint."""
    given = [options.data] if options.data else []
    return given if options.fold in (None, _RANDOM) else [*given, Path(options.fold)]


def _check(options: argparse.Namespace) -> None:
    if options.generator == "warp":
        if options.tier is None:
            raise InputError("the warp generator needs --tier draft or --tier final")
        if options.fold is not None:
            raise InputError(
                "--fold belongs to --generator paper: the warp generator's file "
                "takes the person's vector as an input"
            )
        if options.tier == "draft" and options.size == 512:
            raise InputError("the draft tier works at 256 only; use --size 256 or --tier final")
    elif options.tier is not None or options.size not in (None, 256):
        raise InputError(
            "the paper's generator has one size, 256, and no tiers; leave --tier and --size out"
        )
    if options.weights == "half" and options.generator != "warp":
        raise InputError("--weights half is for the warp generator; use fp16")
    if options.weights == "int8":
        if options.generator != "warp" or options.checkpoint is None:
            raise InputError(
                "--weights int8 is for a trained warp generator; name its --checkpoint"
            )
        if options.data is None:
            raise InputError(
                "--weights int8 needs --data: a folder that python -m export prepare wrote"
            )
