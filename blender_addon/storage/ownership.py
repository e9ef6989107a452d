# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose is a file? What the add-on replaces or removes is its own, and shows that it is. No bpy.

- A folder is ours only if the record in it, `likeness.json`, says so, or, made before there were
  records, if its content proves it. A file in it is ours only if the record names it.
- A single file is replaced only where its content shows that it is one of the same kind of ours.
- A link is neither written through nor removed, nor is anything behind it.

The worker keeps the same rule for what it writes; both know the record's layout, and share no code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .files import is_part

RECORD = "likeness.json"
_MARK, _VERSION = "likeness_folder", 1
_LONGEST = 100_000  # bytes; a record holds a few hundred
_LONGEST_PATTERN = 200  # characters
_POINTS_SIZE = 128 + 478 * 3 * 4  # bytes of a whole .npy of a face's points


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that the add-on may empty.

    holds: what the record says lies in it. older: does the content prove it to be one from before
    there were records? older_names: fits the whole names of the files that are ours in such a one.
    """

    holds: str
    older: Callable[[Path], bool]
    older_names: str


def remove(folder: Path, kind: FolderKind) -> int:
    """Remove what is ours, and the folder if nothing else lies in it; returns the bytes freed.

    Raises InputError when nothing says that it is a folder of this kind, or it cannot be removed.
    """
    names = _names(folder, kind)
    if names is None:
        raise InputError(
            f"{folder}: nothing in it says that Likeness made it for {kind.holds}; it is left as "
            "it is"
        )
    freed = 0
    try:
        for entry in plain_files(folder):
            if names.fullmatch(entry.name) or is_part(entry.name, names):
                freed += entry.stat(follow_symlinks=False).st_size
                Path(entry.path).unlink()
        record = folder / RECORD  # last: until then it says whose the rest is
        if is_plain_file(record):
            record.unlink()
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: cannot be removed ({error.strerror or error})"
        ) from None
    with contextlib.suppress(OSError):  # somebody else's files are in it
        folder.rmdir()
    return freed


def is_kind(folder: Path, kind: FolderKind) -> bool:
    """Does the folder show that it is one of this kind?"""
    return _names(folder, kind) is not None


def is_named(path: Path) -> bool:
    """Does the record of its folder name this file?"""
    names = _patterns(_record(path.parent))
    return names is not None and bool(names.fullmatch(path.name))


def check_replaceable(path: Path, is_one: Callable[[Path], bool], what: str) -> None:
    """Raises InputError when something other than `what` stands at `path`, a link included.

    is_one: does the file's content show that it is one? what: in words, "a landmark track".
    """
    if path.is_symlink():
        raise InputError(f"{path}: is a link, which is not written through; choose another name")
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; name a file in it")
    if path.exists() and not (is_plain_file(path) and is_one(path)):
        raise InputError(f"{path}: is there already and is not {what}; choose another name")


def plain_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in a folder but for links, folders and devices."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    return (entry for entry in found if entry.is_file(follow_symlinks=False))


def plain_folders(folder: Path) -> list[Path]:
    """The folders in a folder, no links; none where it is a link itself, or is not there."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(Path(each.path) for each in entries if each.is_dir(follow_symlinks=False))


def is_plain_file(path: Path) -> bool:
    """Is it a file, and no link to one?"""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def make_private(folder: Path) -> None:
    """Make a folder that nobody else can write to or look into.

    Raises InputError when it is a link or another person's: then what lies there is not to be
    trusted. OSError when it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    own = os.getuid() if hasattr(os, "getuid") else found.st_uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != own:
        raise InputError(
            f"{folder}: is a link or belongs to somebody else; remove it, or choose a cache folder "
            "in the add-on's preferences"
        )
    if os.name == "posix" and found.st_mode & 0o077:
        folder.chmod(0o700)


def _names(folder: Path, kind: FolderKind) -> re.Pattern[str] | None:
    """Fits the names of the files that are ours in the folder; None: it is not of this kind."""
    if folder.is_symlink() or not folder.is_dir():
        return None
    if (folder / RECORD).exists() or (folder / RECORD).is_symlink():
        record = _record(folder)
        return _patterns(record) if record.get("holds") == kind.holds else None
    return re.compile(kind.older_names) if kind.older(folder) else None


def _record(folder: Path) -> dict[str, object]:
    """The record of a folder of ours; empty where it has none."""
    content = _read_json(folder / RECORD)
    return content if content.get(_MARK) == _VERSION else {}


def _patterns(record: dict[str, object]) -> re.Pattern[str] | None:
    names = record.get("files")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    if any(_is_slow(name) for name in names):
        return None
    try:
        return re.compile("|".join(f"(?:{name})" for name in names))
    except (re.error, RecursionError, OverflowError):
        return None


def _is_slow(pattern: str) -> bool:
    """Could it take for ever to say that a name does not fit? A record may come from anybody."""
    return (
        len(pattern) > _LONGEST_PATTERN
        or sum(pattern.count(sign) for sign in "*+") > 2
        or re.search(r"\)[*+?{]|\{\d*,", pattern) is not None
    )


def _read_json(path: Path) -> dict[str, object]:
    try:
        if not is_plain_file(path) or path.stat().st_size > _LONGEST:
            return {}
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _older_person(folder: Path) -> bool:
    """Its record names the generator beside it by its hash."""
    content, model = _read_json(folder / "person.json"), folder / "generator.onnx"
    if content.get("likeness_person") != 1 or not is_plain_file(model):
        return False
    try:
        with model.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == content["generator_sha256"]
    except (OSError, KeyError):
        return False


def _older_frames(folder: Path) -> bool:
    placed, job = _read_json(folder / "head.json"), _read_json(folder / "job.json")
    return placed.get("likeness") == 1 and "fingerprint" in job


def _older_faces(folder: Path) -> bool:
    return any(
        entry.stat(follow_symlinks=False).st_size == _POINTS_SIZE
        for entry in plain_files(folder)
        if entry.name.endswith(".face1.npy")
    )


PERSON = FolderKind("a personalized generator", _older_person, r"person\.json|generator\.onnx")
FRAMES = FolderKind(
    "head frames",
    _older_frames,
    r"(head|full)_\d{6}\.(png|exr)|matte_\d{6}\.png|head\.json|job\.json|frames\.marks",
)
LAYERS = FolderKind("layers of a portrait", lambda folder: False, "")
FACES = FolderKind("faces of pictures", _older_faces, r".+\.face\d+\.(png|npy)")
