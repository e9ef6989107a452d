# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `sheet` of `python -m export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from inference.errors import InputError
from inference.generator.contract import TIERS


def add_sheet(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "sheet", help="portraits turned by known angles, as a contact sheet to judge by eye"
    )
    parser.add_argument("--portrait", type=Path, required=True, nargs="+", metavar="P")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--turn", choices=("yaw", "pitch"), default="yaw")
    parser.add_argument("--layer", choices=("full", "person"), default="full",
                        help="person: over grey checks")  # fmt: skip
    parser.add_argument("--tier", choices=TIERS, default="draft")
    parser.add_argument("--side", type=int, default=320, metavar="PIXELS",
                        help="of a picture in the sheet (default: 320)")  # fmt: skip
    parser.set_defaults(run=run_sheet)


def run_sheet(options: argparse.Namespace) -> None:
    """Render and write the sheet."""
    from export.evaluation.turn_sheet import PITCHES, YAWS, turn_sheet
    from inference.files import check_writable, write_whole
    from inference.frames import encode_frame
    from inference.outputs import refuse_inputs

    if not 64 <= options.side <= 2048:
        raise InputError(f"--side {options.side}: name a number from 64 to 2048")
    if options.out.suffix != ".png" or options.out.exists():
        raise InputError(f"{options.out}: name a .png file that is not there yet")
    refuse_inputs([options.out], options.portrait)
    check_writable(options.out)
    turns = YAWS if options.turn == "yaw" else PITCHES
    sheet = turn_sheet(
        options.portrait, turns, options.tier, options.layer, options.side, _progress
    )
    write_whole(options.out, encode_frame(sheet, None, "png"))


def _progress(done: int, total: int) -> None:
    print(f"sheet: {done}/{total} portraits", file=sys.stderr, flush=True)
