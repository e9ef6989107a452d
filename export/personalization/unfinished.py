# SPDX-License-Identifier: GPL-3.0-or-later
"""What an interrupted personalization left: all that the same command needs to go on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from export.personalization.config import PersonalizeConfig
from export.personalization.judge import Figures
from inference.files import written_whole
from inference.generator.person import UNFINISHED
from inference.outputs import OwnedFolder


@dataclass
class Run:
    """Where a run is: steps done, seconds used, the best generator so far (its averaged weights,
    figures and step), and how many judgements brought no better one since."""

    step: int = 0
    seconds: float = 0.0
    best: dict[str, Tensor] | None = None
    best_figures: Figures | None = None
    best_step: int = 0
    stale: int = 0


def fingerprint(config: PersonalizeConfig, hashes: tuple[str, ...]) -> str:
    """Of everything that decides the result: pictures, checkpoint and choices."""
    aside = {"portraits", "out", "checkpoint", "minutes", "threads"}
    choices = {key: value for key, value in asdict(config).items() if key not in aside}
    digest = hashlib.sha256(json.dumps(choices, sort_keys=True).encode())
    digest.update("".join(hashes).encode())
    digest.update(hashlib.sha256(config.checkpoint.read_bytes()).digest())
    return digest.hexdigest()


def save_unfinished(
    folder: OwnedFolder,
    mark: str,
    run: Run,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write it whole or not at all. Raises LikenessError when the disk is full."""
    content = {
        "fingerprint": mark,
        "run": {
            "step": run.step,
            "seconds": run.seconds,
            "best": run.best,
            "best_figures": run.best_figures and run.best_figures.plain(),
            "best_step": run.best_step,
            "stale": run.stale,
        },
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    with written_whole(folder.file(UNFINISHED)) as part:
        torch.save(content, part)


def load_unfinished(
    folder: OwnedFolder,
    mark: str,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> Run:
    """Go on where the same personalization was interrupted; else a new run."""
    path = folder.file(UNFINISHED)
    if not path.is_file():
        return Run()
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if content["fingerprint"] != mark:
            return Run()
        network.load_state_dict(content["network"])
        average.load_state_dict(content["average"])
        optimizer.load_state_dict(content["optimizer"])
        values = content["run"]
        figures = values.pop("best_figures")
        return Run(**values, best_figures=figures and Figures(**figures))
    except Exception:  # torch.load raises whatever its unpickler meets: a torn file is no file
        path.unlink(missing_ok=True)
        return Run()
