# SPDX-License-Identifier: GPL-3.0-or-later
"""The moving average of a network's weights: what is validated, kept and exported."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Let `average` come 1 - keep of the way to `network`.

    Buffers, such as spectral norm's own vectors, are taken as they are.
    """
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - keep)
    for slow, fast in zip(average.buffers(), network.buffers(), strict=True):
        slow.copy_(fast)
