# SPDX-License-Identifier: GPL-3.0-or-later
"""This process's place among those that train together: alone, or as torchrun started it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Processes:
    """rank: this one's number, from 0; count: how many there are; device: what it computes on."""

    rank: int
    count: int
    device: torch.device

    @staticmethod
    def join() -> Processes:
        """Join the others, by the environment that torchrun sets; alone without it."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        rank = int(os.environ.get("RANK", "0"))
        device = torch.device("cpu")
        if torch.cuda.is_available():
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        if count > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return Processes(rank, count, device)

    @property
    def first(self) -> bool:
        """Whether this process writes logs, pictures and checkpoints."""
        return self.rank == 0

    def any(self, here: bool) -> bool:
        """Whether it holds in any of the processes: all decide alike."""
        if self.count == 1:
            return here
        flag = torch.tensor(float(here), device=self.device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag)

    def average_gradients(self, network: nn.Module) -> None:
        """Give every process the mean of all processes' gradients."""
        if self.count == 1:
            return
        for parameter in network.parameters():
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= self.count

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            distributed.barrier()
