# SPDX-License-Identifier: GPL-3.0-or-later
"""How unlike two pictures look: distances that forgive what an eye forgives, and miss no blur.

All are called alike, `distance(result, target)`, two batches of RGB pictures (N, 3, H, W) in
[0, 1] -> one number, the batch's mean; `target` gets no gradient. Any size from 32 x 32 up will
do: the whole picture, or close-ups of mouth and eyes, where they cost less and mean more. To be
called outside autocast.

`FourierBlocks`, the default, needs no weights from elsewhere. `VggFeatures` are the 2019 paper's
own content term, for those who have the weights.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inference.errors import InputError

Perceptual = Callable[[Tensor, Tensor], Tensor]

# RGB to luma, blue and red difference: about what eyes tell apart.
_OPPONENT = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))


class FourierBlocks(nn.Module):
    """Amplitude and phase of overlapping 8 x 8 blocks, after Watson-DFT (arXiv:2006.15057).

    |X - Y|^2 is (|X| - |Y|)^2, a lack or excess of detail, plus 2 (|X||Y| - Re X Y*), detail in
    the wrong place; the second counts `phase` times as much as the first, so that a blur is not
    the cheapest answer to what cannot be placed exactly. Both are taken in units of what is just
    visible: more where the target has much of that frequency itself (Watson's masking). Luma at
    full and half size, colour at half size.
    """

    filters: Tensor
    seen: Tensor
    opponent: Tensor

    def __init__(self, *, phase: float = 0.25, masking: float = 0.7) -> None:
        super().__init__()
        self.phase = phase
        self.masking = masking
        filters, seen = _fourier_filters()
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("seen", seen, persistent=False)
        self.register_buffer("opponent", torch.tensor(_OPPONENT), persistent=False)

    def forward(self, result: Tensor, target: Tensor) -> Tensor:
        a, b = (self._opponents(picture) for picture in (result, target.detach()))
        whole = self._distance(a[:, :1], b[:, :1])
        half = self._distance(F.avg_pool2d(a, 2), F.avg_pool2d(b, 2))
        return 0.5 * (whole.mean() + half.mean())

    def _opponents(self, picture: Tensor) -> Tensor:
        return F.conv2d(picture.float(), self.opponent[:, :, None, None])

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, C, H, W) twice -> the distance of every coefficient, (N C, frequencies, h, w)."""
        (a_real, a_imaginary), (b_real, b_imaginary) = (self._blocks(x) for x in (a, b))
        size_a = torch.sqrt(a_real.square() + a_imaginary.square() + 1e-10)
        size_b = torch.sqrt(b_real.square() + b_imaginary.square() + 1e-10)
        seen = self.seen * (1.0 + (size_b / self.seen) ** self.masking)
        lack = (size_a - size_b).square()
        shift = 2.0 * (size_a * size_b - a_real * b_real - a_imaginary * b_imaginary)
        square = (lack + self.phase * shift.clamp_min(0.0)) / seen.square()
        # Linear in what is far above the threshold, smooth below it.
        return torch.sqrt(square + 0.25) - 0.5

    def _blocks(self, x: Tensor) -> tuple[Tensor, Tensor]:
        count, channels, height, width = x.shape
        flat = x.reshape(count * channels, 1, height, width)
        real, imaginary = F.conv2d(flat, self.filters, stride=4).chunk(2, dim=1)
        return real, imaginary


@dataclass(frozen=True)
class VggLayout:
    """A network of the VGG family. stages: channels of the convolutions between the poolings.

    mean: of blue, green and red, 0-255, as subtracted in its training. weight: the paper's, of
    the sum over layers.
    """

    name: str
    stages: tuple[tuple[int, ...], ...]
    mean: tuple[float, float, float]
    weight: float


VGG19 = VggLayout(
    "VGG19",
    ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,)),
    (103.939, 116.779, 123.68),
    1.5e-1,
)
VGGFACE = VggLayout(
    "VGGFace",
    ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,)),
    (93.594, 104.7624, 129.1863),
    2.5e-2,
)
# How the sha256 of torchvision's files begins. Their shapes fit, but they want RGB in [0, 1] and
# answer with features of another scale, which the paper's weights do not suit at all.
TORCHVISION = ("dcbb9e9d", "397923af")


