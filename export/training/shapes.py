# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangles, lines and areas drawn on the device, for a whole batch at once, as OpenCV draws them.

Every shape comes with the box of pixels that it may reach. The boxes of all shapes are laid out
in one long row of cells, each cell asks its own shape whether it is covered, and the answers are
scattered into the pictures: no loop over shapes, no shape is tried on a pixel far from it.
"""

from __future__ import annotations

import torch
from torch import Tensor

# OpenCV's anti-aliased line as measured: how dark it makes a pixel at a distance of 0, 1/32, ...
# along the shorter axis, of 256 at most; a flat line has `_FLAT` of it, steeper ones more.
_PROFILE = (
    254, 254, 253, 250, 247, 242, 238, 232, 227, 220, 213, 206, 198, 189, 180, 171, 162, 153, 144,
    136, 127, 118, 109, 101, 93, 86, 78, 72, 65, 59, 53, 48, 42, 38, 33, 30, 26, 23, 20, 17, 14,
    12, 11, 10, 8, 6, 5, 4, 2, 1, 0,
)  # fmt: skip
_FLAT = 0.705
_DARKEST = 0.999


def cells(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels of boxes (n, 4), left, top, right, bottom, the last two excluded.

    Returns for every cell the number of its box, and its column and row: (Q,) each, int64.
    """
    wide = (boxes[:, 2] - boxes[:, 0]).clamp_min(0)
    count = wide * (boxes[:, 3] - boxes[:, 1]).clamp_min(0)
    owner = torch.repeat_interleave(count)
    first = count.cumsum(0) - count
    place = torch.arange(len(owner), device=boxes.device) - first[owner]
    width, left, top = wide[owner], boxes[:, 0][owner], boxes[:, 1][owner]
    return owner, left + place % width, top + torch.div(place, width, rounding_mode="floor")


