# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `turns` of `python -m export`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.errors import InputError


def add_turns(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "turns", help="measure how a head turns, in depth against the flat warp"
    )
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="report",
                        help="report.md and report.json are written")  # fmt: skip
    parser.add_argument("--pairs", type=int, default=8, metavar="N",
                        help="of a clip and bin, at most (default: 8)")  # fmt: skip
    parser.set_defaults(run=run_turns)


def run_turns(options: argparse.Namespace) -> None:
    """Measure, write both reports and print the table."""
    from export.evaluation.clips import clips_to_evaluate
    from export.evaluation.turns import measure_turns, table
    from inference.files import check_writable, written_whole

    if options.pairs < 1:
        raise InputError(f"--pairs {options.pairs}: name a number from 1 up")
    out = options.out.with_suffix("")
    written = {"md": out.with_suffix(".md"), "json": out.with_suffix(".json")}
    for path in written.values():
        check_writable(path)
    clips, _ = clips_to_evaluate(options.clips)
    turns = measure_turns(clips, options.pairs, _progress)
    text = table(turns)
    rows = {"shaking": turns.shaking, "pairs": [asdict(result) for result in turns.results]}
    for kind, content in (("md", text), ("json", json.dumps(rows, indent=1))):
        with written_whole(written[kind]) as part:
            part.write_text(content, encoding="utf-8")
    print(text, end="")


def _progress(done: int, total: int) -> None:
    print(f"turns: {done}/{total} clips", file=sys.stderr, flush=True)
