# SPDX-License-Identifier: GPL-3.0-or-later
"""The discriminators: size and cost, the score as the formula has it, and that they tell apart what
they are for: one person from another, and real from blurred."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from export.networks.discriminator import (
    CROP_SIZE,
    PATCH_CHANNELS,
    PATCH_WIDTHS,
    PaperDiscriminator,
    Verdict,
    WarpDiscriminator,
)
from export.training.losses import hinge_discriminator
from inference.generator.contract import IDENTITY_SIZE
from tests.faces import People, make_people

NARROW = (8, 12, 16, 16, 16, 24)
NORMS = (nn.InstanceNorm2d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
SIZE = 64
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def random_inputs(count: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Picture, landmarks and identity for the warp generator's discriminator."""
    identity = F.normalize(torch.randn(count, IDENTITY_SIZE), dim=1)
    return torch.rand(count, 3, size, size), torch.rand(count, 6, size, size), identity


def random_crops(count: int) -> dict[str, Tensor]:
    return {
        "mouth": torch.rand(count, 1, PATCH_CHANNELS, CROP_SIZE, CROP_SIZE),
        "eyes": torch.rand(count, 2, PATCH_CHANNELS, CROP_SIZE, CROP_SIZE),
    }


def mean_score(verdict: Verdict) -> Tensor:
    """One number for each picture, (N,)."""
    return torch.stack([s.reshape(len(s), -1).mean(dim=1) for s in verdict.scores]).mean(dim=0)


def train_on_pairs(
    network: nn.Module,
    score: Callable[[People, Tensor], Verdict],
    people: People,
    *,
    steps: int,
    rate: float,
) -> None:
    """Real: a picture with its own person. Fake: the same picture with somebody else."""
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.99))
    count = int(people.who.max()) + 1
    for step in range(steps):
        optimizer.zero_grad()
        wrong = (people.who + 1 + step % (count - 1)) % count
        loss = hinge_discriminator(score(people, people.who).scores, score(people, wrong).scores)
        loss.backward()
        optimizer.step()


def share_recognised(score: Callable[[People, Tensor], Verdict], people: People) -> float:
    """How many pictures score highest with their own person."""
    count = int(people.who.max()) + 1
    with torch.no_grad():
        columns = [mean_score(score(people, torch.full_like(people.who, i))) for i in range(count)]
    return float((torch.stack(columns, dim=1).argmax(dim=1) == people.who).float().mean())


# The paper's.


def test_the_paper_s_discriminator_has_the_published_size() -> None:
    network = PaperDiscriminator(100)
    assert abs(count_parameters(network.trunk) - 19.54e6) < 0.01 * 19.54e6
    assert abs(count_parameters(network) - 20e6) < 0.1 * 20e6
    assert not any(isinstance(layer, NORMS) for layer in network.modules())


def test_the_paper_s_features_are_those_of_seven_blocks() -> None:
    network = PaperDiscriminator(2, NARROW).eval()
    frame = torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        verdict = network(frame, frame, torch.tensor([0]))
    (maps,) = verdict.features
    assert [m.shape[-1] for m in maps] == [128, 64, 32, 16, 8, 4, 4]
    assert [m.shape[1] for m in maps] == [*NARROW, NARROW[-1]]
    assert verdict.scores[0].shape == (1,)


def test_every_weight_but_the_table_has_spectral_norm_one() -> None:
    network = PaperDiscriminator(5, NARROW)
    frame = torch.rand(2, 3, SIZE, SIZE)
    for _ in range(30):
        network(frame, frame, torch.tensor([0, 1]))
    network.eval()
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 3 * 6 + 2 + 1  # the last block keeps its width: no convolution to skip
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
        assert abs(float(largest) - 1.0) < 0.05
    assert not parametrize.is_parametrized(network.table)


