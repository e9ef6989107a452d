# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's folder, as `python -m export personalize` writes it: a generator of that person."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.arrays import UNREADABLE, read_array
from inference.errors import InputError
from inference.generator.contract import IDENTITY_SIZE
from inference.inputs import read_bytes, read_json
from inference.outputs import FolderKind
from inference.sessions import LARGEST

VERSION = 1
PERSON, GENERATOR, IDENTITY = "person.json", "generator.onnx", "identity.npy"
PAPER_PERSON = "paper_person.json"  # instead of PERSON: the generator is the 2019 paper's
CARD, PICTURE = "card.md", "before_after.png"
UNFINISHED = "unfinished.pt"  # what an interrupted personalization goes on from
_LONGEST = 10_000_000  # bytes of its names that are looked at
_AGAIN = "make the folder again with: python -m export personalize"
META_PERSON = "likeness.person"  # "folded": the person's vector is in the weights


def left_unfinished(folder: Path, word: bytes) -> bool:
    """Did an interrupted personalization leave its state there? word: a name in that state."""
    try:
        with zipfile.ZipFile(folder / UNFINISHED) as file:
            (name,) = (name for name in file.namelist() if name.endswith("/data.pkl"))
            with file.open(name) as state:
                content = state.read(_LONGEST)
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error):
        return False
    return b"fingerprint" in content and word in content


def _was_personalized(folder: Path) -> bool:
    """A person's folder had no record before, but its own list, or what was interrupted."""
    try:
        said = json.loads((folder / PERSON).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and isinstance(said.get("likeness_person"), int):
        return True
    return left_unfinished(folder, b"best_figures")


PERSON_FOLDER = FolderKind(
    "a personalized generator",
    tuple(re.escape(n) for n in (PERSON, GENERATOR, IDENTITY, CARD, PICTURE, UNFINISHED)),
    _was_personalized,
)


@dataclass(frozen=True)
class Person:
    """model: the generator's file. identity: (256,), which a folded generator ignores; zeros where
    it is the paper's.
    """

    model: Path
    identity: NDArray[np.float32]


def open_person(folder: Path) -> Person:
    """Raises InputError when it is no person's folder, or not a whole one."""
    if not folder.is_dir():
        raise InputError(
            f"{folder}: there is no such folder; make one with: python -m export personalize"
        )
    is_paper = not (folder / PERSON).is_file() and (folder / PAPER_PERSON).is_file()
    record = folder / (PAPER_PERSON if is_paper else PERSON)
    if not record.is_file():
        raise InputError(
            f"{folder}: is no person's folder (it has no {PERSON}), or an unfinished "
            "one; make it with: python -m export personalize"
        )
    try:
        content = read_json(record, "person's record", _AGAIN)
        if not isinstance(content, dict):
            raise ValueError("no record")
        version = VERSION if is_paper else content["likeness_person"]
        wanted = content["generator_sha256"]
        model = folder / GENERATOR
        data = read_bytes(model, "generator", _AGAIN, LARGEST)
        whole = hashlib.sha256(data).hexdigest() == wanted
        identity = np.zeros(IDENTITY_SIZE, np.float32)
        if not is_paper:
            identity = read_array(
                folder / IDENTITY, "person's vector", _AGAIN, np.float32, (IDENTITY_SIZE,)
            )
    except (InputError, *UNREADABLE):
        whole, version, identity = False, VERSION, np.zeros(0, np.float32)
    if version != VERSION:
        raise InputError(
            f"{folder}: was made by another version; make it again with: "
            "python -m export personalize"
        )
    if not whole or not np.isfinite(identity).all():
        raise InputError(
            f"{folder}: a file of this person's folder is missing or damaged; make "
            "it again with: python -m export personalize"
        )
    return Person(model, identity)
