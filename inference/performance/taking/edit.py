# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing takes from files to a file: cut, join or mix, retime, mirror, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from inference.errors import InputError
from inference.outputs import check_replaceable, refuse_inputs
from inference.performance.taking.arrange import (
    cut_take,
    join_takes,
    mirror_take,
    mix_takes,
    retime,
)
from inference.performance.taking.performance import (
    SUFFIX,
    Performance,
    is_performance,
    save_performance,
)
from inference.performance.taking.read import read_performance
from inference.performance.taking.table import SUFFIX as TABLE_SUFFIX
from inference.performance.taking.table import is_table_file, save_table


@dataclass(frozen=True)
class Edit:
    """frames: first and last, zero-based, of every take. mix: weight of the second of two takes,
    or of each of its parts that are taken; without it several are joined. rate: frames a second of
    the result. speed: 2 is twice as fast.
    """

    frames: tuple[int, int] | None = None
    mix: float | Mapping[str, float] | None = None
    rate: Fraction | None = None
    speed: Fraction = Fraction(1)
    mirror: bool = False


def edit_takes(takes: list[Path], out: Path, edit: Edit) -> Performance:
    """Read takes, edit them and write the result, as a performance or, by its name, as a table.

    Raises InputError for what the user can fix, LikenessError for a full disk.
    """
    if not out.name.endswith((SUFFIX, TABLE_SUFFIX)):
        raise InputError(
            f"{out}: a take's name ends in {SUFFIX} or {TABLE_SUFFIX}; choose such a name"
        )
    table = out.name.endswith(TABLE_SUFFIX)
    beside = [path.with_name(path.stem + SUFFIX) for path in takes]  # which a table goes on with
    refuse_inputs([out], [*takes, *beside])
    if table:
        check_replaceable(out, is_table_file, "a performance's table")
    else:
        check_replaceable(out, is_performance, "a performance")
    read = [read_performance(path) for path in takes]
    if edit.frames is not None:
        read = [cut_take(take, *edit.frames) for take in read]
    if edit.mix is None:
        made = join_takes(*read)
    elif len(read) == 2:
        made = (
            mix_takes(read[0], read[1], edit.mix)
            if isinstance(edit.mix, float)
            else mix_takes(read[0], read[1], 0.0, edit.mix)
        )
    else:
        raise InputError(f"two takes can be mixed, not {len(read)}; name two")
    if edit.rate is not None or edit.speed != 1:
        made = retime(made, edit.rate or made.rate, edit.speed)
    if edit.mirror:
        made = mirror_take(made)
    (save_table if table else save_performance)(made, out)
    return made
