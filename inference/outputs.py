# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose is a file? The one rule for everything that is written, replaced or removed.

- An output never equals an input, by whatever name or link.
- A folder is ours only if the record in it, `likeness.json`, says so. A file in it is ours only if
  that record names it, by an exact pattern. Nothing else in it is ever replaced or removed.
- A single file is replaced only where its content shows that it is one of the same kind of ours.
- Everything else is refused in one line, before anything is touched.
- A link is neither written through nor removed through.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from inference.errors import InputError
from inference.files import file_error, is_part_of, write_whole

RECORD = "likeness.json"
_MARK, _VERSION = "likeness_folder", 1
_LONGEST = 100_000  # bytes; a record holds a few hundred


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that the project writes.

    holds: what lies in it, in words: "head frames". names: regular expressions that fit the whole
    name of each file that it may hold. older: is the folder one that was made before folders had
    records? It is asked only where there is none.
    """

    holds: str
    names: tuple[str, ...]
    older: Callable[[Path], bool] = field(default=lambda folder: False)

    @property
    def pattern(self) -> re.Pattern[str]:
        """Fits the name of every file of this kind of folder."""
        return re.compile("|".join(f"(?:{name})" for name in self.names))


@dataclass(frozen=True)
class OwnedFolder:
    """A folder that its record says is ours."""

    path: Path
    kind: FolderKind

    def file(self, name: str) -> Path:
        """Where the file `name` lies; its name must be one of the kind's.

        Raises InputError when something that is no file of ours stands there: a link, a folder.
        """
        assert self.kind.pattern.fullmatch(name), name
        path = self.path / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise InputError(
                f"{path}: is a link or a folder, which is not replaced; remove it, or "
                "choose another folder"
            )
        return path

    def files(self) -> Iterator[Path]:
        """Everything in it that is ours, links and folders excepted."""
        for path in _entries(self.path):
            if self.kind.pattern.fullmatch(path.name) and not path.is_symlink() and path.is_file():
                yield path

    def parts(self) -> Iterator[Path]:
        """What killed writers left. Only for who knows that nobody writes here now."""
        ours = re.compile(f"{self.kind.pattern.pattern}|{re.escape(RECORD)}")
        for path in _entries(self.path):
            if is_part_of(path.name, ours) and not path.is_symlink() and path.is_file():
                yield path

    def remove(self) -> None:
        """Remove what is ours, the record last, and the folder if nothing else lies in it."""
        for path in (*self.files(), *self.parts()):
            path.unlink()
        (self.path / RECORD).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()


def claim_folder(folder: Path, kind: FolderKind, inputs: Iterable[Path] = ()) -> OwnedFolder:
    """Make the folder ours, or find that it is: nothing but its record is written.

    inputs: files that are read while it is written; none may be one that would be replaced.
    Raises InputError as `check_claimable` does, and when it cannot be written.
    """
    check_claimable(folder, kind, inputs)
    owned = OwnedFolder(folder, kind)
    content = {_MARK: _VERSION, "holds": kind.holds, "files": list(kind.names)}
    if _record(folder) != content:
        write_whole(folder / RECORD, (json.dumps(content, indent=1) + "\n").encode())
    return owned


def check_claimable(folder: Path, kind: FolderKind, inputs: Iterable[Path] = ()) -> None:
    """Find out before long work whether `claim_folder` would refuse; nothing is written.

    Raises InputError when the folder is somebody else's or another kind's, when it holds a file
    that ours would replace, or when an input is among those.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: this is a file; name a folder")
    for given in inputs:
        _refuse_within(folder, kind, given)
    if not is_ours(folder, kind):
        if (folder / RECORD).exists() or (folder / RECORD).is_symlink():
            holds = _holds(folder)
            what = f"it holds {holds}" if holds else f"its {RECORD} is not one of Likeness"
            raise InputError(f"{folder}: is no folder for {kind.holds}, {what}; choose another")
        strangers = (
            []
            if kind.older(folder)
            else [path.name for path in _entries(folder) if kind.pattern.fullmatch(path.name)]
        )
        if strangers:
            raise InputError(
                f"{folder / min(strangers)}: is there already and was not made by Likeness; choose "
                "another folder, an empty one is best"
            )


def is_ours(folder: Path, kind: FolderKind) -> bool:
    """Does the folder's own record say that it is one of this kind?"""
    return _holds(folder) == kind.holds


def open_owned(folder: Path, kind: FolderKind) -> OwnedFolder:
    """A folder of ours, to remove from. Raises InputError when nothing says that it is one."""
    if folder.is_symlink() or not (is_ours(folder, kind) or kind.older(folder)):
        raise InputError(
            f"{folder}: nothing in it says that Likeness made it for {kind.holds}; "
            "it is left as it is"
        )
    return OwnedFolder(folder, kind)


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raises InputError when one of the outputs is one of the inputs, by whatever name."""
    given = list(inputs)
    for out in outputs:
        for path in given:
            if _same(out, path):
                raise InputError(f"{out}: this is what is read; choose another name to write to")


def check_replaceable(path: Path, is_one: Callable[[Path], bool], what: str) -> None:
    """Raises InputError when something other than `what` stands at `path`, a link included.

    is_one: does the file's content show that it is one? what: in words, "a landmark track".
    """
    if path.is_symlink():
        raise InputError(f"{path}: is a link, which is not written through; choose another name")
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; name a file in it")
    if path.exists() and not (path.is_file() and (path.stat().st_size == 0 or is_one(path))):
        raise InputError(f"{path}: is there already and is not {what}; choose another name")


def _refuse_within(folder: Path, kind: FolderKind, given: Path) -> None:
    """An input that lies in the folder under a name of ours would be replaced, or removed."""
    for path in (given, Path(os.path.realpath(given))):
        named = kind.pattern.fullmatch(path.name) or path.name == RECORD
        if named and _same(path.parent, folder):
            raise InputError(
                f"{given}: this is read, and would be replaced by what is written to "
                f"{folder}; choose another folder"
            )


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return os.path.realpath(one) == os.path.realpath(other)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise file_error(error, folder / RECORD) from error


def _holds(folder: Path) -> str | None:
    """What the folder's record says that it holds; None without a record of ours."""
    content = _record(folder)
    holds = content.get("holds") if content.get(_MARK) == _VERSION else None
    return holds if isinstance(holds, str) else None


def _record(folder: Path) -> dict[str, object]:
    path = folder / RECORD
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LONGEST:
            return {}
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
