# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of head frames on the disk: v001, v002, ... in a take's folder. No bpy.

What a version holds is never changed, since a strip of any .blend may show it. Frames that two
versions share are one file with two names. `used.json` in each names the .blend files that showed
it when they were saved.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from . import ownership
from .files import written_whole

PLACEMENT = "head.json"
JOB = "job.json"
USED = "used.json"
_NAME = re.compile(r"v\d{3,6}")
_LONGEST = 10_000_000  # bytes of a sidecar
_COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x1f\x8b")  # how such a .blend begins: Zstandard, gzip

_read: dict[Path, tuple[int, dict[str, Any]]] = {}


@dataclass(frozen=True)
class Version:
    """A folder of head frames. note: what is new. begun: when, in local time; None: unknown."""

    folder: Path
    note: str
    begun: datetime | None

    @property
    def name(self) -> str:
        return self.folder.name if _NAME.fullmatch(self.folder.name) else "earlier"


def listed(homes: Iterable[Path]) -> list[Version]:
    """The versions in these folders, the newest first.

    Frames that lie in such a folder itself are from before there were versions.
    """
    found = [
        folder
        for home in dict.fromkeys(homes)
        for folder in (home, *_numbered(home))
        if (folder / PLACEMENT).is_file()
    ]
    return [_version(folder) for folder in sorted(found, key=_number, reverse=True)]


def reserve(homes: Iterable[Path]) -> Path:
    """Make the folder of a new version in the first of `homes`; nobody else gets the same.

    OSError when it cannot be made.
    """
    homes = list(homes)
    number = max((_number(folder) for home in homes for folder in _numbered(home)), default=0)
    while True:
        number += 1
        folder = homes[0] / f"v{number:03d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def release(folder: Path) -> None:
    """Take a reserved folder away where nothing was put into it."""
    try:
        folder.rmdir()
    except OSError:
        return


def asked(folder: Path) -> dict[str, Any]:
    """What a version's job.json says; empty where it has none."""
    path = folder / JOB
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        return {}
    known = _read.get(path)
    if known is None or known[0] != written:
        known = _read[path] = (written, _json(path))
    return known[1]


def freed_by_removing(folder: Path) -> int:
    """Bytes that only this version holds: a file with other names stays."""
    return sum(
        found.st_size
        for found in (entry.stat(follow_symlinks=False) for entry in ownership.plain_files(folder))
        # Where the system tells of no further names it counts in full.
        if found.st_nlink <= 1
    )


def note_use(folder: Path, blend: Path, uses: bool) -> None:
    """Keep beside a version whether a .blend shows it. OSError and InputError pass through."""
    noted, name = _used(folder), _from(blend, folder)
    if noted.get(name) is not uses:
        content = {"likeness_used": 1, "by": {**noted, name: uses}}
        ownership.check_replaceable(folder / USED, lambda path: bool(_json(path)), "a list of use")
        with written_whole(folder / USED) as part:
            part.write_text(json.dumps(content, indent=1), encoding="utf-8")


def users(folder: Path, beside: Path) -> list[Path]:
    """The .blend files that show a version as they lie on the disk, or may do so.

    beside: the folder of the file that is open. A .blend there may be a copy of which nothing was
    noted: if it is no older than the version it is looked into, or taken for one where that cannot
    be, since it is compressed.
    """
    noted = {Path(os.path.normpath(folder / name)): uses for name, uses in _used(folder).items()}
    found = {path for path, uses in noted.items() if uses and path.is_file()}
    begun = _version(folder).begun
    for path in beside.glob("*.blend") if beside.is_dir() else ():
        is_older = begun is not None and path.stat().st_mtime < begun.timestamp()
        if path not in noted and not is_older and _may_show(path, folder):
            found.add(path)
    return sorted(found)


def _may_show(blend: Path, folder: Path) -> bool:
    """Does a .blend's content name the folder, as a strip's folder?"""
    named = [sign.join(folder.parts[-2:]).encode() for sign in "/\\"]
    wanted = [name + end for name in named for end in (b"/", b"\\", b"\0")]
    try:
        data = blend.read_bytes()
    except OSError:
        return True
    return data.startswith(_COMPRESSED) or any(name in data for name in wanted)


def _version(folder: Path) -> Version:
    content = asked(folder)
    job = content.get("job")
    note = job.get("note") if isinstance(job, dict) else ""
    try:
        begun = datetime.fromisoformat(str(content.get("begun"))).astimezone()
    except ValueError:
        begun = None
    return Version(folder, str(note or ""), begun)


def _numbered(home: Path) -> list[Path]:
    return [folder for folder in ownership.plain_folders(home) if _NAME.fullmatch(folder.name)]


def _number(folder: Path) -> int:
    return int(folder.name[1:]) if _NAME.fullmatch(folder.name) else 0


def _used(folder: Path) -> dict[str, bool]:
    """What was noted of each .blend, by its path from the version's folder on."""
    by = _json(folder / USED).get("by")
    return {str(name): bool(uses) for name, uses in by.items()} if isinstance(by, dict) else {}


def _from(path: Path, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive
        return str(path)


def _json(path: Path) -> dict[str, Any]:
    try:
        if not ownership.is_plain_file(path) or path.stat().st_size > _LONGEST:
            return {}
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
