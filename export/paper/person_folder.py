# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a person's generator of the paper: ONNX, checkpoint, vector, picture, card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.checkpoint import state_hash
from export.export_onnx import export_onnx
from export.graphs import Port
from export.networks.paper import LANDMARK_CHANNELS, PersonalPaperGenerator, without_spectral_norm
from export.paper.person import PaperPersonalized, show
from export.paper.person_config import PaperPersonConfig
from export.paper.person_judge import Picture, Unseen, as_pictures
from export.paper.person_kind import CHECKPOINT, PAPER_FOLDER
from export.paper.person_pictures import SIZE
from export.personalization.folder import captions
from inference.files import write_whole, written_whole
from inference.frames import encode_frame
from inference.generator import contract
from inference.generator.person import (
    CARD,
    GENERATOR,
    IDENTITY,
    META_PERSON,
    PAPER_PERSON,
    PICTURE,
    UNFINISHED,
)
from inference.landmarks import TOPOLOGY
from inference.outputs import claim_folder

_SHOWN = 4  # of held-back pictures, and of unseen frames


def write_paper_person(
    made: PaperPersonalized, config: PaperPersonConfig, unseen: Unseen | None
) -> None:
    """Write all files, each whole or not at all; PAPER_PERSON last.

    Raises InputError when the folder is not ours or cannot be written, LikenessError when the disk
    is full.
    """
    folder = claim_folder(config.out, PAPER_FOLDER)
    folder.file(PAPER_PERSON).unlink(missing_ok=True)
    words = f"{made.meta.training}; {_made_how(made)}"
    with written_whole(folder.file(CHECKPOINT)) as part:
        torch.save({"generator": made.generator.state_dict(), "training": words}, part)
    _write_onnx(made.generator, words, folder.file(GENERATOR))
    with written_whole(folder.file(IDENTITY)) as part, part.open("wb") as file:
        np.save(file, made.identity.numpy().astype(np.float32))
    write_whole(folder.file(PICTURE), encode_frame(before_after(made, unseen), None, "png"))
    write_whole(folder.file(CARD), _card(made, config, unseen).encode())
    content = {
        "generator": "paper",
        "pictures": [
            {"name": name, "sha256": sha}
            for name, sha in zip(made.person.names, made.person.hashes, strict=True)
        ],
        "personalized": made.better,
        "steps": made.step,
        "trained": made.steps,
        "seconds": round(made.seconds, 1),
        "checkpoint_sha256": made.meta.sha256,
        "generator_sha256": hashlib.sha256(folder.file(GENERATOR).read_bytes()).hexdigest(),
        "held_back": {"before": vars(made.before), "after": vars(made.after)},
        "unseen": unseen and unseen.plain(),
    }
    write_whole(
        folder.file(PAPER_PERSON), json.dumps(content, indent=1, ensure_ascii=False).encode()
    )
    folder.file(UNFINISHED).unlink(missing_ok=True)


def before_after(made: PaperPersonalized, unseen: Unseen | None) -> NDArray[np.uint8]:
    """Rows of pictures, real | feed-forward | personalized: what was held back, then unseen
    frames of the clip."""
    held = made.person.held
    columns: list[tuple[Picture, ...]] = [
        as_pictures(batch)[:_SHOWN]
        for batch in (
            (held.target + 1) / 2,
            show(made.feed_forward, held.lines[:_SHOWN]),
            show(made.generator, held.lines[:_SHOWN]),
        )
    ]
    rows = [np.concatenate(row, axis=1) for row in zip(*columns, strict=True)]
    if unseen is not None:
        count = len(unseen.targets)
        for i in np.unique(np.linspace(0, count - 1, min(_SHOWN, count)).round()).astype(int):
            pictures = [unseen.targets[i], unseen.made["before"][i], unseen.made["after"][i]]
            rows.append(np.concatenate(pictures, axis=1))
    return np.concatenate([captions("picture", "feed-forward", "personalized"), *rows])