def test_a_video_s_row_begins_as_its_first_vector_and_is_then_left_alone() -> None:
    network = PaperDiscriminator(4, NARROW)
    before = network.table.weight.detach().clone()
    first, later = torch.full((2, NARROW[-1]), 3.0), torch.full((2, NARROW[-1]), 5.0)
    network.meet(torch.tensor([2, 0]), first)
    network.meet(torch.tensor([2, 3]), later)
    rows = network.table.weight.detach()
    torch.testing.assert_close(rows[[0, 2, 3]], torch.stack([first[0], first[0], later[0]]))
    torch.testing.assert_close(rows[1], before[1])
    again = PaperDiscriminator(4, NARROW)
    again.load_state_dict(network.state_dict())  # as when a run goes on
    again.meet(torch.tensor([0]), later[:1])
    torch.testing.assert_close(again.table.weight, network.table.weight)


def test_the_score_is_the_projection_on_the_video_s_row() -> None:
    network = PaperDiscriminator(3, NARROW).eval()
    people = make_people(2, 1, SIZE, seed=1)
    frame, drawn = people.pictures * 2 - 1, people.landmarks[:, :3] * 2 - 1
    with torch.no_grad():
        v, _ = network.trunk(frame, drawn)
        scores = network(frame, drawn, torch.tensor([2, 0])).scores[0]
        w0, b = network.common.weight[0], network.common.bias[0]
        for i, video in enumerate((2, 0)):
            torch.testing.assert_close(scores[i], v[i] @ (network.table.weight[video] + w0) + b)
        moved = network(frame, -drawn, torch.tensor([2, 0])).scores[0]
    assert not torch.allclose(scores, moved)  # the landmark picture is looked at


def test_a_new_person_starts_from_w0_plus_e() -> None:
    network = PaperDiscriminator(2, NARROW).eval()
    e = torch.randn(NARROW[-1])
    personal = network.personal(e).eval()
    with torch.no_grad():
        network.table.weight[1] = e
    frame = torch.rand(2, 3, SIZE, SIZE)
    expected = network(frame, frame, torch.tensor([1, 1])).scores[0].detach()
    torch.testing.assert_close(personal(frame, frame).scores[0].detach(), expected)

    kept = [p.detach().clone() for p in network.parameters()]
    optimizer = torch.optim.Adam(personal.parameters(), lr=1e-2)
    (-personal.train()(frame, frame).scores[0].mean()).backward()
    optimizer.step()
    assert (personal.w - network.common.weight[0] - e).abs().max() > 1e-3  # w' itself is trained
    for before, after in zip(kept, network.parameters(), strict=True):
        assert torch.equal(before, after)


def test_the_paper_s_projection_learns_which_video_a_picture_is_of() -> None:
    network = PaperDiscriminator(2, (16, 24, 32, 32, 32, 32))

    def score(people: People, videos: Tensor) -> Verdict:
        return network(people.pictures * 2 - 1, people.landmarks[:, :3] * 2 - 1, videos)

    unseen = make_people(2, 8, SIZE, seed=12)
    train_on_pairs(network, score, make_people(2, 6, SIZE, seed=11), steps=60, rate=5e-3)
    network.eval()
    assert share_recognised(score, unseen) >= 0.9
    # It is the table that knows: without it no person is preferred.
    with torch.no_grad():
        network.table.weight.zero_()
    assert share_recognised(score, unseen) <= 0.5


# The warp generator's.


@pytest.mark.parametrize(("widths", "most"), [("light", 0.25), ("full", 0.6)])
def test_the_patches_cost_what_they_may(widths: str, most: float) -> None:
    network = WarpDiscriminator(PATCH_WIDTHS[widths])
    total = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        positions = output.shape[0] * (output[0, 0].numel() if output.ndim == 4 else 1)
        total += positions * layer.weight.numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(*random_inputs(1, 256), random_crops(1))
    assert 0.1e9 < total <= most * 1e9


def test_nothing_normalizes_in_the_patches() -> None:
    network = WarpDiscriminator()
    assert not any(isinstance(layer, NORMS) for layer in network.modules())
    assert not any(parametrize.is_parametrized(layer) for layer in network.modules())


