# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a report is, and whether they may be written: a JSON file and what lies beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from inference.errors import InputError
from inference.outputs import check_replaceable, refuse_inputs

SUFFIX = ".json"
HEADING = "# Evaluation of "
_KEYS = {"model", "measures", "identity", "self"}


def report_files(path: Path, shots: Sequence[int]) -> list[Path]:
    """The report itself, its table, and a picture for each number of shots, the first plain."""
    sheets = [
        f"{path.stem}-{count}.png" if place else f"{path.stem}.png"
        for place, count in enumerate(shots)
    ]
    return [path, path.with_suffix(".md"), *(path.with_name(name) for name in sheets)]


def check_report(path: Path, shots: Sequence[int], inputs: Iterable[Path]) -> None:
    """Raises InputError when a report may not be written to `path`: it would replace something
    that is no report, or an input."""
    if path.suffix != SUFFIX:
        raise InputError(f"{path}: a report's name ends in {SUFFIX}; choose such a name")
    report, table, *sheets = files = report_files(path, shots)
    refuse_inputs(files, inputs)
    check_replaceable(report, lambda file: bool(_shots_of(file)), "a report of an evaluation")
    check_replaceable(table, partial(_begins_with, HEADING), "a report of an evaluation")
    # A picture says nothing of itself: it is a report's when the report is there and has it.
    of_report = report_files(path, _shots_of(report))[2:]
    for sheet in sheets:
        check_replaceable(sheet, lambda file: file in of_report, f"a picture of {report}")


def _begins_with(words: str, path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(words)) == words.encode()


def _shots_of(path: Path) -> list[int]:
    """The numbers of shots that a report is of; none when it is no report."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return sorted(map(int, content["self"])) if content.keys() >= _KEYS else []
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return []
