# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the person's folder: generator, vector, picture, card, and last what makes it valid."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from export.checkpoint import state_hash
from export.export_onnx import export_onnx
from export.graphs import Port
from export.personalization.card import write_card
from export.personalization.config import PersonalizeConfig
from export.personalization.judge import LOOKED_AT
from export.personalization.personalize import Personalized
from inference.files import write_whole, written_whole
from inference.frames import encode_frame
from inference.generator import contract
from inference.generator.person import (
    CARD,
    GENERATOR,
    IDENTITY,
    META_PERSON,
    PERSON,
    PERSON_FOLDER,
    PICTURE,
    UNFINISHED,
    VERSION,
)
from inference.landmarks import TOPOLOGY
from inference.outputs import claim_folder

SIZE = 256
_CAPTION = 22  # pixels
_TRUTHS = 2  # held-back pictures that are shown


def write_person(made: Personalized, config: PersonalizeConfig) -> None:
    """Write all files, each whole or not at all; PERSON last, which holds the generator's hash.

    Raises InputError when the folder is not ours or cannot be written, LikenessError when the disk
    is full.
    """
    folder = claim_folder(config.out, PERSON_FOLDER)
    folder.file(PERSON).unlink(missing_ok=True)
    _write_generator(made, config.tier, folder.file(GENERATOR))
    with written_whole(folder.file(IDENTITY)) as part, part.open("wb") as file:
        np.save(file, made.identity.numpy().astype(np.float32))
    write_whole(folder.file(PICTURE), encode_frame(before_after(made), None, "png"))
    write_whole(folder.file(CARD), write_card(made, config).encode())
    content = {
        "likeness_person": VERSION,
        "pictures": [
            {"name": portrait.path.name, "sha256": sha}
            for portrait, sha in zip(made.pictures.portraits, made.pictures.hashes, strict=True)
        ],
        "tier": config.tier,
        "personalized": made.better,
        "steps": made.step,
        "checkpoint_sha256": hashlib.sha256(config.checkpoint.read_bytes()).hexdigest(),
        "generator_sha256": hashlib.sha256(folder.file(GENERATOR).read_bytes()).hexdigest(),
        "feed_forward": made.before.plain(),
        "after": made.after.plain(),
    }
    write_whole(folder.file(PERSON), json.dumps(content, indent=1, ensure_ascii=False).encode())
    folder.file(UNFINISHED).unlink(missing_ok=True)


class Run(Protocol):
    """What is said of a run; see `Personalized`."""

    @property
    def better(self) -> bool: ...
    @property
    def step(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def seconds(self) -> float: ...


def kept_line(folder: Path, made: Run, count: int) -> str:
    """What came of a run on so many pictures."""
    what = f"step {made.step} of {made.steps}" if made.better else "the feed-forward weights"
    return (
        f"{folder}: {what} kept, from {count} picture{'s' * (count > 1)} in "
        f"{made.seconds:.0f} s; see {CARD}"
    )


def before_after(made: Personalized) -> NDArray[np.uint8]:
    """Rows of pictures: a real one | feed-forward | personalized.

    First what was held back, made of others; then the first picture driven, beside itself: nothing
    real shows the same pose.
    """
    judge = made.judge
    rows: list[NDArray[np.uint8]] = []
    shown = [(judge.truth[0], _TRUTHS), *((view, LOOKED_AT) for view in judge.driven)]
    for view, count in shown:
        before = judge.render(made.feed_forward, view).result
        after = judge.render(made.generator, view).result
        rows += [
            np.concatenate([_pixels(x[i]) for x in (view.target, before, after)], axis=1)
            for i in range(min(count, len(before)))
        ]
    return np.concatenate([captions("picture", "feed-forward", "personalized"), *rows])


def _write_generator(made: Personalized, tier: str, path: Path) -> None:
    network = copy.deepcopy(made.generator).float()
    count = len(made.pictures)
    how = (
        f"personalized on {count} picture{'s' * (count > 1)} in {made.step} steps"
        if made.better
        else "folded for one person, not trained further"
    )
    metadata = {
        contract.META_KIND: "warp",
        contract.META_TIER: tier,
        contract.META_SIZE: str(SIZE),
        contract.META_TOPOLOGY: TOPOLOGY,
        contract.META_TRAINING: f"{made.training}; {how}",
        contract.META_CHECKPOINT: state_hash(network),
        META_PERSON: "folded",
    }
    inputs = (
        Port("picture", (len(contract.CHANNELS), SIZE, SIZE)),
        Port("identity", (contract.IDENTITY_SIZE,)),  # kept for the contract; it changes nothing
    )
    export_onnx(network, inputs, contract.OUTPUTS, metadata, path)


def _pixels(picture: Tensor) -> NDArray[np.uint8]:
    array = picture.detach().float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return np.round(array * 255).astype(np.uint8)


def captions(*words: str) -> NDArray[np.uint8]:
    """A strip of words, each over a picture of SIZE."""
    strip = np.full((_CAPTION, SIZE * len(words), 3), 24, np.uint8)
    for place, word in enumerate(words):
        at = (place * SIZE + 8, _CAPTION - 7)
        cv2.putText(
            strip, word, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (230, 230, 225), 1, cv2.LINE_AA
        )
    return strip
