# SPDX-License-Identifier: GPL-3.0-or-later
"""One door for every file that holds a performance: its own format, a table, or a phone's take."""

from __future__ import annotations

from pathlib import Path

from inference.errors import InputError
from inference.performance.taking.livelink import is_livelink, load_livelink
from inference.performance.taking.performance import SUFFIX, Performance, load_performance
from inference.performance.taking.table import SUFFIX as TABLE_SUFFIX
from inference.performance.taking.table import is_table, load_table, read_rows


def read_performance(path: Path) -> Performance:
    """Read a `.performance.npz`, a table as `save_table` writes it, or a Live Link Face CSV.

    A table that lies beside the performance of the same name (`take.csv` and
    `take.performance.npz`) goes on with that one's face and dense rest. Raises InputError, in one
    line, for anything else and for what is damaged.
    """
    if path.suffix.lower() != TABLE_SUFFIX:
        if path.suffix.lower() != ".npz":
            raise InputError(f"{path}: not a performance; name a {SUFFIX} or a {TABLE_SUFFIX} file")
        return load_performance(path)
    first = read_rows(path)[0][1]
    if is_livelink(first):
        return load_livelink(path)
    if not is_table(first):
        raise InputError(
            f"{path}: neither a performance's table nor a Live Link Face take: line 1 "
            f"begins with '{first[0].strip()[:40]}'; export it again"
        )
    beside = whole_file(path)
    return load_table(path, load_performance(beside) if beside else None)


def whole_file(path: Path) -> Path | None:
    """The `.performance.npz` that goes with what is read from `path`: itself, or a table's one."""
    if path.suffix.lower() != TABLE_SUFFIX:
        return path
    beside = path.with_name(path.stem + SUFFIX)
    if not beside.is_file() or is_livelink(read_rows(path)[0][1]):
        return None
    return beside
