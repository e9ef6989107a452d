# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of files that could not be prepared: a table of their names and the reasons."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from inference.errors import InputError
from inference.files import write_whole


def read_skipped(path: Path) -> dict[str, str]:
    """File -> reason; nothing where there is no list. Raises InputError when it is damaged."""
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["file"]: row["reason"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error):
        raise InputError(f"{path}: is damaged; delete it to try the files in it again") from None


def write_skipped(skipped: dict[str, str], path: Path) -> None:
    """Write the list, whole or not at all."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["file", "reason"])
    rows.writerows(sorted(skipped.items()))
    write_whole(path, text.getvalue().encode("utf-8", "backslashreplace"))