def _write_onnx(generator: PersonalPaperGenerator, words: str, path: Path) -> None:
    """landmarks (N, 3, 256, 256) in [-1, 1] -> frame, as `export onnx --fold` has it."""
    plain = without_spectral_norm(generator)
    metadata = {
        contract.META_KIND: "paper",
        contract.META_SIZE: str(SIZE),
        contract.META_TOPOLOGY: TOPOLOGY,
        contract.META_TRAINING: words,
        contract.META_CHECKPOINT: state_hash(generator),
        META_PERSON: "folded",
    }
    port = Port("landmarks", (LANDMARK_CHANNELS, SIZE, SIZE))
    export_onnx(plain, (port,), ("frame",), metadata, path)


def _made_how(made: PaperPersonalized) -> str:
    count = len(made.person.names)
    if not made.better:
        return "psi = P e of one person, not trained further"
    return f"personalized on {count} picture{'s' * (count > 1)} in {made.step} steps"


def _card(made: PaperPersonalized, config: PaperPersonConfig, unseen: Unseen | None) -> str:
    person = made.person
    kept = (
        f"the weights of step {made.step}, the best on what was held back."
        if made.better
        else "the meta-learned weights with psi = P e: no step of training was better on what was "
        "held back."
    )
    adversary = (
        f"had learned {made.meta.judge_steps} steps in meta-learning"
        if made.meta.judge_steps
        else "had not learned anything in meta-learning, and began with this person"
    )
    lines = [
        "# A person's generator of the 2019 paper",
        "",
        "A `paper` generator (arXiv:1905.08233) that is this person's: psi, the scale and bias of "
        "every adaptive norm, is part of the weights. Landmark pictures go in, frames of 256 x "
        "256 come out. `synthesize --person` with this folder lays its face into the portrait.",
        "",
        f"- Pictures: {', '.join(person.names)} (hashes in `{PAPER_PERSON}`).",
        f"- Meta-learned weights: {made.meta.training}.",
        f"- Training here: {made.steps} steps of {config.batch} in {made.seconds:.0f} seconds; "
        f"the discriminator {adversary}.",
        f"- Kept: {kept}",
        "",
        "## Figures",
        "",
        f"On what was never asked for in training: {', '.join(person.held_names)}.",
        "",
        "| | feed-forward | kept |",
        "|---|---|---|",
        f"| SSIM | {made.before.ssim:.3f} | {made.after.ssim:.3f} |",
        f"| difference of pixels, of 255 | {255 * made.before.pixels:.1f} "
        f"| {255 * made.after.pixels:.1f} |",
        "",
        *([] if unseen is None else _unseen_lines(unseen)),
        "## Limits",
        "",
        "- It knows no more of the person than the pictures and the meta-learned weights tell; "
        "those are worth what their training was.",
        "- Driven by another person's landmarks it shows that person's proportions.",
        "- Whether all pictures show one person was not checked; nothing here could tell.",
        "- Make it only of people who agreed to it, and say of what is made that it is made.",
        "",
    ]
    return "\n".join(lines)


def _unseen_lines(unseen: Unseen) -> list[str]:
    where = f"`{unseen.clip}` (split `{unseen.split}`)"
    names = {
        "ssim": "SSIM",
        "ssim_face": "SSIM of the face's box",
        "psnr": "PSNR, dB",
        "sharpness": "sharpness, 1 is the real picture's",
        "identity": "identity",
    }
    return [
        f"On {len(unseen.targets)} frames of the second half of {where}. Identity is a cosine, "
        f"seen from the middle of {unseen.people} people; the real frames reach "
        f"{unseen.real_identity:.3f}.",
        "",
        "| | feed-forward | kept |",
        "|---|---|---|",
        *(
            f"| {words} | {unseen.before[name]:.3f} | {unseen.after[name]:.3f} |"
            for name, words in names.items()
        ),
        "",
    ]
