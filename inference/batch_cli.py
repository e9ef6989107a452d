# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `batch`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from inference.consent import PREVIEWS
from inference.errors import InputError, one_line
from inference.progress import progress_line


def add_command(commands: Any) -> None:
    """Add it to the command line's parser."""
    batch = commands.add_parser("batch", help="a table of portraits and motions -> head frames")
    batch.add_argument(
        "table", type=Path, metavar="TABLE.csv",
        help="columns portrait, track or performance, out; more of synthesize's as they are needed",
    )  # fmt: skip
    batch.add_argument("--report", type=Path, metavar="R.csv", help="what came of each row")
    batch.set_defaults(run=_batch)


def _batch(options: argparse.Namespace) -> int:
    from inference.batch import check_report, read_batch, run_batch, write_report

    rows = read_batch(options.table)
    if options.report is not None:
        check_report(options.report, options.table, rows)
    outcomes = run_batch(rows, progress_line("batch", "hundredths"))
    if options.report is not None:
        write_report(options.report, outcomes)
    failed = [each for each in outcomes if each.failed]
    for each in failed:
        print(one_line(f"{options.table}: line {each.row.line}: {each.failed}"), file=sys.stderr)
    made = sum(each.result.made for each in outcomes if each.result)
    kept = sum(each.result.kept for each in outcomes if each.result)
    previews = any(each.row.job.preview for each in outcomes if each.result)
    said = f"; {PREVIEWS}" if previews else ""
    done = f"{len(rows) - len(failed)} of {len(rows)} rows done"
    print(one_line(f"{options.table}: {done}, {made} frames made, {kept} kept{said}"))
    return InputError.exit_code if failed else 0
