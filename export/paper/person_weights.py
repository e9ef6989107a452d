# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's meta-learned networks from a checkpoint, and what an interrupted run left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.checkpoint import EXPORTED, load_weights
from export.networks.discriminator import PaperDiscriminator
from export.networks.embedder import PaperEmbedder
from export.networks.paper import PaperGenerator
from export.paper.person_config import PaperPersonConfig
from inference.errors import InputError
from inference.files import written_whole


@dataclass(frozen=True)
class MetaLearned:
    """The three networks. training: words on it. judge_steps: how often the discriminator learned;
    0 when the run ended before its turn came. sha256: hex, of the file."""

    generator: PaperGenerator
    embedder: PaperEmbedder
    judge: PaperDiscriminator
    training: str
    judge_steps: int
    sha256: str


@dataclass
class PaperRun:
    """Where a run is: steps done, seconds used, the best generator so far (its averaged weights,
    score and step), and how many judgements brought no better one since."""

    step: int = 0
    seconds: float = 0.0
    best: dict[str, Tensor] | None = None
    best_score: float | None = None
    best_step: int = 0
    stale: int = 0


def load_meta_learned(path: Path) -> MetaLearned:
    """Raises InputError when the file is no checkpoint of the paper's three networks."""
    if path.suffix == EXPORTED:
        raise InputError(
            f"{path}: an exported generator comes without embedder and discriminator; "
            "give the checkpoint that python -m export paper wrote"
        )
    generator = PaperGenerator()
    training = load_weights(generator, path, "paper").training
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    try:
        embedder = PaperEmbedder()
        embedder.load_state_dict(content["paper_embedder"])
        state = content["resume"]["state"]
        judge = PaperDiscriminator(1)  # the rows of the training's videos are of no use here
        judge.trunk.load_state_dict(_part(state["judge"], "trunk."))
        judge.common.load_state_dict(_part(state["judge"], "common."))
        learned = [int(entry["step"]) for entry in state["second"]["state"].values()]
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{path}: has no embedder and discriminator beside the generator, or others than this "
            "version's; give a checkpoint that python -m export paper wrote"
        ) from error
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return MetaLearned(
        generator.eval(), embedder.eval(), judge, training, max(learned, default=0), sha256
    )


def fingerprint(config: PaperPersonConfig, hashes: tuple[str, ...], checkpoint: str) -> str:
    """Of everything that decides the result: pictures, checkpoint (their sha256) and choices."""
    aside = {"portraits", "out", "checkpoint", "minutes", "threads"}
    choices = {key: value for key, value in asdict(config).items() if key not in aside}
    content = json.dumps([choices, hashes, checkpoint], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def save_run(path: Path, mark: str, run: PaperRun, parts: Mapping[str, Any]) -> None:
    """Write it whole or not at all. Raises LikenessError when the disk is full.

    parts: networks and optimizers by name. mark: of all that decides the result.
    """
    content = {
        "fingerprint": mark,
        "run": {key: getattr(run, key) for key in PaperRun.__dataclass_fields__},
        "parts": {name: part.state_dict() for name, part in parts.items()},
    }
    with written_whole(path) as part:
        torch.save(content, part)


def load_run(path: Path, mark: str, parts: Mapping[str, Any]) -> PaperRun:
    """Go on where the same personalization was interrupted; else a new run."""
    if not path.is_file():
        return PaperRun()
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["fingerprint"] != mark:
            return PaperRun()
        run = PaperRun(**content["run"])
    except Exception:  # torch.load raises whatever its unpickler meets: a torn file is no file
        path.unlink(missing_ok=True)
        return PaperRun()
    for name, part in parts.items():
        part.load_state_dict(content["parts"][name])
    return run


def _part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}
