# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a training run: its checkpoints, its log and its pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch

from inference.outputs import FolderKind, OwnedFolder

LOG = "log.jsonl"
# Of a run's results, as `join` unpacks them.
CHECKPOINT, GRID, MODEL, EMBEDDER = (
    "checkpoint.pt",
    "grid.png",
    "model.onnx",
    "model.embedder.onnx",
)
_STEP = re.compile(r"checkpoint-\d{7}\.pt")


def checkpoint_name(step: int) -> str:
    """The file name of the checkpoint after so many steps."""
    return f"checkpoint-{step:07d}.pt"


def grid_name(step: int) -> str:
    """The file name of the picture made at a step."""
    return f"grid-{step:07d}.png"


def checkpoints(folder: Path) -> list[Path]:
    """The folder's own checkpoints, oldest first; not a user's copies under other names."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _STEP.fullmatch(path.name))


def drop_oldest(folder: OwnedFolder, kept: int) -> None:
    """Remove all of the run's checkpoints but the newest ones, at least one."""
    for path in sorted(path for path in folder.files() if _STEP.fullmatch(path.name))[:-kept]:
        path.unlink()


def log_line(folder: OwnedFolder, values: dict[str, float]) -> None:
    """Append one line of figures to the log."""
    with folder.file(LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(values) + "\n")


def _was_trained(folder: Path) -> bool:
    """Training runs had no record before, but a log of their steps, or checkpoints."""
    try:
        with (folder / LOG).open(encoding="utf-8") as log:
            first = json.loads(log.readline(10_000))
        return isinstance(first, dict) and {"step", "minutes"} <= first.keys()
    except (OSError, ValueError, RecursionError):
        pass
    found = checkpoints(folder)
    return bool(found) and all(is_checkpoint(path) for path in found)


def is_checkpoint(path: Path) -> bool:
    """Is this what training writes, slim or not?"""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # torch.load raises whatever its unpickler meets
        return False
    return isinstance(content, dict) and {"generator", "resume"} <= content.keys()


TRAINING = FolderKind(
    "a training run",
    (_STEP.pattern, r"grid-\d{7}\.png",
     *(re.escape(name) for name in (LOG, CHECKPOINT, GRID, MODEL, EMBEDDER))),
    _was_trained,
)  # fmt: skip