class VggFeatures(nn.Module):
    """The paper's content term: L1 of the features after each stage's first ReLU, summed.

    Of Caffe-trained weights (blue, green, red in 0-255, mean subtracted). Not multiplied with
    `layout.weight` yet.
    """

    mean: Tensor

    def __init__(self, layout: VggLayout, path: Path) -> None:
        """`path`: a state dict by torch.save. Raises InputError when it does not fit."""
        super().__init__()
        self.layout = layout
        self.register_buffer("mean", torch.tensor(layout.mean)[:, None, None], persistent=False)
        tensors = iter(_read_convolutions(layout, path))
        self.stages = nn.ModuleList()
        for widths in layout.stages:
            stage = nn.ModuleList()
            for _ in widths:
                weight, bias = next(tensors)
                conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
                conv.weight = nn.Parameter(weight.float(), False)
                conv.bias = nn.Parameter(bias.float(), False)
                stage.append(conv)
            self.stages.append(stage)

    def forward(self, result: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._features(target)
        pairs = zip(self._features(result), wanted, strict=True)
        return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()

    def _features(self, picture: Tensor) -> list[Tensor]:
        x = picture.float().flip(1) * 255.0 - self.mean
        maps = []
        for number, stage in enumerate(self.stages):
            if number > 0:
                x = F.max_pool2d(x, 2)
            for place, conv in enumerate(stage):
                x = F.relu(conv(x))
                if place == 0:
                    maps.append(x)
        return maps


class PaperContent(nn.Module):
    """The paper's L_CNT: the content terms of the networks whose files are given, weighted."""

    def __init__(self, vgg19: Path | None, vggface: Path | None) -> None:
        """Raises InputError when a file does not fit its network."""
        super().__init__()
        given = ((VGG19, vgg19), (VGGFACE, vggface))
        self.networks = nn.ModuleList(VggFeatures(layout, path) for layout, path in given if path)

    def forward(self, result: Tensor, target: Tensor) -> Tensor:
        terms = [net.layout.weight * net(result, target) for net in self.networks]
        return torch.stack(terms).sum()


def _fourier_filters() -> tuple[Tensor, Tensor]:
    """Real and imaginary parts of the frequencies, (2 F, 1, 8, 8), and their thresholds (F, 1, 1).

    The frequencies are those of half the plane up to 3 periods a block. What is just visible falls
    with the frequency, as the amplitudes of natural pictures do.
    """
    places = torch.arange(8) + 0.5
    window = torch.sin(math.pi * places / 8).square()
    window = (window[:, None] * window) / 16.0
    pairs = [(u, v) for v in range(4) for u in range(-3, 4) if v > 0 or u >= 0]
    parts = []
    for wave in (torch.cos, torch.sin):
        for u, v in pairs:
            turns = (v * places[:, None] + u * places) / 8
            parts.append(window * wave(2 * math.pi * turns))
    size = torch.tensor([max(math.hypot(u, v), 0.5) for u, v in pairs])
    return torch.stack(parts)[:, None], (0.02 / size)[:, None, None]


def _read_convolutions(layout: VggLayout, path: Path) -> list[tuple[Tensor, Tensor]]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file of {layout.name} weights")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise InputError(
            f"{path}: is no file of weights, or a damaged one; give a state dict "
            f"of {layout.name} saved by torch"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path}: holds no state dict; give {layout.name}'s, saved by torch")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest.startswith(TORCHVISION):
        raise InputError(
            f"{path}: is torchvision's VGG, whose features have another scale; give Caffe's weights"
        )
    names = sorted(
        (k for k, v in state.items() if k.endswith("weight") and v.ndim == 4), key=_order
    )
    widths = [width for stage in layout.stages for width in stage]
    found = []
    for index, (before, width) in enumerate(zip([3, *widths], widths, strict=False)):
        name = names[index] if index < len(names) else None
        shape = tuple(state[name].shape) if name else None
        bias = state.get(name.removesuffix("weight") + "bias") if name else None
        if name is None or shape != (width, before, 3, 3):
            raise InputError(
                f"{path}: does not fit {layout.name}: convolution {index + 1} must "
                f"be {width}x{before}x3x3, not {_shape(shape)}"
            )
        if bias is None or bias.shape != (width,):
            raise InputError(f"{path}: does not fit {layout.name}: '{name}' has no bias of {width}")
        if not (torch.isfinite(state[name]).all() and torch.isfinite(bias).all()):
            raise InputError(
                f"{path}: has values in '{name}' that are not finite; the file is "
                "damaged, get it again"
            )
        found.append((state[name], bias))
    return found


def _order(name: str) -> list[tuple[int, str]]:
    """Sorts features.2 before features.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else "x".join(map(str, shape))
