# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a picture beside pixel values: that it looks alike, and passes for real."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from export.networks.discriminator import PATCH_WIDTHS, Verdict, WarpDiscriminator
from export.training.balance import Balance
from export.training.closeups import close_ups
from export.training.config import TrainConfig
from export.training.losses import (
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    r1_penalty,
)
from export.training.perceptual import FourierBlocks
from export.training.precision import autocast
from export.training.processes import Processes
from export.training.render import Rendered, View
from inference.generator.contract import CHANNELS

_LINES = len(CHANNELS) - 6  # the first of the landmark channels
_R1_EVERY = 16  # steps; its weight is raised by as much (lazy regularization, StyleGAN2)


class Critics:
    """A perceptual distance, and a discriminator with its optimizer.

    `judge` gives the generator's terms, `learn` takes a step of the discriminator's own. The
    discriminator joins late, and learns for a while before its word counts: one that knows
    nothing yet would only add noise.
    """

    def __init__(self, config: TrainConfig, processes: Processes) -> None:
        self.config = config
        self.processes = processes
        self.steps = 0  # that it has learned
        self.looks = FourierBlocks(phase=config.phase).to(processes.device)
        self.network = WarpDiscriminator(PATCH_WIDTHS[config.adversary]).to(processes.device)
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), config.rate_adversary, betas=(0.0, 0.99)
        )
        self.balance = Balance(
            {
                "pixels": 1.0,
                "looks": config.share_looks,
                "adversary": config.share_adversary,
                "features": config.share_features,
            },
            "pixels",
        )

    def judge(self, rendered: Rendered, view: View, e: Tensor, pixels: Tensor) -> dict[str, Tensor]:
        """The terms beside `pixels`, weighed so that each pulls its share of what pixels pull.

        e: (N, 256). To be called outside autocast.
        """
        crops = close_ups(_seen(rendered.result, view), view.points)
        wanted = close_ups(_seen(view.target, view), view.points)
        terms = {"pixels": pixels}
        if self.config.share_looks:
            terms["looks"] = 0.5 * self.looks(rendered.result, view.target)
            for name, near in crops.items():
                colours = (near[:, :, :3].flatten(0, 1), wanted[name][:, :, :3].flatten(0, 1))
                terms["looks"] = terms["looks"] + self.looks(*colours)
        if self.steps >= self.config.adversary_warm_up:
            self.network.requires_grad_(False)
            fake = self._verdict(rendered.result, view, e, crops)
            with torch.no_grad():
                real = self._verdict(view.target, view, e, wanted)
            self.network.requires_grad_(True)
            terms["adversary"] = hinge_generator(fake.scores)
            terms["features"] = feature_matching(fake.features, real.features)
        weights = self.balance.weights(terms, rendered.result)
        return {name: weights[name] * term for name, term in terms.items() if name != "pixels"}

    def learn(self, rendered: Rendered, view: View, e: Tensor) -> dict[str, float]:
        """One step of the discriminator on what the generator just made; figures for the log."""
        figures: dict[str, float] = {}
        penal = self.steps % _R1_EVERY == 0 and self.config.r1 > 0
        target = view.target.detach().requires_grad_(penal)
        crops = close_ups(_seen(rendered.result.detach(), view), view.points)
        # The close-ups are inputs of their own: sampling has no second derivative everywhere.
        wanted = {
            name: near.detach().requires_grad_(penal)
            for name, near in close_ups(_seen(view.target, view), view.points).items()
        }
        real = self._verdict(target, view, e, wanted, exact=penal)
        fake = self._verdict(rendered.result.detach(), view, e, crops)
        loss = hinge_discriminator(real.scores, fake.scores)
        figures["discriminator"] = float(loss.detach())
        if penal:
            penalty = r1_penalty(real.scores, [target, *wanted.values()])
            figures["r1"] = float(penalty.detach())
            loss = loss + _R1_EVERY * self.config.r1 * penalty
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.average_gradients(self.network)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
        self.steps += 1
        return figures

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balance": self.balance.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.balance.load_state_dict(state["balance"])
        self.steps = int(state["steps"])

    def _verdict(
        self,
        picture: Tensor,
        view: View,
        e: Tensor,
        crops: dict[str, Tensor],
        *,
        exact: bool = False,
    ) -> Verdict:
        lines = view.picture[:, _LINES:]
        half = self.config.half and not exact
        with autocast(picture.device, half):
            verdict: Verdict = self.network(picture, lines, e.detach(), crops)
        return verdict


def _seen(picture: Tensor, view: View) -> Tensor:
    """A picture with the target's landmark channels, as the discriminator sees it."""
    return torch.cat([picture, view.picture[:, _LINES:]], dim=1)
