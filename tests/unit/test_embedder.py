# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedders: their size and cost, what one batch has to do with another, and that they learn
who it is."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.networks.embedder import (
    WARP_SIZE,
    PaperEmbedder,
    WarpEmbedder,
    person_vector,
)
from export.networks.modulated import ModulatedConv
from inference.generator.contract import IDENTITY_SIZE
from tests.faces import make_people

NARROW = (8, 12, 16, 16, 16, 24)
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def frames_of(count: int, frames: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    people = make_people(count, frames, WARP_SIZE, seed)
    return people.pictures, people.landmarks[:, :3], people.who


def test_the_paper_s_embedder_has_the_published_size() -> None:
    count = count_parameters(PaperEmbedder())
    assert abs(count - 15e6) < 0.1 * 15e6


def test_the_paper_s_embedder_sums_what_is_left_of_a_256_picture() -> None:
    network = PaperEmbedder(NARROW).eval()
    seen: list[Tensor] = []
    network.blocks[-1].register_forward_hook(lambda *call: seen.append(call[2]))
    frame, landmarks = torch.rand(2, 3, 256, 256), torch.rand(2, 3, 256, 256)
    with torch.no_grad():
        e = network(frame, landmarks)
        other = network(frame, torch.zeros_like(landmarks))
    assert seen[0].shape == (2, NARROW[-1], 4, 4)
    torch.testing.assert_close(e, seen[0].clamp_min(0).flatten(2).sum(dim=2))
    assert not torch.allclose(e, other)  # the landmark picture is looked at


def test_every_weight_of_the_paper_s_embedder_learns() -> None:
    network = PaperEmbedder(NARROW)
    network(torch.rand(2, 3, 256, 256), torch.rand(2, 3, 256, 256)).square().sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_the_warp_s_embedder_is_small_and_quick() -> None:
    network = WarpEmbedder().eval()
    assert count_parameters(network) <= 1.5e6
    picture = torch.rand(1, 3, WARP_SIZE, WARP_SIZE)
    spent = []
    with torch.no_grad():
        for _ in range(20):
            began = time.perf_counter()
            network(picture, picture)
            spent.append(time.perf_counter() - began)
    assert min(spent) < 6e-3


@pytest.mark.parametrize("kind", ["paper", "warp"])
def test_a_frame_s_vector_does_not_depend_on_its_batch(kind: str) -> None:
    picture, lines, _ = frames_of(2, 2, seed=1)
    if kind == "paper":
        network: nn.Module = PaperEmbedder(NARROW).eval()
    else:
        network = WarpEmbedder()  # in training mode too
        network.calibrate(*frames_of(4, 4, seed=2)[:2])
    with torch.no_grad():
        together = network(picture, lines)
        alone = torch.cat([network(p[None], q[None]) for p, q in zip(picture, lines, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert (together[0] - together[2]).abs().max() > 1e-3  # two people: two vectors


def test_a_person_is_the_mean_of_the_frames_that_are_given() -> None:
    vectors = torch.randn(3, 4, 5)
    torch.testing.assert_close(person_vector(vectors)[1], sum(vectors[1]) / 4)
    torch.testing.assert_close(person_vector(vectors), person_vector(vectors[:, [2, 0, 3, 1]]))
    given = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]])
    mean = person_vector(vectors, given)
    torch.testing.assert_close(mean[0], vectors[0].mean(dim=0))
    torch.testing.assert_close(mean[1], (vectors[1, 0] + vectors[1, 3]) / 2)
    assert not mean[2].any()
    # What is not given must not matter, whatever stands there.
    vectors[1, 1] = 1e6
    torch.testing.assert_close(person_vector(vectors, given)[1], mean[1])


def test_calibrated_vectors_stand_around_nobody() -> None:
    network = WarpEmbedder()
    picture, lines, _ = frames_of(12, 3, seed=4)
    with torch.no_grad():
        before = network(picture, lines)
        network.calibrate(picture, lines)
        after = network(picture, lines)
        unseen = network(*frames_of(12, 3, seed=5)[:2])

    def offset(e: Tensor) -> float:
        """How far the average face lies from zero, in lengths of a vector."""
        return float(e.mean(dim=0).norm() / e.norm(dim=1).mean())

    assert offset(before) > 0.9  # untrained, all faces give nearly the same vector
    assert offset(after) < 0.2
    assert offset(unseen) < 0.4
    assert after.norm(dim=1).max() < 1.0
    assert after.norm(dim=1).mean() > 0.3


def test_calibration_travels_with_the_weights() -> None:
    network, other = WarpEmbedder(), WarpEmbedder()
    picture, lines, _ = frames_of(6, 2, seed=6)
    network.calibrate(picture, lines)
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(network(picture, lines), other(picture, lines))


def test_a_new_embedder_moves_the_modulation_only_gently() -> None:
    network = WarpEmbedder()
    picture, lines, _ = frames_of(12, 3, seed=7)
    network.calibrate(picture, lines)
    layer = ModulatedConv(64, 64, IDENTITY_SIZE)
    with torch.no_grad():
        effect = layer.modulation(network(picture, lines)) - 1.0
        nobody = layer.modulation(torch.zeros(1, IDENTITY_SIZE)) - 1.0
    assert not nobody.any()
    assert 0.005 < float(effect.std()) < 0.1


def test_the_warp_s_embedder_learns_who_it_is() -> None:
    picture, lines, who = frames_of(4, 6, seed=8)
    unseen, unseen_lines, unseen_who = frames_of(4, 6, seed=9)
    network = WarpEmbedder()
    network.calibrate(picture, lines)
    reader = nn.Linear(IDENTITY_SIZE, 4)
    optimizer = torch.optim.Adam([*network.parameters(), *reader.parameters()], lr=1e-3)
    for _ in range(25):
        optimizer.zero_grad()
        F.cross_entropy(4.0 * reader(network(picture, lines)), who).backward()
        optimizer.step()
    with torch.no_grad():
        guess = reader(network(unseen, unseen_lines)).argmax(dim=1)
    assert (guess == unseen_who).float().mean() >= 0.9
