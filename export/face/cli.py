# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `face` and `rest` of `python -m export`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Register the commands; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "face", help="compute the canonical face and its controls from many people's tracks"
    )
    parser.add_argument(
        "--tracks",
        type=Path,
        nargs="+",
        required=True,
        metavar="T",
        help="folders that prepare wrote, folders of tracks, tracks",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="F.npz")
    parser.add_argument(
        "--chart", type=Path, metavar="C.jpg", help="also draw each control at its ends"
    )
    parser.set_defaults(run=run_face)

    rest = commands.add_parser("rest", help="compute in which directions a stream tells the rest")
    rest.add_argument(
        "--tracks",
        type=Path,
        nargs="+",
        required=True,
        metavar="T",
        help="folders that prepare wrote, folders of tracks, tracks",
    )
    rest.add_argument("--out", type=Path, required=True, metavar="B.npz")
    rest.add_argument("--count", type=int, default=160, metavar="K", help="default: 160")
    rest.set_defaults(run=run_rest)


def run_face(options: argparse.Namespace) -> None:
    """Compute the face as the options say, write it, and print how far each control goes."""
    from export.face.chart import is_chart, write_chart
    from export.face.clips import read_clips
    from export.face.face import make_face
    from export.face.locality import locality
    from inference.errors import InputError
    from inference.files import check_writable
    from inference.outputs import check_replaceable, refuse_inputs
    from inference.performance.face.canonical import is_face, save_face
    from inference.performance.face.controls import CONTROLS

    outputs = [options.out, *([options.chart] if options.chart else [])]
    refuse_inputs(outputs, options.tracks)
    if options.chart and os.path.realpath(options.chart) == os.path.realpath(options.out):
        raise InputError(f"{options.chart}: the face is written there; choose another name")
    check_replaceable(options.out, is_face, "a canonical face")
    if options.chart:
        check_replaceable(options.chart, is_chart, "a chart of its controls")
    for path in outputs:
        check_writable(path)
    made = make_face(read_clips(options.tracks), _progress)
    print("", file=sys.stderr)
    save_face(made.face, options.out)
    print(f"{options.out}: the mean of {made.people} people in {made.clips} clips")
    print(f"{'control':16s} moves at most   elsewhere")
    for control, moved in zip(CONTROLS, locality(made.face), strict=True):
        print(f"{control.name:16s} {moved.most:13.3f} {moved.elsewhere:10.2%}")
    if options.chart is not None:
        write_chart(made.face, options.chart)
        print(f"{options.chart}: the controls, each at its ends")


def run_rest(options: argparse.Namespace) -> None:
    """Compute the basis of the rest as the options say, write it, and print what it is of."""
    from export.face.clips import read_clips
    from export.face.rest import make_basis
    from inference.files import check_writable
    from inference.outputs import check_replaceable, refuse_inputs
    from inference.stream.rest import is_basis, save_basis

    refuse_inputs([options.out], options.tracks)
    check_replaceable(options.out, is_basis, "a basis of the rest")
    check_writable(options.out)
    basis, people = make_basis(read_clips(options.tracks), options.count)
    save_basis(basis, options.out)
    print(f"{options.out}: {len(basis)} directions, of {people} people")


def _progress(clips: int) -> None:
    if sys.stderr.isatty() or clips % 50 == 0:
        print(f"\rface: {clips} clips read ", end="", file=sys.stderr, flush=True)
