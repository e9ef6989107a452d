# SPDX-License-Identifier: GPL-3.0-or-later
"""A generator of each evaluated person, fine-tuned on the very sources as the command does it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from export.evaluation.clips import EvaluationClip
from export.evaluation.reenact import source_portrait
from export.folders import writing
from export.personalization.config import MOST_PICTURES, PersonalizeConfig
from export.personalization.folder import write_person
from export.personalization.personalize import fine_tune, read_files
from export.personalization.pictures import PersonPictures
from inference.errors import InputError
from inference.generator.person import PERSON, PERSON_FOLDER, open_person


@dataclass(frozen=True)
class Personalizing:
    """folder: gets a person's folder for each clip and number of sources; those that are there
    and fit are used again. checkpoint: the meta-learned weights. minutes: for each, at most.
    threads: of torch, in each process; 0: all cores.
    """

    folder: Path
    checkpoint: Path
    tier: str
    minutes: float = PersonalizeConfig.minutes
    threads: int = 0


def personalized_on(clip: EvaluationClip, shots: int, how: Personalizing) -> Path:
    """The folder of the clip's person, made of its first `shots` sources.

    Raises InputError when the checkpoint cannot be used or the folder cannot be written.
    """
    frames = clip.sources[: min(shots, MOST_PICTURES)]
    name = re.sub(r"[^\w.-]+", "_", clip.name)
    out = how.folder / f"{name}-{len(frames)}"
    portraits = tuple(source_portrait(clip, frame) for frame in frames)
    pictures = PersonPictures(
        portraits,
        tuple(hashlib.sha256(p.picture.rgb8().tobytes()).hexdigest() for p in portraits),
    )
    if not _fits(out, pictures, how):
        names = tuple(Path(f"{name}-{frame}") for frame in frames)
        config = PersonalizeConfig(
            names, out, how.checkpoint, how.tier, minutes=how.minutes, threads=how.threads
        )
        with writing(out, PERSON_FOLDER, read_files(config)):
            write_person(fine_tune(config, pictures), config)
    return out


def _fits(folder: Path, pictures: PersonPictures, how: Personalizing) -> bool:
    """Was it made of these pictures and weights, and is it whole?"""
    try:
        open_person(folder)
        said = json.loads((folder / PERSON).read_text(encoding="utf-8"))
        made_of = [entry["sha256"] for entry in said["pictures"]]
        weights = said["checkpoint_sha256"]
    except (InputError, OSError, ValueError, KeyError, TypeError):
        return False
    wanted = hashlib.sha256(how.checkpoint.read_bytes()).hexdigest()
    return made_of == list(pictures.hashes) and weights == wanted
