# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that commands write: claimed by a record, and by one command at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from inference.locks import hold
from inference.outputs import (
    FolderKind,
    OwnedFolder,
    check_claimable,
    claim_folder,
    refuse_inputs,
)

LOCK = "likeness.lock"


def check_folder(folder: Path, kind: FolderKind, inputs: Iterable[Path] = ()) -> None:
    """Find out before long work whether `writing` would refuse; nothing is written."""
    given = list(inputs)
    refuse_inputs([folder], given)
    check_claimable(folder, kind, given)
    for path in folder.iterdir() if folder.is_dir() else ():
        if kind.pattern.fullmatch(path.name):
            OwnedFolder(folder, kind).file(path.name)  # no link by a name of ours


@contextlib.contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Be the only one who writes to a folder while the block runs; it is made if it is missing.

    what: is written, in words. Raises InputError when another run does, and where it cannot be.
    """
    with hold(folder / LOCK, what):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                (folder / LOCK).unlink()


@contextlib.contextmanager
def writing(folder: Path, kind: FolderKind, inputs: Iterable[Path] = ()) -> Iterator[OwnedFolder]:
    """Make the folder ours and be the only one who writes to it while the block runs.

    inputs: files and folders that are read meanwhile. What killed writers left is removed first; a
    folder that got nothing is given back. Raises InputError when it is somebody else's, when it
    is or holds an input, or when another run writes to it.
    """
    check_folder(folder, kind, inputs)
    made = not folder.exists()
    claim_folder(folder, kind)
    try:
        with alone(folder, kind.holds):
            owned = claim_folder(folder, kind)  # its last holder may just have given it back
            for part in owned.parts():
                part.unlink(missing_ok=True)
            try:
                yield owned
            finally:
                if not any(owned.files()):
                    owned.remove()
    finally:
        if made:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()
