# SPDX-License-Identifier: GPL-3.0-or-later
"""Terms of unlike scales made comparable: each is weighed by its gradient at the picture.

A term's own value says nothing about its pull. What the generator feels is the gradient that
arrives at its output, and there the norms are brought to the shares that are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from inference.errors import LikenessError


class Balance:
    """Weights such that each term's gradient norm is its share of the reference term's.

    weight = share * norm(reference) / norm(term), of norms smoothed over steps. The reference
    keeps its share as its weight. A term that has just begun, or an adversary that cannot tell
    anything yet, has a faint gradient of mere noise: no weight grows beyond `limit` times the
    first one that was measured for its term.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        reference: str,
        *,
        smoothing: float = 0.9,
        every: int = 4,
        limit: float = 4.0,
    ) -> None:
        """smoothing: of the norms, from one measurement to the next. every: steps between these,
        each of which costs the terms' own backward pass once more."""
        if shares.get(reference, 0.0) <= 0.0:
            raise ValueError(f"the reference '{reference}' needs a share above 0")
        self.shares = dict(shares)
        self.reference = reference
        self.smoothing = smoothing
        self.every = every
        self.limit = limit
        self.step = 0
        self.norms: dict[str, float] = {}
        self._first: dict[str, float] = {}

    def weights(
        self, losses: Mapping[str, Tensor], outputs: Tensor | Sequence[Tensor]
    ) -> dict[str, float]:
        """The weight of each of `losses`, to be called once a step, before `backward`.

        outputs: what the network gave and the terms were computed from, as a rule the picture;
        every term must depend on it. The graph stays whole.
        """
        outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        unknown = losses.keys() - self.shares.keys()
        if unknown:
            raise ValueError(f"no share is given for the term '{min(unknown)}'")
        if self.step % self.every == 0 or losses.keys() - self.norms.keys():
            self._measure(losses, outputs)
        self.step += 1
        return {name: self._weight(name) for name in losses}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on with the same weights."""
        return {"step": self.step, "norms": dict(self.norms), "first": dict(self._first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.step = int(state["step"])
        self.norms = dict(state["norms"])
        self._first = dict(state["first"])

    def _measure(self, losses: Mapping[str, Tensor], outputs: list[Tensor]) -> None:
        for name, norm in gradient_norms(losses, outputs).items():
            if not math.isfinite(norm):
                raise LikenessError(
                    f"the gradient of the term '{name}' became {norm}; lower the "
                    "learning rate and go on from the last checkpoint"
                )
            if norm == 0.0:
                continue  # a term that is satisfied, or masked out of this batch
            before = self.norms.get(name, norm)
            self.norms[name] = self.smoothing * before + (1.0 - self.smoothing) * norm

    def _weight(self, name: str) -> float:
        share = self.shares[name]
        if name == self.reference or name not in self.norms or self.reference not in self.norms:
            return share
        ratio = self.norms[self.reference] / self.norms[name]
        ratio = min(ratio, self.limit * self._first.setdefault(name, ratio))
        return share * ratio


def gradient_norms(losses: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> dict[str, float]:
    """L2 norm of each term's gradient at the outputs; over all processes where there are several.

    Raises ValueError for a term that does not depend on the outputs.
    """
    squares = []
    for name, loss in losses.items():
        slopes = torch.autograd.grad(loss, outputs, retain_graph=True, allow_unused=True)
        reached = [slope.float().square().sum() for slope in slopes if slope is not None]
        if not reached:
            raise ValueError(
                f"the term '{name}' does not depend on the output: give it a fixed weight"
            )
        squares.append(torch.stack(reached).sum())
    total = torch.stack(squares)
    if dist.is_available() and dist.is_initialized():
        # Each process holds the mean over its part of the batch; the joint mean's gradient at
        # that part is this one over the number of processes.
        dist.all_reduce(total)
        total = total / dist.get_world_size() ** 2
    return dict(zip(losses, total.sqrt().tolist(), strict=True))


def check_finite(losses: Mapping[str, Tensor], step: int) -> None:
    """Raise LikenessError that names the first term which is no finite number any more."""
    values = torch.stack([loss.detach().float() for loss in losses.values()])
    if torch.isfinite(values).all():
        return
    for name, value in zip(losses, values.tolist(), strict=True):
        if not math.isfinite(value):
            raise LikenessError(
                f"the term '{name}' became {value} at step {step}; lower the "
                "learning rate and go on from the last checkpoint"
            )
