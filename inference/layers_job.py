# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's layers as pictures to look at and to paint on: matte, person, plate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.errors import InputError
from inference.files import write_whole
from inference.frames import encode_frame
from inference.jobs import LayersJob
from inference.layers.layers import portrait_layers
from inference.outputs import FolderKind, OwnedFolder, check_claimable, claim_folder
from inference.portrait import open_portrait
from inference.progress import Progress
from inference.scene import own_picture

LAYERS_FOLDER = FolderKind("layers of a portrait", (r"(matte|person|plate)\.png", r"sums\.json"))
_SUMS = "sums.json"  # of the pictures as they were written


@dataclass(frozen=True)
class WrittenLayers:
    """matte: white is the person; person: cut out, straight alpha; plate: what lies behind. All of
    the portrait's size and depth.

    words: what to look at in the matte, or "". fallback: why there is no matte, or "": then the
    pictures are not written.
    """

    matte: Path | None
    person: Path | None
    plate: Path | None
    words: str
    fallback: str


def write_layers(
    job: LayersJob,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> WrittenLayers:
    """Make a portrait's layers, or take them from the cache, and write them into the job's folder.

    progress: to 100. Raises InputError for what the user can fix, Cancelled, and LikenessError for
    a full disk.
    """
    given = [path for path in (job.portrait, job.alpha, job.plate) if path is not None]
    check_claimable(job.out, LAYERS_FOLDER, given)
    portrait = open_portrait(job.portrait, job.portrait_face)
    own = own_picture(job.alpha, "matte"), own_picture(job.plate, "clean plate")
    layers = portrait_layers(portrait, *own, progress or (lambda done, total: None), cancelled)
    if layers.fallback:
        return WrittenLayers(None, None, None, layers.quality, layers.fallback)
    form = "png16" if layers.alpha.dtype == np.uint16 else "png"
    share = layers.alpha / np.float32(np.iinfo(layers.alpha.dtype).max)
    grey = np.repeat(layers.alpha[..., None], 3, axis=2)
    paths = _write(
        claim_folder(job.out, LAYERS_FOLDER, given),
        {
            "matte": encode_frame(grey, None, form),
            "person": encode_frame(layers.person, share, form),
            "plate": encode_frame(layers.plate, None, form),
        },
    )
    return WrittenLayers(**paths, words=layers.quality, fallback="")


def _write(owned: OwnedFolder, pictures: dict[str, bytes]) -> dict[str, Path]:
    """Write what differs. A picture that was painted on since it was made is not replaced."""
    record = owned.file(_SUMS)
    try:
        known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    except (OSError, ValueError, RecursionError):
        known = {}
    paths = {name: owned.file(f"{name}.png") for name in pictures}
    for name, path in paths.items():
        if path.is_file():
            found = _sum(path.read_bytes())
            ours = isinstance(known, dict) and known.get(name) == found
            if not ours and found != _sum(pictures[name]):
                raise InputError(
                    f"{path}: was changed since it was made, and is kept; move it "
                    "away, or choose another folder"
                )
    for name, path in paths.items():
        write_whole(path, pictures[name])
    sums = {name: _sum(data) for name, data in pictures.items()}
    write_whole(record, json.dumps(sums, indent=1).encode())
    return paths


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
