# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the personalized generator better than the feed-forward one? On what it never trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.personalization.config import PersonalizeConfig
from export.personalization.pairs import Batch, Pairs
from export.training.config import TrainConfig
from export.training.objective import measures, region_weight
from export.training.precision import autocast
from export.training.render import Rendered, View, render, view_batch
from inference.generator.contract import IDENTITY_SIZE

LOOKED_AT = 4  # driven poses
# What is taken for noise: a figure may be worse by this share; sharpness by this much.
_NOISE = 0.01
_NOISE_SHARPNESS = 0.03


@dataclass(frozen=True)
class Figures:
    """Mean absolute errors in grey levels of 255 on what was held back, unless said otherwise.

    error: all pixels, weighted as in training. sharpness: fine detail in the face, result over
    truth. drift: difference from feed-forward in driven frames.
    """

    error: float
    face: float
    mouth: float
    eyes: float
    sharpness: float
    drift: float

    def plain(self) -> dict[str, float]:
        """As numbers by name."""
        return asdict(self)


class Judge:
    """Figures of a generator, against those of the feed-forward one that it is made with."""

    def __init__(
        self,
        pairs: Pairs,
        feed_forward: nn.Module,
        config: PersonalizeConfig,
        losses: TrainConfig,
        device: torch.device,
    ) -> None:
        self._losses = losses
        self._device = device
        self._half = config.half
        self.truth = [self._view(batch) for batch in pairs.judging()]
        self.driven = [self._view(batch) for batch in pairs.driven(LOOKED_AT)]
        self._before = [self.render(feed_forward, view).result for view in self.driven]
        self.before = self.look(feed_forward)

    @torch.no_grad()
    def look(self, generator: nn.Module) -> Figures:
        """The figures of a generator of this person."""
        found: dict[str, list[float]] = {}
        for view in self.truth:
            rendered = self.render(generator, view)
            for name, value in {
                "error": self._error(rendered, view),
                "sharpness": _sharpness(rendered.result, view),
                **measures(rendered, view),
            }.items():
                found.setdefault(name, []).append(value * len(view.target))
        count = sum(len(view.target) for view in self.truth)
        drift = [
            float((self.render(generator, view).result - before).abs().mean()) * 255
            for view, before in zip(self.driven, self._before, strict=True)
        ]
        mean = {name: sum(values) / count for name, values in found.items()}
        return Figures(
            error=mean["error"],
            face=mean["face"],
            mouth=mean["mouth"],
            eyes=mean["eyes"],
            sharpness=mean["sharpness"],
            drift=sum(drift) / len(drift),
        )

    def score(self, figures: Figures) -> float:
        """The criterion: lower is better."""
        return figures.error

    def no_worse(self, figures: Figures) -> bool:
        """Is no single figure worse than feed-forward by more than noise?"""
        before = self.before
        return figures.sharpness >= before.sharpness - _NOISE_SHARPNESS and all(
            getattr(figures, name) <= (1 + _NOISE) * getattr(before, name)
            for name in ("face", "mouth", "eyes")
        )

    @torch.no_grad()
    def render(self, generator: nn.Module, view: View) -> Rendered:
        """A view's pictures by a generator of this person."""
        nobody = torch.zeros(len(view.target), IDENTITY_SIZE, device=self._device)
        with autocast(self._device, self._half):
            answer = generator(view.picture, nobody)
        return render(answer, view)

    def _error(self, rendered: Rendered, view: View) -> float:
        weight = region_weight(view, self._losses)
        wrong = (rendered.result - view.target).abs() * weight
        return float(wrong.sum() / (3 * weight.sum().clamp_min(1))) * 255

    def _view(self, batch: Batch) -> View:
        return view_batch(batch, self._device, None)


def _sharpness(result: Tensor, view: View) -> float:
    share = view.face * view.visible
    made, real = (
        float((_detail(picture) * share).sum() / share.sum().clamp_min(1))
        for picture in (result, view.target)
    )
    return made / max(real, 1e-6)


def _detail(picture: Tensor) -> Tensor:
    luma = picture.mean(dim=1, keepdim=True)
    return (luma - F.avg_pool2d(luma, 3, 1, 1, count_include_pad=False)).abs()
