# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: what is exported, and beside it all that a run needs to go on as if unbroken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export.training.config import TrainConfig
from export.training.critics import Critics
from export.training.folder import checkpoint_name, checkpoints, drop_oldest
from inference.errors import InputError
from inference.files import written_whole
from inference.outputs import OwnedFolder


@dataclass(frozen=True)
class Start:
    """Where a run begins: the step, and the minutes that it has used already."""

    step: int = 0
    minutes: float = 0.0


def save_checkpoint(
    folder: OwnedFolder,
    config: TrainConfig,
    learner: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    critics: Critics,
    step: int,
    minutes: float,
) -> Path:
    """Write `checkpoint-<step>.pt`, whole or not at all, and drop the oldest ones.

    It holds the averaged generator under "generator" and words under "training" for the export,
    and the run's own state under "resume". Raises LikenessError when the disk is full.
    """
    path = folder.file(checkpoint_name(step))
    content = {
        "generator": average.generator.state_dict(),
        "embedder": average.embedder.state_dict(),
        "training": f"{step} steps of {config.batch} in {minutes:.0f} minutes, "
        f"{config.tier}, seed {config.seed}",
        "resume": {
            "tier": config.tier,
            "step": step,
            "minutes": minutes,
            "learner": learner.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "critics": critics.state_dict(),
        },
    }
    with written_whole(path) as part:
        torch.save(content, part)
    drop_oldest(folder, config.keep_checkpoints)
    return path


def load_newest(
    config: TrainConfig,
    learner: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    critics: Critics,
    device: torch.device,
) -> Start:
    """Go on from the newest checkpoint in `config.out`, if there is one.

    Raises InputError when it is damaged or of another tier.
    """
    found = checkpoints(config.out)
    if not found:
        return Start()
    path = found[-1]
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)["resume"]
        if state["tier"] != config.tier:
            raise InputError(
                f"{path}: is of the tier '{state['tier']}', not '{config.tier}'; "
                "choose another --out"
            )
        learner.load_state_dict(state["learner"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        critics.load_state_dict(state["critics"])
    except InputError:
        raise
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise InputError(
            f"{path}: a damaged checkpoint, or one of another version ({type(error).__name__}); "
            "remove it to go on from the one before"
        ) from error
    return Start(int(state["step"]), float(state["minutes"]))
