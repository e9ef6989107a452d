# SPDX-License-Identifier: GPL-3.0-or-later
"""What training asks of a picture, on real faces: where the network reaches, close-ups, critics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from export.training.closeups import close_ups
from export.training.config import TrainConfig
from export.training.critics import Critics
from export.training.feed import Batch, validation_batches
from export.training.processes import Processes
from export.training.render import Rendered, View, render, view_batch
from inference.composite import confine
from inference.generator.contract import FLOW_STRIDE
from inference.generator.model import GeneratorOutput

pytestmark = pytest.mark.footage
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config(data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return TrainConfig(
        data=data, out=tmp_path_factory.mktemp("run"), half=False, adversary_warm_up=1
    )


@pytest.fixture(scope="module")
def batch(config: TrainConfig) -> Batch:
    return {name: value[:4] for name, value in validation_batches(config)[0].items()}


@pytest.fixture
def view(batch: Batch) -> View:
    return view_batch(batch, CPU, None)


def answer_of(view: View, alpha: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A grey picture that wants to be seen, and a shift of two pixels."""
    count, _, size, _ = view.target.shape
    plane = torch.ones(count, 1, size, size)
    flow = torch.full((count, 2, size // FLOW_STRIDE, size // FLOW_STRIDE), 2.0)
    return flow, 0.5 * plane.expand(-1, 3, -1, -1), alpha * plane, plane


def test_training_keeps_the_network_to_the_face_as_inference_does(view: View) -> None:
    flow, colour, alpha, matte = answer_of(view, 0.2)
    rendered = render((flow, colour, alpha, matte), view)
    for i in range(len(view.target)):
        shown = confine(
            GeneratorOutput(
                flow[i].permute(1, 2, 0).numpy(),
                colour[i].permute(1, 2, 0).numpy(),
                alpha[i, 0].numpy(),
                matte[i, 0].numpy(),
            ),
            view.points[i].numpy(),
        )
        difference = np.abs(rendered.alpha[i, 0].numpy() - shown.alpha)
        assert difference.mean() < 0.004
        far = view.face[i, 0].numpy() == 0
        assert np.abs(rendered.result - rendered.warped)[i, :, far].max() < 0.02


def test_a_close_up_shows_the_mouth_in_its_middle(view: View) -> None:
    size = view.target.shape[-1]
    rows = (torch.arange(size) + 0.5).expand(size, size)
    places = torch.stack([rows, rows.T])[None].expand(len(view.target), -1, -1, -1)
    near = close_ups(places, view.points)
    assert near["mouth"].shape == (4, 1, 2, 64, 64)
    assert near["eyes"].shape == (4, 2, 2, 64, 64)
    middle = near["mouth"][:, 0, :, 31:33, 31:33].mean(dim=(2, 3))
    lips = view.points[:, [61, 291, 0, 17]]
    wanted = (lips.amin(dim=1) + lips.amax(dim=1)) / 2
    assert (middle - wanted).abs().max() < 2.0
    assert (near["eyes"][:, 0, 0].mean() < near["eyes"][:, 1, 0].mean()).item()


def test_every_term_pulls_its_share_of_what_pixels_pull(config: TrainConfig, view: View) -> None:
    torch.manual_seed(0)
    critics = Critics(config, Processes.join())
    rendered, e = _result(view)
    critics.learn(rendered, view, e)
    pixels = (rendered.result - view.target).abs().mean()
    terms = critics.judge(rendered, view, e, pixels)
    assert set(terms) == {"looks", "adversary", "features"}

    def pull(term: Tensor) -> float:
        return float(torch.autograd.grad(term, rendered.result, retain_graph=True)[0].norm())

    for name, share in (("looks", config.share_looks), ("adversary", config.share_adversary)):
        assert pull(terms[name]) == pytest.approx(share * pull(pixels), rel=0.05)


def test_the_discriminator_learns_to_tell_the_warp_from_the_truth(
    config: TrainConfig, view: View
) -> None:
    torch.manual_seed(0)
    critics = Critics(config, Processes.join())
    rendered, e = _result(view)
    losses = [critics.learn(rendered, view, e)["discriminator"] for _ in range(60)]
    assert losses[0] > 1.6
    assert losses[-1] < 0.75 * losses[0]


def _result(view: View) -> tuple[Rendered, Tensor]:
    """A blurred picture with a graph, as a generator would give it, and nobody's vector."""
    blurred = torch.nn.functional.avg_pool2d(view.picture[:, :3], 5, 1, 2).requires_grad_()
    plane = torch.ones_like(blurred[:, :1])
    rendered = Rendered(blurred * 1.0, blurred, plane, plane, plane)
    return rendered, torch.zeros(len(view.target), 256)
