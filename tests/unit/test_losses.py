# SPDX-License-Identifier: GPL-3.0-or-later
"""Each term pulls the way it should, on real pictures; balanced terms pull alike."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch import distributed as dist
from torch import multiprocessing as mp
from torch.nn import functional as F

from export.networks.discriminator import WarpDiscriminator
from export.training import losses
from export.training.balance import Balance, check_finite, gradient_norms
from export.training.perceptual import (
    FourierBlocks,
    Perceptual,
)
from inference.errors import LikenessError
from inference.generator.contract import IDENTITY_SIZE
from tests.faces import blurred, drawn_landmarks, face, moved

SIZE = 64
pytestmark = pytest.mark.usefixtures("one_torch_thread")


TERMS: dict[str, Perceptual] = {"dssim": losses.dssim, "fourier": FourierBlocks()}


# Terms on pictures.


@pytest.mark.parametrize("name", list(TERMS))
def test_following_a_term_brings_a_blurred_face_nearer_to_the_sharp_one(name: str) -> None:
    term, target = TERMS[name], face(SIZE)
    result = blurred(target).requires_grad_()
    start = (result.detach() - target).square().mean()
    first = float(term(result, target).detach())
    optimizer = torch.optim.Adam([result], lr=2e-3)
    for _ in range(15):
        optimizer.zero_grad()
        term(result, target).backward()
        optimizer.step()
    assert float(term(result, target).detach()) < 0.85 * first
    # Not only the term: the picture itself. (GMSD looks at half size, for unevenness only.)
    assert (result.detach() - target).square().mean() < (0.95 if name == "gmsd" else 0.9) * start


@pytest.mark.parametrize("name", list(TERMS))
def test_a_term_is_least_where_the_pictures_are_the_same(name: str) -> None:
    term, target = TERMS[name], face(SIZE)
    same = term(target.clone().requires_grad_(), target)
    assert same.ndim == 0
    assert abs(float(same.detach())) < 2e-4
    assert float(term(moved(target, 1.0), target)) > 10 * abs(float(same.detach())) + 1e-3


@pytest.mark.parametrize("name", list(TERMS))
def test_half_a_batch_gives_half_of_the_mean(name: str) -> None:
    term, target = TERMS[name], face(SIZE)
    a, b = blurred(target), moved(target, 1.5)
    both = term(torch.cat([a, b]), torch.cat([target, target]))
    torch.testing.assert_close(both, (term(a, target) + term(b, target)) / 2, rtol=1e-3, atol=1e-6)


def test_ssim_is_that_of_wang_et_al() -> None:
    target = face(SIZE)
    result = blurred(target) * 0.9
    a, b = (x[0].permute(1, 2, 0).double().numpy() for x in (result, target))

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)[5:-5, 5:-5]

    var_a, var_b = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2
    covariance = mean(a * b) - mean(a) * mean(b)
    top = (2 * mean(a) * mean(b) + 1e-4) * (2 * covariance + 9e-4)
    bottom = (mean(a) ** 2 + mean(b) ** 2 + 1e-4) * (var_a + var_b + 9e-4)
    similarity = (top / bottom).mean(axis=2)
    assert abs(float(losses.dssim(result, target)) - (1 - similarity.mean()) / 2) < 1e-4
    weights = torch.rand(1, 1, SIZE, SIZE)
    weights[..., 20:40, 20:40] *= 30
    inner = weights[0, 0, 5:-5, 5:-5].double().numpy()
    weighted = (1 - (similarity * inner).sum() / inner.sum()) / 2
    assert abs(float(losses.dssim(result, target, weights)) - weighted) < 1e-4
    assert abs(weighted - (1 - similarity.mean()) / 2) > 1e-3


def test_weights_say_where_an_error_counts() -> None:
    target = face(SIZE)
    result = target.clone()
    result[..., 40:48, 20:44] += 0.2
    mouth, elsewhere = torch.zeros(1, 1, SIZE, SIZE), torch.zeros(1, 1, SIZE, SIZE)
    mouth[..., 40:48, 20:44], elsewhere[..., :20, :] = 1, 1
    even = float(losses.dssim(result, target))
    assert float(losses.dssim(result, target, 1 + 9 * mouth)) > 1.8 * even
    assert float(losses.dssim(result, target, elsewhere)) < 0.02 * even
    ones = losses.dssim(result, target, torch.full((1, 1, SIZE, SIZE), 3.0))
    torch.testing.assert_close(ones, losses.dssim(result, target))  # only ratios matter


# Terms on the other outputs.


def test_the_matte_goes_where_it_is_wanted() -> None:
    wanted = torch.zeros(1, 1, 8, 8)
    wanted[..., :4] = 1
    known = torch.ones(1, 1, 8, 8)
    known[..., 0, :] = 0
    matte = torch.full((1, 1, 8, 8), 0.5, requires_grad=True)
    (slope,) = torch.autograd.grad(losses.matte_term(matte, wanted, known), matte)
    assert (slope[..., 1:, :4] < 0).all()
    assert (slope[..., 1:, 4:] > 0).all()
    assert not slope[..., 0, :].any()
    sure = torch.full((1, 1, 8, 8), 12.0, requires_grad=True)
    (slope,) = torch.autograd.grad(losses.matte_term(torch.sigmoid(sure), wanted), sure)
    assert (slope[..., 4:] * 64 > 0.5).all(), "what is surely wrong is still told so"
    assert torch.isfinite(losses.matte_term(1 - wanted, wanted))
    assert losses.matte_term(1 - wanted, wanted) > losses.matte_term(wanted, wanted)


# Adversaries.


def test_the_hinge_s_signs_and_margins() -> None:
    real, fake = torch.tensor([0.5, 3.0], requires_grad=True), torch.tensor([0.2, -2.0])
    fake.requires_grad_()
    loss = losses.hinge_discriminator([real], [fake])
    assert float(loss.detach()) == pytest.approx(0.5 / 2 + 1.2 / 2)
    slopes = torch.autograd.grad(loss, [real, fake])
    assert slopes[0].tolist() == [-0.5, 0.0]  # up with the real, unless past the margin
    assert slopes[1].tolist() == [0.5, 0.0]
    (slope,) = torch.autograd.grad(losses.hinge_generator([fake]), fake)
    assert slope.tolist() == [-0.5, -0.5]  # the generator wants higher scores, without end
    # Every head has one vote, however large its map.
    heads = [torch.ones(2, 1, 9, 9), -torch.ones(2, 1, 2, 2)]
    assert float(losses.hinge_generator(heads)) == 0.0
    with pytest.raises(ValueError, match="zip"):
        losses.hinge_discriminator(heads, heads[:1])


def test_feature_matching_moves_the_fake_s_features_only() -> None:
    real = [[torch.ones(1, 2, 4, 4, requires_grad=True), torch.zeros(1, 4, 2, 2)]]
    fake = [[torch.zeros(1, 2, 4, 4, requires_grad=True), torch.full((1, 4, 2, 2), 3.0)]]
    loss = losses.feature_matching(fake, real)
    assert float(loss.detach()) == 2.0  # (1 + 3) / 2: the mean over layers, whatever their size
    loss.backward()
    assert real[0][0].grad is None
    grad = fake[0][0].grad
    assert grad is not None
    assert (grad < 0).all()


def test_features_of_a_real_discriminator_lead_to_the_real_picture() -> None:
    network = WarpDiscriminator((8, 12, 16)).requires_grad_(False)
    target, drawn, nobody = face(SIZE), drawn_landmarks(3, SIZE), torch.zeros(1, IDENTITY_SIZE)
    wanted = network(target, drawn, nobody).features
    result = blurred(target).requires_grad_()
    start = float((result.detach() - target).abs().mean())
    optimizer = torch.optim.Adam([result], lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        losses.feature_matching(network(result, drawn, nobody).features, wanted).backward()
        optimizer.step()
    assert float((result.detach() - target).abs().mean()) < 0.85 * start


def test_the_match_term_draws_vector_and_row_together() -> None:
    e, rows = torch.randn(3, 8, requires_grad=True), torch.randn(3, 8, requires_grad=True)
    loss = losses.match(e, rows)
    assert float(loss.detach()) == pytest.approx(float((e - rows).detach().abs().mean()))
    loss.backward()
    assert e.grad is not None
    assert rows.grad is not None
    assert torch.equal(torch.sign(e.grad), torch.sign((e - rows).detach()))
    assert torch.equal(e.grad, -rows.grad)


def test_r1_is_half_the_squared_slope_and_holds_the_discriminator() -> None:
    slope = torch.randn(3, 8, 8)
    picture = torch.rand(4, 3, 8, 8, requires_grad=True)
    scores = (picture * slope).sum(dim=(1, 2, 3))
    penalty = losses.r1_penalty([scores], [picture])
    torch.testing.assert_close(penalty, 0.5 * slope.square().sum())

    network = WarpDiscriminator((8, 12, 16))
    drawn, nobody = drawn_landmarks(3, SIZE), torch.zeros(1, IDENTITY_SIZE)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    values = []
    for _ in range(8):
        real = face(SIZE).requires_grad_()
        value = losses.r1_penalty(network(real, drawn, nobody).scores, [real])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[0] > 0
    assert values[-1] < 0.7 * values[0]


# Balance.


def unlike_terms(picture: Tensor, target: Tensor) -> dict[str, Tensor]:
    return {
        "pixels": F.l1_loss(picture, target),
        "edges": 300.0 * F.l1_loss(picture.diff(dim=3), target.diff(dim=3)),
        "dssim": 0.01 * losses.dssim(picture, target),
    }


def test_balanced_terms_pull_with_their_shares() -> None:
    target = face(SIZE)
    source = blurred(target).requires_grad_()
    picture = source * 1.0  # an output with a graph behind it, as a network's
    terms = unlike_terms(picture, target)
    shares = {"pixels": 2.0, "edges": 1.0, "dssim": 0.5}
    weights = Balance(shares, "pixels").weights(terms, picture)
    weighed = {name: weights[name] * term for name, term in terms.items()}
    norms = gradient_norms(weighed, [picture])
    before = gradient_norms(terms, [picture])
    assert max(before.values()) > 100 * min(before.values())
    assert weights["pixels"] == 2.0
    unit = norms["pixels"] / 2.0
    for name, share in shares.items():
        # The reference's share scales itself alone: the others are shares of its bare gradient.
        assert norms[name] == pytest.approx(share * unit, rel=1e-4)
    torch.stack(list(weighed.values())).sum().backward()  # the graph is still whole
    assert source.grad is not None


def test_the_weights_follow_slowly_and_are_measured_now_and_then() -> None:
    x = torch.ones(4, requires_grad=True)
    out = x * 1.0
    balance = Balance({"a": 1.0, "b": 1.0}, "a", smoothing=0.5, every=2, limit=100)

    def weights(scale: float) -> float:
        return balance.weights({"a": out.sum(), "b": scale * out.sum()}, out)["b"]

    assert weights(1.0) == pytest.approx(1.0)
    assert weights(4.0) == pytest.approx(1.0)  # not measured at this step
    assert weights(4.0) == pytest.approx(1 / 2.5)
    assert weights(4.0) == pytest.approx(1 / 2.5)
    assert weights(4.0) == pytest.approx(1 / 3.25)

    resumed = Balance({"a": 1.0, "b": 1.0}, "a", smoothing=0.5, every=2, limit=100)
    resumed.load_state_dict(balance.state_dict())
    again = [resumed.weights({"a": out.sum(), "b": 9.0 * out.sum()}, out) for _ in range(4)]
    here = [balance.weights({"a": out.sum(), "b": 9.0 * out.sum()}, out) for _ in range(4)]
    assert again == here


def test_noise_is_not_blown_up_without_bound() -> None:
    x = torch.ones(4, requires_grad=True)
    out = x * 1.0
    balance = Balance({"a": 1.0, "adversary": 0.5}, "a", smoothing=0.0, every=1, limit=4.0)
    found = []
    for scale in (1.0, 1e-6, 10.0):
        terms = {"a": out.sum(), "adversary": scale * out.sum()}
        found.append(balance.weights(terms, out)["adversary"])
        resumed = Balance(balance.shares, "a", smoothing=0.0, every=1, limit=4.0)
        resumed.load_state_dict(balance.state_dict())
        balance = resumed
    assert found == pytest.approx([0.5, 2.0, 0.05])
    # A term that is satisfied has no gradient; its weight stays.
    satisfied = balance.weights({"a": out.sum(), "adversary": 0.0 * out.sum()}, out)
    assert satisfied["adversary"] == pytest.approx(0.05)


def test_a_term_that_cannot_be_balanced_is_refused() -> None:
    x = torch.ones(4, requires_grad=True)
    out = x * 1.0
    with pytest.raises(ValueError, match="'b' does not depend on the output"):
        Balance({"a": 1.0, "b": 1.0}, "a").weights({"a": out.sum(), "b": x.sum()}, out)
    with pytest.raises(ValueError, match="no share is given for the term 'c'"):
        Balance({"a": 1.0}, "a").weights({"a": out.sum(), "c": out.sum()}, out)
    with pytest.raises(ValueError, match="reference 'z'"):
        Balance({"a": 1.0}, "z")


def test_a_lost_term_is_named() -> None:
    check_finite({"pixels": torch.tensor(1.0), "edges": torch.tensor(2.0)}, 7)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(LikenessError, match=f"the term 'edges' became {bad} at step 7; "):
            check_finite({"pixels": torch.tensor(1.0), "edges": torch.tensor(bad)}, 7)
    x = torch.zeros(4, requires_grad=True)
    out = x * 1.0
    with pytest.raises(LikenessError, match="gradient of the term 'b' became"):
        Balance({"a": 1.0, "b": 1.0}, "a").weights({"a": out.sum(), "b": out.sqrt().sum()}, out)


def _balance_a_part(rank: int, count: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=count
    )
    torch.save(_weights_of(slice(rank, rank + 1)), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def _weights_of(part: slice) -> tuple[dict[str, float], dict[str, float]]:
    """The weights for a part of a batch of two, and the norms that they come from."""
    target = face(SIZE)
    picture = torch.cat([blurred(target), moved(target, 2.0)])[part].requires_grad_() * 1.0
    terms = unlike_terms(picture, target.expand(len(picture), -1, -1, -1))
    balance = Balance({"pixels": 1.0, "edges": 1.0, "dssim": 1.0}, "pixels")
    return balance.weights(terms, picture), balance.norms


def test_two_processes_weigh_as_one_with_the_joint_batch(tmp_path: Path) -> None:
    mp.spawn(_balance_a_part, args=(2, str(tmp_path)), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    joint = _weights_of(slice(0, 2))
    assert parts[0] == parts[1]
    for part, whole in zip(parts[0], joint, strict=True):
        assert part == pytest.approx(whole, rel=1e-3)
    assert _weights_of(slice(0, 1))[0] != pytest.approx(joint[0], rel=1e-3)
