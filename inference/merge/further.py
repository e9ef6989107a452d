# SPDX-License-Identifier: GPL-3.0-or-later
"""The further pictures of a person, laid into the leading picture's crop and brought to its light.

The leading picture is the portrait: its light, colours, clothes and ground are the frames'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.head.source import HeadSource, build_head, resized
from inference.landmarks import OVAL, interocular
from inference.layers.layers import portrait_layers
from inference.merge.hair import same_hair
from inference.merge.light import to_light
from inference.merge.sharpness import face_sharpness
from inference.performance.face.pose import fit_pose
from inference.pictures import StillPicture, at_depth, rescaled
from inference.portrait import Box, Portrait
from inference.progress import Progress, portions

Points = NDArray[np.float32]

_BYTES = 300_000_000  # of all further pictures' heads together; above it they are smaller
_PLANES = 2  # bytes a pixel beside the colours: alpha, and alpha with the face filled
_SMALLEST = 0.35  # of the leading face's size; below it a face has nothing to add
_BLURRED = 0.25  # of the leading face's sharpness; below it a face is blurred
_NOTHING = np.zeros((0, 0, 3), np.float32)


@dataclass(frozen=True)
class Further:
    """A further picture's head, where it was laid in the leading crop: as large as the crop or
    somewhat smaller, and at the network's size. same_hair: all of its head may be shown for the
    leading one; otherwise its skin only.
    """

    full: HeadSource
    small: HeadSource
    same_hair: bool

    @property
    def points(self) -> Points:
        """The face's landmarks (478, 3) there, in pixels of `full`."""
        return self.full.mesh.flat.points


def further_pictures(
    leading: Portrait,
    leading_head: HeadSource,
    others: Sequence[Callable[[], Portrait]],
    side: int,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[list[Further], list[str]]:
    """Lay `others` into the leading picture's crop, for a network of `side` pixels.

    leading_head: of the leading picture, in the crop's own size. others: each opens one of them.

    Those that cannot help are left out, and the words returned say which and why. progress counts
    to 100. Raises Cancelled.
    """
    found, words = [], []
    for opened, here in zip(others, portions(progress, *[1] * len(others)), strict=True):
        other = opened()
        if reason := _useless(leading, other):
            words.append(f"{other.path.name} is left out: {reason}")
            continue
        laid = _laid(leading, other, _BYTES // len(others))
        layers = portrait_layers(laid, progress=here, cancelled=cancelled)
        if layers.fallback:
            words.append(f"{other.path.name} is left out: {layers.fallback}")
            continue
        share = layers.alpha / np.float32(np.iinfo(layers.alpha.dtype).max)
        head = build_head(laid, share, layers.person, layers.plate, layers.beyond)
        same = same_hair(leading_head, head)
        head = _lit(leading, leading_head, head, same)
        small = resized(head, (side, side))
        found.append(Further(head, small, same))
    return found, words


def _lit(leading: Portrait, leading_head: HeadSource, head: HeadSource, same: bool) -> HeadSource:
    """The head in the leading picture's light; what only the leading one needs is left out."""
    pixels = to_light(
        leading.crop(),
        leading_head.mesh.flat,
        head.person.pixels,
        zoomed(head.mesh.flat.points, head.size, leading_head.size),
        one_sitting=same,
    )
    return replace(head, person=head.person.coloured(pixels), missed=_NOTHING)


def _useless(leading: Portrait, other: Portrait) -> str:
    """Why a picture adds nothing to the leading one, or ""."""
    sizes = [interocular(each.points[:, :2]) for each in (other, leading)]
    if sizes[0] < _SMALLEST * sizes[1]:
        return "its face is much smaller than the first picture's"
    sharp = [face_sharpness(each.picture.rgb8(), each.points) for each in (other, leading)]
    if sharp[0] < _BLURRED * sharp[1]:
        return "it is blurred beside the first picture"
    return ""


def _laid(leading: Portrait, other: Portrait, most: int) -> Portrait:
    """The other picture in a crop in which its face lies as the leading one in its own, and is as
    large, or somewhat smaller where the head would take more than `most` bytes.
    """
    width, height = leading.box.width, leading.box.height
    taken = width * height * (_PLANES + 3 * leading.picture.rgb.itemsize)
    zoom = min(1.0, np.sqrt(most / taken))
    size = (round(width * zoom), round(height * zoom))
    scale = fit_pose(other.points, leading.points).scale * size[0] / width
    points = other.points * np.float32(scale)
    wanted = zoomed(leading.crop_points(), (width, height), size)
    corner = np.round(_middle(points) - _middle(wanted)).astype(int)
    box = Box(int(corner[0]), int(corner[1]), *size)
    depth, picture = leading.picture.rgb.dtype, other.picture
    rgb, alpha = (
        None if plane is None else rescaled(at_depth(plane, depth), scale)
        for plane in (picture.rgb, picture.alpha)
    )
    assert rgb is not None
    return Portrait(other.path, StillPicture(rgb, alpha), points, box)


def zoomed(points: Points, size: tuple[int, int], other: tuple[int, int]) -> Points:
    """Landmarks (478, 3) of a crop of `size` (width, height) in one of the `other` size."""
    x, y = other[0] / size[0], other[1] / size[1]
    return points * np.array([x, y, x], np.float32)


def _middle(points: Points) -> NDArray[np.float64]:
    oval = points[list(OVAL), :2].astype(np.float64)
    return (oval.min(axis=0) + oval.max(axis=0)) / 2
