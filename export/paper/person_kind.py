# SPDX-License-Identifier: GPL-3.0-or-later
"""What the folder of a person's generator of the paper may hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

from inference.generator.person import (
    CARD,
    GENERATOR,
    IDENTITY,
    PAPER_PERSON,
    PICTURE,
    UNFINISHED,
    left_unfinished,
)
from inference.outputs import FolderKind

CHECKPOINT = "generator.pt"


def _was_personalized(folder: Path) -> bool:
    """Such folders had no record before, but their own list, or what was interrupted."""
    try:
        said = json.loads((folder / PAPER_PERSON).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and said.get("generator") == "paper":
        return True
    return left_unfinished(folder, b"best_score")


PAPER_FOLDER = FolderKind(
    "a personalized generator of the paper",
    tuple(
        re.escape(name)
        for name in (PAPER_PERSON, CHECKPOINT, GENERATOR, IDENTITY, CARD, PICTURE, UNFINISHED)
    ),
    _was_personalized,
)
