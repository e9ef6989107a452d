# SPDX-License-Identifier: GPL-3.0-or-later
"""Many syntheses from one table: a take on many portraits, many takes on one, a scene's whole cast.

A row is a job of its own. The table is checked as a whole before anything is made; a row that then
fails is noted, and the others are made. The same table again makes what is missing.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from inference.arguments import frame_range
from inference.consent import read_consent
from inference.errors import Cancelled, InputError, LikenessError, of_system
from inference.files import check_writable, write_whole
from inference.inputs import read_bytes
from inference.jobs import SynthesizeJob, parse_job
from inference.mouth.look import TeethLook
from inference.outputs import check_replaceable, refuse_inputs
from inference.performance.retargeting.gains import Gains
from inference.progress import Progress
from inference.synthesis import Synthesized, synthesize

SEVERAL = "|"  # divides pictures of one person in a cell
_REPORT = ("line", "portrait", "motion", "out", "made", "kept", "failed")
_GROUPS = {"gain": ("gains", Gains), "teeth": ("teeth", TeethLook)}
_PATHS = (
    "track", "out", "model", "person", "performance", "alpha", "plate", "base", "teeth_frames",
    "teeth_plate",
)  # fmt: skip
_NUMBERS = ("portrait_face", "neutral", "feather", "smooth_pose", "smooth_expression",
            "match_strength", "mark")  # fmt: skip
_FLAGS = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
_LARGEST = 1 << 24  # bytes
_MOST = 10_000  # rows


@dataclass(frozen=True)
class Row:
    """line: of the table, from 1 on."""

    line: int
    job: SynthesizeJob


@dataclass(frozen=True)
class Outcome:
    """What came of a row: the result, or why there is none."""

    row: Row
    result: Synthesized | None
    failed: str = ""


def columns() -> tuple[str, ...]:
    """The names that a table's columns may have."""
    grouped = {name for name, _ in _GROUPS.values()}
    own = [field.name for field in fields(SynthesizeJob) if field.name not in grouped]
    parts = [
        f"{prefix}_{field.name}" for prefix, (_, kind) in _GROUPS.items() for field in fields(kind)
    ]
    return (*own, *parts)


def read_batch(path: Path) -> list[Row]:
    """The rows of a table, CSV in UTF-8 divided by commas, semicolons or tabs.

    The first row names the columns (`columns`): `portrait`, `out`, and `track` or `performance` at
    least; an empty cell is a choice that is not made. Paths are relative to the table's folder.
    Raises InputError, which names the line, for what is no such table.
    """
    text = _text(path)
    head = text.splitlines()[0] if text.strip() else ""
    divider = max(",;\t", key=head.count)
    try:
        reader = csv.reader(io.StringIO(text), delimiter=divider)
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error:
        raise InputError(f"{path}: not a table; export it again as CSV") from None
    rows = [(line, cells) for line, cells in rows if any(cells)]
    if len(rows) < 2:
        raise InputError(f"{path}: no row follows its columns; write one for each synthesis")
    if len(rows) > _MOST:
        raise InputError(f"{path}: has {len(rows)} rows, more than {_MOST}; cut it into parts")
    names = [name.lower().replace("-", "_") for name in rows[0][1]]
    _check_columns(names, path)
    found = [Row(line, _job(names, cells, line, path)) for line, cells in rows[1:]]
    _check_outs(found, path)
    return found


def run_batch(
    rows: Sequence[Row], progress: Progress, said: Callable[[Outcome], None] = lambda _: None
) -> list[Outcome]:
    """Make every row; `progress` counts them in hundredths. said: hears of each as it ends.

    Raises Cancelled when the progress does; all else that goes wrong is the row's own.
    """
    found: list[Outcome] = []
    for number, row in enumerate(rows):
        failed, result = "", None
        try:
            result = synthesize(row.job, _part(progress, number, len(rows)))
        except Cancelled:
            raise
        except LikenessError as error:
            failed = str(error)
        except OSError as error:
            failed = str(of_system(error))
        found.append(Outcome(row, result, failed))
        said(found[-1])
    progress(100 * len(rows), 100 * len(rows))
    return found


