# SPDX-License-Identifier: GPL-3.0-or-later
"""The generators: what they compute untrained, what they cost, that they fold and that they learn.

Every cost is counted here by hooks, on a real forward pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.networks.modulated import ModulatedConv
from export.networks.paper import PaperGenerator, without_spectral_norm
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from inference.generator.contract import ALPHA_UNTRAINED, CHANNELS, IDENTITY_SIZE, TIERS

MODELS = Path(__file__).parents[2] / "inference" / "models"
PICTURE_CHANNELS = len(CHANNELS)


@dataclass(frozen=True)
class Budget:
    """The most a tier may cost, and the range of GMACs that it aims at."""

    parameters: float
    gmacs: float
    aim: tuple[float, float]


BUDGETS = {
    "draft": Budget(1.5e6, 2.0, (1.6, 1.9)),
    "final": Budget(5.0e6, 8.0, (6.5, 7.5)),
}


def count_gmacs(network: nn.Module, *inputs: Tensor) -> float:
    """Multiplications of all convolutions and linear layers for one sample, in 10^9."""
    total = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        positions = output[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
        total += positions * layer.weight.numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return total / 1e9


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def make_warp(tier: str, *, heads: bool = False) -> WarpGenerator:
    """A seeded generator; with `heads`, its zero layers are filled as if it had been trained."""
    torch.manual_seed(7)
    network = WarpGenerator(TIER_CONFIGS[tier])
    if heads:
        for head in (network.flow_head, network.picture_head):
            nn.init.normal_(head.conv.weight, std=0.02)
        for name, parameter in network.named_parameters():
            if name.endswith("conv.bias"):
                nn.init.normal_(parameter, std=0.1)
    return network


def make_modulated(*, act: bool) -> ModulatedConv:
    torch.manual_seed(3)
    layer = ModulatedConv(16, 24, 32, act=act)
    nn.init.normal_(layer.conv.bias)
    return layer


# --- modulated convolution


@pytest.mark.parametrize("act", [True, False])
def test_without_a_person_it_is_an_ordinary_demodulated_convolution(act: bool) -> None:
    layer = make_modulated(act=act)
    x = torch.randn(2, 16, 9, 9)
    norm = layer.conv.weight.square().sum(dim=(1, 2, 3)).sqrt()
    d = (2.0**0.5 if act else 1.0) / norm
    weight = layer.conv.weight * d[:, None, None, None]
    wanted = F.conv2d(x, weight, layer.conv.bias * d, padding=1)
    wanted = wanted.relu() if act else wanted
    torch.testing.assert_close(layer(x, torch.zeros(2, 32)), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("act", [True, False])
def test_it_equals_modulated_weights_for_each_sample_of_a_batch(act: bool) -> None:
    """Against StyleGAN2's own form: the weights of each sample scaled, one by one."""
    layer = make_modulated(act=act)
    x, identity = torch.randn(3, 16, 9, 9), 3.0 * torch.randn(3, 32)
    got = layer(x, identity)
    for i in range(3):
        s = 1.0 + layer.affine.weight @ identity[i]
        weight = layer.conv.weight * s[None, :, None, None]
        d = layer.gain / weight.square().sum(dim=(1, 2, 3)).sqrt()
        wanted = F.conv2d(
            x[i : i + 1], weight * d[:, None, None, None], layer.conv.bias * d, padding=1
        )
        wanted = wanted.relu() if act else wanted
        torch.testing.assert_close(got[i : i + 1], wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("act", [True, False])
def test_a_folded_layer_equals_the_modulated_one(act: bool) -> None:
    layer = make_modulated(act=act)
    x, identity = torch.randn(2, 16, 9, 9), 3.0 * torch.randn(32)
    folded = layer.fold(identity)
    assert not any(isinstance(module, nn.Linear) for module in folded.modules())
    wanted = layer(x, identity.expand(2, -1))
    torch.testing.assert_close(folded(x), wanted, atol=1e-4, rtol=1e-4)
    assert (folded(x) - layer(x, torch.zeros(2, 32))).abs().max() > 0.1  # it is this person's


# --- the warp generator


@pytest.mark.parametrize("tier", TIERS)
def test_tier_keeps_its_budget(tier: str) -> None:
    network, budget = make_warp(tier), BUDGETS[tier]
    gmacs = count_gmacs(
        network, torch.rand(1, PICTURE_CHANNELS, 256, 256), torch.zeros(1, IDENTITY_SIZE)
    )
    assert budget.aim[0] <= gmacs <= budget.aim[1] < budget.gmacs
    assert count_parameters(network) <= budget.parameters
    assert all(width % 16 == 0 for width in network.config.widths)


@pytest.mark.parametrize("tier", TIERS)
def test_the_card_says_what_the_tier_costs(tier: str) -> None:
    card = (MODELS / f"warp-{tier}.md").read_text(encoding="utf-8")
    network = make_warp(tier)
    gmacs = count_gmacs(
        network, torch.rand(1, PICTURE_CHANNELS, 256, 256), torch.zeros(1, IDENTITY_SIZE)
    )
    said_gmacs = re.search(r"([\d.]+) GMACs", card)
    said_parameters = re.search(r"([\d,]+) parameters", card)
    assert said_gmacs is not None and said_parameters is not None
    assert float(said_gmacs[1]) == pytest.approx(gmacs, abs=0.005)
    assert int(said_parameters[1].replace(",", "")) == count_parameters(network)


@pytest.mark.parametrize(("tier", "size"), [("draft", 256), ("final", 256), ("final", 512)])
def test_untrained_it_is_the_pure_warp(tier: str, size: int) -> None:
    network = make_warp(tier).eval()
    picture = torch.rand(1, PICTURE_CHANNELS, size, size)
    with torch.no_grad():
        flow, colour, alpha, matte = network(picture, torch.randn(1, IDENTITY_SIZE))
    assert flow.shape == (1, 2, size // 4, size // 4)
    assert colour.shape == (1, 3, size, size)
    assert alpha.shape == matte.shape == (1, 1, size, size)
    assert torch.equal(colour, picture[:, :3])
    assert not flow.any()
    assert (alpha - ALPHA_UNTRAINED).abs().max() < 1e-6
    assert matte.min() > 0.95


def test_in_half_precision_a_sure_matte_can_still_learn() -> None:
    network = make_warp("draft")
    bias = network.picture_head.conv.bias
    assert bias is not None
    with torch.no_grad():
        bias[16:20] = 8.0
    with torch.autocast("cpu", torch.bfloat16):
        picture, identity = torch.rand(1, PICTURE_CHANNELS, 64, 64), torch.zeros(1, IDENTITY_SIZE)
        matte = network(picture, identity)[3]
    (slope,) = torch.autograd.grad(matte.float().mean(), bias)
    assert slope[16:20].min() > 0


@pytest.mark.parametrize("tier", TIERS)
def test_gradients_reach_every_layer_after_one_step(tier: str) -> None:
    network = make_warp(tier)
    heads = {"flow_head.conv.weight", "picture_head.conv.weight"}
    biases = {"flow_head.conv.bias", "picture_head.conv.bias"}
    picture, identity = torch.rand(2, PICTURE_CHANNELS, 64, 64), torch.randn(2, IDENTITY_SIZE)
    target = torch.rand(2, 3, 64, 64)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def backward() -> tuple[float, set[str]]:
        optimizer.zero_grad()
        flow, colour, alpha, matte = network(picture, identity)
        mixed = alpha * picture[:, :3] + (1.0 - alpha) * colour
        loss = (mixed - target).abs().mean() + (flow - 1.0).abs().mean() + matte.mean()
        loss.backward()
        grads = {n: p.grad for n, p in network.named_parameters()}
        return loss.item(), {n for n, g in grads.items() if g is not None and bool(g.any())}

    first, reached = backward()
    assert reached == heads | biases  # the zero layers block the rest in the very first step
    optimizer.step()
    _, reached = backward()
    assert reached == {name for name, _ in network.named_parameters()}
    for _ in range(15):
        optimizer.step()
        last, _ = backward()
    assert last < 0.9 * first


@pytest.mark.parametrize("tier", TIERS)
def test_features_neither_fade_nor_grow(tier: str) -> None:
    """Nothing normalizes at run time, so the start must be well scaled by itself."""
    network = make_warp(tier)
    scales = []
    network.picture_head.register_forward_pre_hook(lambda _, args: scales.append(args[0].std()))
    with torch.no_grad():
        network(torch.rand(1, PICTURE_CHANNELS, 128, 128), torch.randn(1, IDENTITY_SIZE))
    assert 0.2 < scales[0] < 5.0


@pytest.mark.parametrize("tier", TIERS)
def test_the_person_matters_and_batches_do_not(tier: str) -> None:
    network = make_warp(tier, heads=True).eval()
    picture, identity = torch.rand(3, PICTURE_CHANNELS, 64, 64), torch.randn(3, IDENTITY_SIZE)
    with torch.no_grad():
        together = network(picture, identity)
        swapped = network(picture, identity.flip(0))
        for i in range(3):
            alone = network(picture[i : i + 1], identity[i : i + 1])
            for all_of_them, one in zip(together, alone, strict=True):
                torch.testing.assert_close(all_of_them[i : i + 1], one, atol=1e-5, rtol=1e-4)
    for ours, theirs in zip(together, swapped, strict=True):
        assert (ours[0] - theirs[0]).abs().max() > 1e-3


@pytest.mark.parametrize("tier", TIERS)
def test_a_folded_generator_equals_the_person_s(tier: str) -> None:
    network = make_warp(tier, heads=True).eval()
    picture, identity = torch.rand(2, PICTURE_CHANNELS, 64, 64), torch.randn(IDENTITY_SIZE)
    folded = network.fold(identity)
    assert not any(isinstance(module, ModulatedConv) for module in folded.modules())
    assert any(isinstance(module, ModulatedConv) for module in network.modules())  # untouched
    with torch.no_grad():
        wanted = network(picture, identity.expand(2, -1))
        got = folded(picture, torch.zeros(2, IDENTITY_SIZE))
    for want, have in zip(wanted, got, strict=True):
        torch.testing.assert_close(have, want, atol=1e-4, rtol=1e-4)


# --- the paper's generator


@pytest.fixture(scope="module")
def paper() -> PaperGenerator:
    torch.manual_seed(5)
    return PaperGenerator().eval()


def test_paper_has_the_published_size(paper: PaperGenerator) -> None:
    plain = without_spectral_norm(paper)
    convolutions = sum(
        count_parameters(module) for module in plain.modules() if isinstance(module, nn.Conv2d)
    )
    assert count_parameters(paper) == pytest.approx(38e6, rel=0.1)
    assert convolutions == pytest.approx(31.22e6, rel=0.01)
    assert paper.trunk.affine_count() == 13056
    gmacs = count_gmacs(plain, torch.rand(1, 3, 256, 256), torch.randn(1, 512))
    # The published order doubles before the 1x1 skips; they commute, and ours saves 3 / 4 of them.
    sizes = ((512, 512, 32), (512, 256, 64), (256, 128, 128), (128, 64, 256))
    saved = sum(0.75 * a * b * size**2 for a, b, size in sizes) / 1e9
    assert gmacs + saved == pytest.approx(47.2, rel=0.005)


def test_paper_frames_depend_on_landmarks_and_person(paper: PaperGenerator) -> None:
    landmarks, person = torch.rand(1, 3, 256, 256) * 2 - 1, 10.0 * torch.randn(1, 512)
    with torch.no_grad():
        frame = paper(landmarks, person)
        other_person = paper(landmarks, -person)
        other_pose = paper(landmarks.flip(3), person)
    assert frame.shape == (1, 3, 256, 256)
    assert frame.std() > 0.01 and frame.abs().max() <= 1.0
    assert (frame - other_person).abs().max() > 0.01
    assert (frame - other_pose).abs().max() > 0.01


def test_paper_psi_is_bias_then_scale_of_each_norm(paper: PaperGenerator) -> None:
    """One block against the formula, written out; and the neutral psi is a plain norm."""
    block, x = paper.trunk.adaptive[4], torch.randn(1, 512, 8, 8)
    psi = torch.randn(1, block.affine_count)
    neutral = paper.trunk.neutral_affine()[4 * 2048 :][: block.affine_count][None]

    def norm(value: Tensor) -> Tensor:
        mean = value.mean(dim=(2, 3), keepdim=True)
        return (value - mean) / (value.var(dim=(2, 3), keepdim=True, correction=0) + 1e-4).sqrt()

    def double(value: Tensor) -> Tensor:
        return value.repeat_interleave(2, 2).repeat_interleave(2, 3)

    with torch.no_grad():
        b1, s1, b2, s2 = psi[0].view(4, 512, 1, 1)
        y = block.conv1(double((norm(x) * s1 + b1).relu()))
        wanted = block.conv2((norm(y) * s2 + b2).relu()) + block.skip(double(x))
        torch.testing.assert_close(block(x, psi), wanted, atol=1e-4, rtol=1e-3)
        y = block.conv2(norm(block.conv1(double(norm(x).relu()))).relu()) + block.skip(double(x))
        torch.testing.assert_close(block(x, neutral), y, atol=1e-4, rtol=1e-3)


def test_paper_folded_and_without_spectral_norm_is_the_same(paper: PaperGenerator) -> None:
    landmarks, person = torch.rand(1, 3, 128, 128), 10.0 * torch.randn(512)
    folded = paper.fold(person)
    assert folded.psi.requires_grad  # what fine-tuning trains
    plain = without_spectral_norm(folded)
    assert not any("original" in name for name, _ in plain.named_parameters())
    with torch.no_grad():
        wanted = paper(landmarks, person[None])
        torch.testing.assert_close(folded(landmarks), wanted, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(plain(landmarks), wanted, atol=1e-4, rtol=1e-3)


def test_paper_weights_are_spectrally_normed(paper: PaperGenerator) -> None:
    for name, layer in paper.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
            assert 0.9 < largest < 1.3, name  # by a few power iterations, not exactly


def test_paper_is_trainable(paper: PaperGenerator) -> None:
    paper.train()
    try:
        paper(torch.rand(1, 3, 64, 64), torch.randn(1, 512)).square().mean().backward()
        for name, parameter in paper.named_parameters():
            # A bias just before a norm without a scale of its own is taken out again by it.
            if not name.endswith(".bias"):
                assert parameter.grad is not None and parameter.grad.any(), name
    finally:
        paper.zero_grad()
        paper.eval()