def test_heads_and_features_of_the_patches() -> None:
    network = WarpDiscriminator((8, 12, 16))
    with torch.no_grad():
        whole = network(*random_inputs(2, 160))
        near = network(*random_inputs(2, 160), random_crops(2))
    assert [s.shape for s in whole.scores] == [(2, 1, 20, 20), (2, 1, 10, 10)]
    assert [s.shape for s in near.scores[2:]] == [(2, 1, 8, 8), (4, 1, 8, 8)]
    assert [[m.shape[1] for m in maps] for maps in near.features] == [[8, 12, 16, 16]] * 4
    with pytest.raises(ValueError, match="ears"):
        network(*random_inputs(1, 64), {"ears": random_crops(1)["eyes"]})


def test_a_verdict_does_not_depend_on_the_batch() -> None:
    network = WarpDiscriminator((8, 12, 16))
    picture, landmarks, identity = random_inputs(3, 64)
    crops = random_crops(3)
    with torch.no_grad():
        together = network(picture, landmarks, identity, crops)
        for i in range(3):
            part = slice(i, i + 1)
            alone = network(
                picture[part],
                landmarks[part],
                identity[part],
                {name: crop[part] for name, crop in crops.items()},
            )
            for a, b in zip(together.scores, alone.scores, strict=True):
                per = len(a) // 3
                torch.testing.assert_close(a[i * per : (i + 1) * per], b, rtol=1e-4, atol=1e-5)


def test_nobody_s_vector_leaves_the_bare_score() -> None:
    network = WarpDiscriminator((8, 12, 16))
    picture, landmarks, identity = random_inputs(2, 64)
    with torch.no_grad():
        nobody = network(picture, landmarks, torch.zeros_like(identity)).scores[0]
        somebody = network(picture, landmarks, identity).scores[0]
        for judge in network.whole:
            judge.project.weight.zero_()
        bare = network(picture, landmarks, identity).scores[0]
    torch.testing.assert_close(nobody, bare)
    assert (somebody - bare).abs().mean() > 1e-3
    assert nobody.abs().mean() < 1.0  # at first within the hinge's margin


def test_the_patches_projection_learns_whose_picture_it_is() -> None:
    network = WarpDiscriminator((8, 16, 24))
    vectors = F.normalize(torch.randn(3, IDENTITY_SIZE), dim=1)

    def score(people: People, who: Tensor) -> Verdict:
        return network(people.pictures, people.landmarks, vectors[who])

    unseen = make_people(3, 8, SIZE, seed=14)
    train_on_pairs(network, score, make_people(3, 12, SIZE, seed=13), steps=40, rate=2e-3)
    assert share_recognised(score, unseen) >= 0.9
    with torch.no_grad():
        for judge in network.whole:
            judge.project.weight.zero_()
    assert share_recognised(score, unseen) < 0.5


def test_the_patches_tell_real_from_blurred_in_a_few_steps() -> None:
    network = WarpDiscriminator((8, 16, 24))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.99))
    nobody = torch.zeros(18, IDENTITY_SIZE)

    def scores(people: People) -> tuple[Verdict, Verdict]:
        soft = F.avg_pool2d(F.pad(people.pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return (
            network(people.pictures, people.landmarks, nobody),
            network(soft, people.landmarks, nobody),
        )

    seen, unseen = (make_people(3, 6, SIZE, seed=seed) for seed in (15, 16))
    for _ in range(40):
        optimizer.zero_grad()
        real, fake = scores(seen)
        hinge_discriminator(real.scores, fake.scores).backward()
        optimizer.step()
    with torch.no_grad():
        real, fake = scores(unseen)
    assert float(hinge_discriminator(real.scores, fake.scores)) < 0.7  # 2 is to know nothing
    assert (mean_score(real) > 0).float().mean() > 0.9
    assert (mean_score(fake) < 0).float().mean() > 0.9
