# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clips and stills a source folder holds, whose they are, and who is held back.

Three kinds of folder are understood: one with a `manifest.csv` (columns file, split, identity,
optionally kind), VoxCeleb1 / VoxCeleb2 as distributed, and any other folder of clips.
People are split, never clips: nobody of the split `val` is in another one.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from export.data.voxceleb import person_and_set, read_sets
from inference.errors import InputError

TRAIN, VAL = "train", "val"
_MANIFEST = "manifest.csv"
_VIDEOS = {".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"}
_STILLS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True)
class ClipFile:
    """One file to prepare. name: its path below the source folder, unique, with forward slashes.

    still: a single picture rather than a video. text: VoxCeleb's, when the clip is a part of it.
    """

    name: str
    path: Path
    identity: str
    split: str
    still: bool
    text: Path | None = None


def find_clips(source: Path, val_share: float = 0.1) -> list[ClipFile]:
    """Everything to prepare below `source`, in the order of the names.

    val_share: how many of the people are held back where the source does not say who.
    Raises InputError when there is nothing, or when a person would be in two splits.
    """
    if not source.is_dir():
        raise InputError(f"{source}: there is no such folder; name one that holds clips")
    if (source / _MANIFEST).is_file():
        clips = _from_manifest(source)
    else:
        clips = _from_voxceleb(source) or _from_folder(source, val_share)
    if not clips:
        raise InputError(f"{source}: holds no video and no picture; name a folder of clips")
    _check_splits(clips, source)
    return sorted(clips, key=lambda clip: clip.name)


def _from_manifest(source: Path) -> list[ClipFile]:
    path = source / _MANIFEST
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read_manifest(csv.DictReader(file), source)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: is no table that can be read ({error}); write it as CSV in UTF-8"
        ) from error


def _read_manifest(rows: csv.DictReader[str], source: Path) -> list[ClipFile]:
    path = source / _MANIFEST
    missing = {"file", "split", "identity"} - set(rows.fieldnames or ())
    if missing:
        raise InputError(
            f"{path}: has no column '{min(missing)}'; it needs file, split and identity"
        )
    clips = []
    for row in rows:
        name = (row["file"] or "").strip()
        if not name or not row["identity"] or not row["split"]:
            raise InputError(f"{path}: line {rows.line_num} names no file, split or identity")
        clips.append(
            ClipFile(name, source / name, row["identity"], row["split"], _is_still(Path(name)))
        )
    return clips


def _from_voxceleb(source: Path) -> list[ClipFile]:
    """Clips and texts of VoxCeleb; nothing when the folder is not VoxCeleb's."""
    sets = read_sets(source)
    videos = {path.stem: path for path in _files(source, _VIDEOS)}
    clips = []
    for path in _files(source, {".mp4", ".txt"}):
        parts = path.relative_to(source).parts
        found = person_and_set(parts)
        if not found:
            continue
        identity, folder = found
        text = path if path.suffix == ".txt" else None
        if text:
            if parts[-2] not in videos:
                continue  # the clip's own file is there, or the video is not at hand
            path = videos[parts[-2]]
        split = VAL if sets.get(identity, folder) == "test" else TRAIN
        clips.append(ClipFile("/".join(parts), path, identity, split, still=False, text=text))
    return clips


def _from_folder(source: Path, val_share: float) -> list[ClipFile]:
    """A file's person is its folder; directly in `source` every file is a person of its own."""
    clips = []
    for path in _files(source, _VIDEOS | _STILLS):
        parts = path.relative_to(source).parts
        identity = "/".join(parts[:-1]) or path.stem
        clips.append(ClipFile("/".join(parts), path, identity, TRAIN, _is_still(path)))
    held_back = _held_back({clip.identity for clip in clips}, val_share)
    return [replace(c, split=VAL) if c.identity in held_back else c for c in clips]


def _held_back(people: set[str], share: float) -> set[str]:
    """The same people in every run, wherever the folder lies; at least one of two or more."""
    if len(people) < 2 or share <= 0:
        return set()
    order = sorted(people, key=lambda name: hashlib.sha256(name.encode()).digest())
    return set(order[: min(len(people) - 1, max(1, round(share * len(people))))])


def _files(source: Path, suffixes: Iterable[str]) -> list[Path]:
    return sorted(p for p in source.rglob("*") if p.suffix.lower() in suffixes and p.is_file())


def _is_still(path: Path) -> bool:
    return path.suffix.lower() in _STILLS


def shared_person(pairs: Iterable[tuple[str, str]]) -> str | None:
    """Of (identity, split) pairs, somebody who is held back for validation and in use elsewhere."""
    pairs = set(pairs)
    held_back = {identity for identity, split in pairs if split == VAL}
    elsewhere = {identity for identity, split in pairs if split != VAL}
    return min(held_back & elsewhere, default=None)


def _check_splits(clips: list[ClipFile], source: Path) -> None:
    names: set[str] = set()
    for clip in clips:
        if clip.name in names:
            raise InputError(f"{source}: the file '{clip.name}' is listed twice")
        names.add(clip.name)
    person = shared_person((clip.identity, clip.split) for clip in clips)
    if person is not None:
        raise InputError(
            f"{source}: '{person}' is in the split '{VAL}' and in another; whom "
            "training may see cannot validate it"
        )
