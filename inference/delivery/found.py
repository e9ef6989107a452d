# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at when marks are looked for, and what each layer of marks answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from inference.errors import InputError
from inference.inputs import MOST_FRAMES, check_file
from inference.pictures import SUFFIXES as PICTURES
from inference.progress import Progress

MOVIES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mxf"})
CREDENTIALS = "credentials.png"  # the signed contact sheet that speaks for a folder of frames
PRESENT, ABSENT, BROKEN = "present", "absent", "broken"
_OTHERS = frozenset({CREDENTIALS, "upright.png"})  # pictures beside frames that are no frames


@dataclass(frozen=True)
class Target:
    """A file, or a folder of pictures and movies. files: what is looked at, in order.

    progress, cancelled: of what takes long.
    """

    path: Path
    files: tuple[Path, ...]
    progress: Progress | None = None
    cancelled: Callable[[], bool] = lambda: False

    @property
    def folder(self) -> Path:
        """Where records that go with the files lie."""
        return self.path if self.path.is_dir() else self.path.parent


@dataclass(frozen=True)
class Found:
    """What a layer says. state: PRESENT, ABSENT or BROKEN. words: for people, a line.
    values: for programs, as JSON has them.
    """

    layer: str
    state: str
    words: str
    values: dict[str, object] = field(default_factory=dict)


def open_target(path: Path) -> Target:
    """What lies at `path`. Links within a folder are passed over: they may lead out of it.

    Raises InputError where there is nothing, nothing to look at, or too much.
    """
    if not path.is_dir():
        check_file(path, "file")
        return Target(path, (path,))
    files = []
    with os.scandir(path) as entries:
        for entry in entries:
            suffix = Path(entry.name).suffix.lower()
            if suffix not in PICTURES | MOVIES or entry.name in _OTHERS:
                continue
            if entry.is_file(follow_symlinks=False):
                files.append(path / entry.name)
            if len(files) > MOST_FRAMES:
                raise InputError(f"{path}: holds more than {MOST_FRAMES} files; name a part of it")
    if not files:
        raise InputError(f"{path}: holds no pictures and no movies; name another folder or a file")
    return Target(path, tuple(sorted(files)))