def draw_triangles(corners: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Which triangle is seen at each pixel: (N, S, S) int64, T where there is none.

    corners: (N, T, 3, 2) pixel indices, clockwise, later ones over earlier ones. boxes: (N, T, 4).
    A pixel is covered when it lies in the triangle or within half a pixel of an edge along its
    shorter axis: OpenCV fills a polygon and draws its outline.
    """
    count, triangles = corners.shape[:2]
    edge = corners.roll(-1, dims=2) - corners
    reach = edge.abs().amax(dim=-1, keepdim=True).clamp_min(1e-6)
    # Distance inwards along the edge's shorter axis: a x + b y + c.
    slope = torch.stack([-edge[..., 1], edge[..., 0]], dim=-1) / reach
    offset = -(slope * corners).sum(dim=-1)
    owner, column, row = cells(boxes.reshape(-1, 4).long())
    x, y = column.float(), row.float()
    covered = torch.ones_like(owner, dtype=torch.bool)
    slope, offset = slope.reshape(-1, 3, 2), offset.reshape(-1, 3)
    for side in range(3):
        a, b, c = slope[:, side, 0], slope[:, side, 1], offset[:, side]
        covered &= a[owner] * x + b[owner] * y + c[owner] >= -0.5
    picture = torch.div(owner, triangles, rounding_mode="floor")
    rank = torch.where(covered, owner - picture * triangles, -1).int()
    seen = torch.full((count * size * size,), -1, dtype=torch.int32, device=corners.device)
    seen.scatter_reduce_(0, (picture * size + row) * size + column, rank, "amax")
    seen = seen.view(count, size, size).long()
    return torch.where(seen < 0, triangles, seen)


def draw_lines(segments: Tensor, boxes: Tensor, planes: Tensor, count: int, size: int) -> Tensor:
    """Soft lines of one pixel: (N, count, S, S) in [0, 1].

    segments: (N, L, 4) ends in pixel indices; boxes: (N, L, 4); planes: (L,) of `count`, where
    each is drawn. Where lines meet they darken one another, as when drawn in turn.
    """
    pictures, number = segments.shape[:2]
    ends = segments.reshape(-1, 4)
    along = (ends[:, 2:] - ends[:, :2]).abs()
    steep = along[:, 1] > along[:, 0]
    # Major axis first, running upwards.
    turned = torch.where(steep[:, None], ends[:, [1, 0, 3, 2]], ends)
    back = turned[:, 2] < turned[:, 0]
    turned = torch.where(back[:, None], turned[:, [2, 3, 0, 1]], turned)
    length = turned[:, 2] - turned[:, 0]
    slope = (turned[:, 3] - turned[:, 1]) / length.clamp_min(1e-6)
    gain = _FLAT * torch.sqrt(1 + slope.square()) * (length > 1e-3)
    owner, column, row = cells(boxes.reshape(-1, 4).long())
    lies = steep[owner]
    major = torch.where(lies, row, column).float()
    minor = torch.where(lies, column, row).float()
    start, end = turned[:, 0][owner], turned[:, 2][owner]
    middle = turned[:, 1][owner] + slope[owner] * (major - start)
    profile = torch.tensor(_PROFILE, device=segments.device, dtype=torch.float32) / 256
    step = ((minor - middle).abs() * 32).clamp(max=len(_PROFILE) - 1)
    # Towards its ends a line fades over two pixels, so that the next one joins without a knot.
    rises, falls = (1 + major - start) / 2, (1 + end - major) / 2
    share = (rises.clamp(0, 1) + falls.clamp(0, 1) - 1).clamp_min(0)
    dark = profile[step.round().long()] * gain[owner] * share
    # Each pixel is laid over what is there twice.
    left = 2 * torch.log1p(-dark.clamp(max=_DARKEST))
    picture = torch.div(owner, number, rounding_mode="floor")
    plane = picture * count + planes[owner - picture * number]
    whole = torch.zeros(pictures * count * size * size, device=segments.device)
    whole.index_add_(0, (plane * size + row) * size + column, left)
    return (1 - whole.exp()).view(pictures, count, size, size)


def fill_outlines(edges: Tensor, size: int) -> Tensor:
    """Which pixels' middles lie in closed outlines: (N, S, S) bool, by the even-odd rule.

    edges: (N, E, 4) ends in pixel indices; edges of no length do nothing.
    """
    rows = torch.arange(size, device=edges.device, dtype=torch.float32)[None, None]
    x0, y0, x1, y1 = (edges[..., i, None] for i in range(4))
    crosses = (y0 <= rows) != (y1 <= rows)
    rise = torch.where(crosses, y1 - y0, 1.0)
    at = (x0 + (rows - y0) * (x1 - x0) / rise).ceil().clamp(0, size).long()
    flips = torch.zeros(len(edges), size, size + 1, device=edges.device, dtype=torch.int32)
    place = at.transpose(1, 2)
    flips.scatter_add_(2, place, crosses.transpose(1, 2).int())
    return (flips.cumsum(dim=2)[..., :size] & 1).bool()


def draw_discs(discs: Tensor, size: int) -> Tensor:
    """Soft-edged discs: (N, S, S) in [0, 1], one for each (N, 3) of middle and radius."""
    at = torch.arange(size, device=discs.device, dtype=torch.float32)
    x, y = at[None, None] - discs[:, 0, None, None], at[None, :, None] - discs[:, 1, None, None]
    far = torch.hypot(x, y)
    profile = torch.tensor(_PROFILE, device=discs.device, dtype=torch.float32) / 256
    # The outline's slope is that of the radius, turned.
    small = torch.minimum(x.abs(), y.abs()) / torch.maximum(x.abs(), y.abs()).clamp_min(1e-6)
    outside = (far - discs[:, 2, None, None]).clamp_min(0)
    larger = torch.maximum(x.abs(), y.abs()).clamp_min(1e-6)
    along = outside * far / larger  # along the shorter axis of the outline
    step = (along * 32).clamp(max=len(_PROFILE) - 1).round().long()
    dark = profile[step] * _FLAT * torch.sqrt(1 + small.square())
    soft = 1 - (1 - dark).square()
    return torch.where(outside == 0, torch.ones_like(soft), soft)
