# SPDX-License-Identifier: GPL-3.0-or-later
"""From a batch of samples to the generator's picture, differentiably: what inference does in numpy.

`inference.composite` at the network's own size: the network is kept to the face (`confine`), the
mesh's displacement and the residual flow resample the source, alpha lays the result over the
network's colour (`merge`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from inference.composite import EDGE
from inference.generator.contract import FLOW_STRIDE
from inference.landmarks import LIPS_LOWER, LIPS_UPPER

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class View:
    """A batch on the device, colours in [0, 1], cut to the crop that is trained on (N, ., C, C).

    picture: 11 channels of the contract. target: 3. weight: 1, how much a pixel counts. mouth,
    eyes, face: 1 each, in [0, 1]. origin: (N, C, C, 2) where the mesh takes each pixel from, as a
    pixel index of `source` (N, 3, S, S). opening: 1, share of layers that the flow does not move.
    matte: 1, the target's person against the background; matted: 1 where that is known, else 0.
    identity: (N, K, 6, I, I) for the embedder. points: (N, 478, 2) the target's landmarks in pixels
    of the crop.
    """

    picture: Tensor
    target: Tensor
    visible: Tensor
    mouth: Tensor
    eyes: Tensor
    face: Tensor
    matte: Tensor
    matted: Tensor
    origin: Tensor
    opening: Tensor
    source: Tensor
    identity: Tensor
    points: Tensor


@dataclass(frozen=True)
class Rendered:
    """result, warped: (N, 3, C, C); alpha, matte: (N, 1, C, C); flow: (N, 2, C/4, C/4)."""

    result: Tensor
    warped: Tensor
    alpha: Tensor
    matte: Tensor
    flow: Tensor


def view_batch(batch: Batch, device: torch.device, crop: int | None, mouths: bool = False) -> View:
    """Move a batch to the device and cut it around the faces, or around their mouths.

    batch: of `export.training.feed`; its first source is the one warped.
    crop: side in pixels, a multiple of 32; None keeps whole pictures.
    """

    def share(name: str) -> Tensor:
        return batch[name].to(device, non_blocking=True).float() / 255

    lines, target = share("lines"), share("target")
    warped, valid = share("warped")[:, 0], share("valid")[:, :1]
    stretch = batch["stretch"][:, :1].to(device).float()
    picture = torch.cat([warped, stretch, valid, lines], dim=1)
    size = target.shape[-1]
    rows = torch.arange(size, device=device, dtype=torch.float32)
    index = torch.stack(torch.meshgrid(rows, rows, indexing="xy"), dim=-1)
    origin = batch["displacement"][:, 0].to(device) + index
    visible = share("visible")[:, None]
    masks = torch.cat(
        [visible, share("face")[:, None], share("opening")[:, :1], share("matte")[:, None],
         visible * share("matted")[:, None, None, None]],
        dim=1,
    )  # fmt: skip
    points = batch["points"][:, :, :2].to(device)
    if crop is not None:
        corners = _corners(batch["points"], batch["shift"], size, crop, mouths)
        points = points - torch.tensor(corners, dtype=points.dtype, device=device)[:, None]
        picture, target, masks = (_cut(x, corners, crop) for x in (picture, target, masks))
        origin = _cut(origin.permute(0, 3, 1, 2), corners, crop).permute(0, 2, 3, 1)
    return View(
        picture=picture.contiguous(memory_format=torch.channels_last),
        target=target,
        visible=masks[:, 0:1],
        mouth=picture[:, 8:9],
        eyes=picture[:, 9:10],
        face=masks[:, 1:2],
        matte=masks[:, 3:4],
        matted=masks[:, 4:5],
        origin=origin,
        opening=masks[:, 2:3],
        source=share("source")[:, 0],
        identity=share("identity"),
        points=points,
    )


def render(answer: tuple[Tensor, Tensor, Tensor, Tensor], view: View) -> Rendered:
    """Lay the network's answer (flow, colour, alpha, matte) together with the warped source."""
    flow, colour, alpha, matte = (tensor.float() for tensor in answer)
    reach = _reach(view.face, EDGE * view.source.shape[-1])
    flow = flow * F.avg_pool2d(reach, FLOW_STRIDE)
    alpha = 1 - reach * (1 - alpha)
    motion = F.interpolate(flow, scale_factor=FLOW_STRIDE, mode="bilinear", align_corners=False)
    moved = _resample(view.source, view.origin + motion.permute(0, 2, 3, 1))
    still = _resample(view.source, view.origin)
    # What the flow changes is added to inference's own warp; eyes and mouth stay as they are.
    warped = view.picture[:, :3] + (1 - view.opening) * (moved - still)
    return Rendered(alpha * warped + (1 - alpha) * colour, warped, alpha, matte, flow)


def _reach(face: Tensor, sigma: float) -> Tensor:
    """Where the network's answer counts, (N, 1, C, C): inside the face, with a soft inner edge.

    `inference.composite.confine` on the same outline.
    """
    radius = round(3 * sigma)
    at = torch.arange(-radius, radius + 1, dtype=face.dtype, device=face.device)
    kernel = torch.exp(-at.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    soft = F.pad(face, [radius] * 4, mode="replicate")
    soft = F.conv2d(F.conv2d(soft, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return (2 * soft - 1).clamp(0, 1)


def _resample(source: Tensor, origin: Tensor) -> Tensor:
    """Colours at pixel indices `origin` (N, C, C, 2); an index i is (2 i + 1) / size - 1 there."""
    grid = (2 * origin + 1) / source.shape[-1] - 1
    return F.grid_sample(source, grid, padding_mode="border", align_corners=False)


def _corners(
    points: Tensor, shift: Tensor, size: int, crop: int, mouths: bool
) -> list[tuple[int, int]]:
    """For each sample the crop's left and top, around face or mouth with some room to miss it."""
    aimed = points[:, [*LIPS_UPPER, *LIPS_LOWER]] if mouths else points
    middle = aimed[:, :, :2].mean(dim=1) + (shift - 0.5) * 0.35 * crop
    corner = (middle - crop / 2).round().clamp(0, size - crop).int()
    # Whole strides, so that the network meets the same grid as in whole pictures.
    return [tuple(int(v) // FLOW_STRIDE * FLOW_STRIDE for v in row) for row in corner]  # type: ignore[misc]


def _cut(pictures: Tensor, corners: list[tuple[int, int]], crop: int) -> Tensor:
    return torch.stack(
        [
            picture[:, top : top + crop, left : left + crop]
            for picture, (left, top) in zip(pictures, corners, strict=True)
        ]
    )
