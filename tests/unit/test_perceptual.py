# SPDX-License-Identifier: GPL-3.0-or-later
"""The perceptual distances see a blur, and VGG's features are those of the paper."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.training import losses, perceptual
from export.training.perceptual import (
    VGG19,
    VGGFACE,
    FourierBlocks,
    PaperContent,
    Perceptual,
    VggFeatures,
    VggLayout,
)
from inference.errors import InputError
from tests.faces import blurred, face, moved

SIZE = 64
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_a_perceptual_distance_forgives_light_and_not_a_blur() -> None:
    term, target = FourierBlocks(), face(96)
    blur = blurred(target)
    light = target + (blur - target).abs().mean()  # the same L1
    assert float(term(blur, target)) > 2.0 * float(term(light, target))


def test_a_target_gets_no_gradient() -> None:
    target = face(SIZE).requires_grad_()
    result = blurred(face(SIZE)).requires_grad_()
    FourierBlocks()(result, target).backward()
    assert target.grad is None
    assert result.grad is not None
    assert torch.isfinite(result.grad).all()
    assert result.grad.abs().max() > 0


def test_the_default_distance_does_not_answer_doubt_with_a_blur() -> None:
    """Where a feature may lie here or there, the best single answer to L1 is the mean of all."""
    target = face(96)
    places = ((0, 0), (-1.3, 0), (1.3, 0), (0, -1.3), (0, 1.3))
    maybe = torch.cat([moved(target, *place) for place in places])

    def answer(term: Perceptual) -> float:
        """Sharpness of the best answer, as a share of the target's."""
        result = maybe.mean(dim=0, keepdim=True).requires_grad_()
        optimizer = torch.optim.Adam([result], lr=5e-3)
        for _ in range(50):
            optimizer.zero_grad()
            term(result.expand_as(maybe), maybe).backward()
            optimizer.step()
        detail = [(x - blurred(x)).abs().mean() for x in (result.detach(), target)]
        return float(detail[0] / detail[1])

    def beside_l1(term: Perceptual) -> float:
        return answer(lambda a, b: F.l1_loss(a, b) + term(a, b))

    sharp = beside_l1(FourierBlocks())
    assert sharp > beside_l1(losses.dssim) + 0.03
    assert sharp > beside_l1(FourierBlocks(phase=1.0)) + 0.06


def vgg_state(layout: VggLayout, names: str) -> dict[str, Tensor]:
    """Random weights with the names of torchvision's `features` or of Caffe's layers."""
    state: dict[str, Tensor] = {}
    channels, index = 3, 0
    for stage, widths in enumerate(layout.stages):
        for place, width in enumerate(widths):
            key = f"features.{index}" if names == "features" else f"conv{stage + 1}_{place + 1}"
            scale = (2.0 / (9 * channels)) ** 0.5
            state[f"{key}.weight"] = torch.randn(width, channels, 3, 3) * scale
            state[f"{key}.bias"] = torch.randn(width) * 0.1
            channels, index = width, index + 2
        index += 1
    state["fc6.weight"] = torch.zeros(2, 2)
    return state


# Real layouts cut to an eighth of their widths: the order of layers is what is tested.
def narrowed(layout: VggLayout) -> VggLayout:
    stages = tuple(tuple(width // 8 for width in widths) for widths in layout.stages)
    return VggLayout(layout.name, stages, layout.mean, layout.weight)


@pytest.mark.parametrize(
    ("layout", "names", "layers"),
    [(VGG19, "features", (1, 6, 11, 20, 29)), (VGGFACE, "conv", (1, 6, 11, 18, 25))],
)
def test_vgg_features_are_the_paper_s_layers_of_caffe_s_pictures(
    layout: VggLayout, names: str, layers: tuple[int, ...], tmp_path: Path
) -> None:
    layout = narrowed(layout)
    state = vgg_state(layout, names)
    torch.save(state, tmp_path / "vgg.pth")
    term = VggFeatures(layout, tmp_path / "vgg.pth")

    weights = iter(state.items())
    plain: list[nn.Module] = []
    for number, widths in enumerate(layout.stages):
        plain += [nn.MaxPool2d(2)] if number else []
        for width in widths:
            (_, weight), (_, bias) = next(weights), next(weights)
            conv = nn.Conv2d(weight.shape[1], width, 3, padding=1)
            conv.load_state_dict({"weight": weight, "bias": bias})
            plain += [conv, nn.ReLU()]

    target = face(SIZE)
    result = blurred(target).requires_grad_()
    mean = torch.tensor(layout.mean)[:, None, None]
    a, b = (255 * x.detach()[:, [2, 1, 0]] - mean for x in (result, target))
    expected = 0.0
    with torch.no_grad():
        for index, layer in enumerate(plain):
            a, b = layer(a), layer(b)
            if index in layers:
                expected += float((a - b).abs().mean())
    value = term(result, target)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-4)
    value.backward()
    assert result.grad is not None
    assert result.grad.abs().max() > 0


def test_the_paper_s_content_term_weighs_the_networks_that_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {}
    for name, layout in (("VGG19", narrowed(VGG19)), ("VGGFACE", narrowed(VGGFACE))):
        monkeypatch.setattr(perceptual, name, layout)
        files[name] = tmp_path / f"{name}.pth"
        torch.save(vgg_state(layout, "features"), files[name])
    target = face(SIZE)
    result = blurred(target)
    one = VggFeatures(narrowed(VGG19), files["VGG19"])(result, target)
    other = VggFeatures(narrowed(VGGFACE), files["VGGFACE"])(result, target)
    both = PaperContent(files["VGG19"], files["VGGFACE"])(result, target)
    torch.testing.assert_close(both, 1.5e-1 * one + 2.5e-2 * other)
    torch.testing.assert_close(PaperContent(None, files["VGGFACE"])(result, target), 2.5e-2 * other)


def test_vgg_weights_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vgg.pth"
    layout = narrowed(VGG19)

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match) as caught:
            VggFeatures(layout, path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    refused("there is no such file of VGG19 weights")
    path.write_bytes(b"no weights at all")
    refused("is no file of weights")
    torch.save([1, 2], path)
    refused("holds no state dict")
    torch.save(vgg_state(narrowed(VGGFACE), "features"), path)
    refused("does not fit VGG19: convolution 8 must be 32x32x3x3, not 64x32x3x3")
    state = vgg_state(layout, "features")
    torch.save(dict(list(state.items())[:6]), path)
    refused("convolution 4 must be 16x16x3x3, not missing")
    torch.save({k: v for k, v in state.items() if k != "features.5.bias"}, path)
    refused("'features.5.weight' has no bias of 16")
    torch.save({**state, "features.2.bias": torch.full((8,), torch.nan)}, path)
    refused("not finite")
    torch.save({"state_dict": state}, path)
    VggFeatures(layout, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(perceptual, "TORCHVISION", (digest[:8],))
    refused("torchvision's VGG")