def check_report(path: Path, table: Path, rows: Sequence[Row]) -> None:
    """Raises InputError where a report would replace something that is not one."""
    refuse_inputs([path], [table, *(p for row in rows for p in row.job.portrait)])
    check_replaceable(path, _is_report, "a report")
    check_writable(path)


def write_report(path: Path, outcomes: Sequence[Outcome]) -> None:
    """A table of what came of each row; `failed` is empty where all went well."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_REPORT)
    for each in outcomes:
        job, made = each.row.job, each.result
        writer.writerow(
            [
                each.row.line, SEVERAL.join(map(str, job.portrait)), job.performance or job.track,
                made.out if made else job.out, made.made if made else 0, made.kept if made else 0,
                each.failed,
            ]
        )  # fmt: skip
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))


def _part(progress: Progress, number: int, count: int) -> Progress:
    def here(done: int, total: int) -> None:
        # What is whole is said when all is: the line ends there.
        progress(min(round(100 * (number + done / max(total, 1))), 100 * count - 1), 100 * count)

    return here


def _text(path: Path) -> str:
    try:
        return read_bytes(path, "table", "write one first", _LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text table in UTF-8; export it again as CSV") from None


def _check_columns(names: list[str], path: Path) -> None:
    known = columns()
    for name in names:
        if name not in known:
            raise InputError(f"{path}: there is no column '{name}'; there are {', '.join(known)}")
        if names.count(name) > 1:
            raise InputError(f"{path}: the column '{name}' is there twice; remove one")
    for name in ("portrait", "out"):
        if name not in names:
            raise InputError(f"{path}: the column '{name}' is missing; add it")
    if not {"track", "performance"} & set(names):
        raise InputError(f"{path}: the column 'track' or 'performance' is missing; add one")


def _job(names: list[str], cells: list[str], line: int, path: Path) -> SynthesizeJob:
    if len(cells) != len(names):
        raise InputError(
            f"{path}: line {line} has {len(cells)} cells, the header has {len(names)}; fix that "
            "line"
        )
    message: dict[str, Any] = {"do": "synthesize"}
    try:
        for name, cell in zip(names, cells, strict=True):
            if not cell:
                continue
            prefix, _, part = name.partition("_")
            if prefix in _GROUPS and name != "teeth_frames" and name != "teeth_plate":
                group = _GROUPS[prefix][0]
                message.setdefault(group, {})[part] = _value(part, cell)
            else:
                message[name] = _cell(name, cell, path.parent)
        if ("track" in message) == ("performance" in message):
            raise InputError("needs a track or a performance, one of the two")
        job = parse_job(message)
    except InputError as error:
        raise InputError(f"{path}: line {line}: {error}") from None
    assert isinstance(job, SynthesizeJob)
    return job


def _cell(name: str, cell: str, folder: Path) -> Any:
    """A cell as a job's field travels in JSON."""
    if name == "portrait":
        return [str(folder / each.strip()) for each in cell.split(SEVERAL) if each.strip()]
    if name in _PATHS or (name == "match" and cell not in ("off", "portrait")):
        return str(folder / cell)
    if name == "frames":
        try:
            return list(frame_range(cell))
        except argparse.ArgumentTypeError:
            return cell
    if name == "consent":
        record = read_consent(folder / cell)
        return {**asdict(record), "pictures": list(record.pictures)}
    if name in ("neutralize", "box", "preview"):
        return _FLAGS.get(cell.lower(), cell)
    if name == "mark" and cell == "off":
        return 0.0
    return _value(name, cell) if name in _NUMBERS else cell


def _value(name: str, cell: str) -> Any:
    """A number where it is one; else the text, which the job's own check then names."""
    try:
        return int(cell) if name in ("portrait_face", "neutral", "picture") else float(cell)
    except ValueError:
        return cell


def _check_outs(rows: Sequence[Row], path: Path) -> None:
    """Two rows into one folder would undo each other."""
    seen: dict[Path, int] = {}
    for row in rows:
        before = seen.setdefault(row.job.out.absolute(), row.line)
        if before != row.line:
            raise InputError(
                f"{path}: lines {before} and {row.line} both write into {row.job.out}; give each "
                "row a folder of its own"
            )


def _is_report(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline(1000).strip() == ",".join(_REPORT)
    except (OSError, UnicodeDecodeError):
        return False
