# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture that shows how training goes: source, target, warp, result, alpha, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export.training.render import Rendered, View
from inference.files import write_whole
from inference.frames import encode_frame


def write_grid(path: Path, batches: list[tuple[View, Rendered]]) -> None:
    """One row a person: source, target, pure warp, result, the network's share (1 - alpha)."""
    rows = []
    for view, rendered in batches:
        columns = [
            view.source,
            view.target,
            view.picture[:, :3],
            rendered.result,
            (1 - rendered.alpha).expand(-1, 3, -1, -1),
        ]
        rows += [
            torch.cat([column[i] for column in columns], dim=2) for i in range(len(view.target))
        ]
    if rows:
        write_whole(path, encode_frame(_pixels(torch.cat(rows, dim=1)), None, "png"))


def _pixels(picture: Tensor) -> np.ndarray:
    array = picture.detach().float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return np.round(array * 255).astype(np.uint8)
