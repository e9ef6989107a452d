# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's head in depth, made once: its mesh on the shell, the person's colours and alpha."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.anchors import HeadMesh, build_head_mesh
from inference.head.far_ear import FarEar, find_far_ear
from inference.head.form import head_form
from inference.head.neck import Neck, build_neck
from inference.head.shell import Shell, fit_shell
from inference.landmarks import OVAL
from inference.layers.beyond import Beyond, beyond_picture
from inference.pictures import strips
from inference.portrait import Box, Portrait
from inference.warp.mesh import build_mesh
from inference.warp.warp import GRID, Pixels, WarpSource, warp_source

Plane = NDArray[np.float32]

# Above this alpha a pixel's colour is what makes it the portrait's over the plate, exactly; below
# the first value the colour that was given stands.
_TRUST = (0.5, 0.85)
# Beyond the picture's edge the person goes on as far as the shell; softness in eye distances, and
# from where on (eye distances below the skull's middle) the body goes on without an end.
_SOFT, _BODY = 0.15, (1.3, 1.9)
_GOES_ON = 0.2  # alpha at the crop's border from which on hair goes on beyond it
_SKULL, _NECK = 1, 0
# Alpha within the face's outline below which, and above which, it is not, and is, the person's; and
# how far around (cells of the grid) the skin there is taken from, near skin first.
_STRAYS, _SKIN_FROM = (0.5, 0.9), (3.0, 9.0, 27.0)
_AROUND = 7  # cells that are around the person, and themselves
_SIDE = 1024  # pixels of the longer side at which what is smooth is found


@dataclass(frozen=True)
class HeadSource:
    """What all frames of a portrait share, at one resolution.

    mesh: in pixels of the crop. person: the crop's colours with the ground taken out, and its
    landmarks; alpha: (H, W) uint8, the person's; whole: the same, all of the face filled. skull:
    (256, 256) uint8, where in the crop the person is the head (1) and not the body (0). size:
    (width, height) of the crop itself. missed: (height, width, 3) float32, the portrait less its
    person laid over its plate: nothing where both are exact. neck: what the jaw hides of it.
    far_ear: what the far cheek hides, or None.
    """

    mesh: HeadMesh
    person: WarpSource
    alpha: NDArray[np.uint8]
    whole: NDArray[np.uint8]
    skull: NDArray[np.uint8]
    size: tuple[int, int]
    missed: Plane
    neck: Neck
    far_ear: FarEar | None

    def with_matte(self, deep: float) -> Pixels:
        """Colours and matte, (H, W, 4) of the colours' depth, for a head turned so deep.

        A turned face is whole, also where its outline in the portrait strays beyond the person.
        """
        if deep in (0, 1):
            return self._whole if deep else self._flat
        return _four(self.person.pixels, cv2.addWeighted(self.alpha, 1 - deep, self.whole, deep, 0))

    @cached_property
    def _flat(self) -> Pixels:
        return _four(self.person.pixels, self.alpha)

    @cached_property
    def _whole(self) -> Pixels:
        return _four(self.person.pixels, self.whole)

    @cached_property
    def covered(self) -> NDArray[np.uint8]:
        """(GRID, GRID) 1 where in the crop the person is, and around."""
        cells = cv2.resize(
            cv2.max(self.alpha, self.whole), (GRID, GRID), interpolation=cv2.INTER_AREA
        )
        return cv2.dilate((cells > 0).view(np.uint8), np.ones((_AROUND,) * 2, np.uint8))


def build_head(
    portrait: Portrait,
    alpha: Plane,
    person: Pixels,
    plate: Pixels,
    beyond: Beyond | None = None,
) -> HeadSource:
    """Fit the head to a portrait.

    alpha: (H, W) float32, 0 to 1, of the whole portrait; person: (H, W, 3), the person's colours,
    carried on a little beyond its edge; plate: (H, W, 3), what lies behind. Colours have the
    portrait's depth. beyond: the person past the picture's edge; None: the edge's own pixels go on.
    """
    box, picture = portrait.box, portrait.picture
    size = (box.width, box.height)
    points = portrait.crop_points()
    matte = crop_of(np.round(alpha * 255).astype(np.uint8), box)
    own, below = crop_of(picture.rgb, box), crop_of(plate, box)
    colours = _exact(own, crop_of(person, box), below, matte)
    if beyond and len(beyond.alpha):
        outside = beyond_picture(portrait)
        colours[outside] = beyond.person
        matte[outside] = beyond.alpha if beyond.alpha.dtype == np.uint8 else beyond.alpha // 257
    mesh = build_mesh(points, size)
    shell = fit_shell(mesh, matte, head_form(), portrait.visible())
    matte = _ended(matte, shell, portrait.visible())
    head = build_head_mesh(mesh, shell, rgb8(colours), size)
    skull = _skull(shell, size)
    matte = _fringe_ended(matte, head, skull, size)
    outline = np.round((points[list(OVAL), :2] - 0.5) * 16).astype(np.int32)
    face = cv2.fillPoly(np.zeros_like(matte), [outline], 255, cv2.LINE_8, 4)
    whole = np.maximum(matte, face)
    _lay_skin(colours, matte, face)
    person_source = warp_source(colours, points)
    missed = _missed(own, colours, below, matte)
    neck = build_neck(points, rgb8(colours), matte, size)
    ear = find_far_ear(points, colours, matte)
    return HeadSource(head, person_source, matte, whole, skull, size, missed, neck, ear)


def resized(source: HeadSource, size: tuple[int, int]) -> HeadSource:
    """The same head, to be drawn at `size` (width, height), with 8 bits a colour."""
    person = source.person
    small = warp_source(rgb8(person.pixels), person.points, size)
    how = cv2.INTER_AREA if size[0] < source.alpha.shape[1] else cv2.INTER_LINEAR
    alpha, whole = (cv2.resize(p, size, interpolation=how) for p in (source.alpha, source.whole))
    ear = source.far_ear and replace(source.far_ear, pixels=rgb8(source.far_ear.pixels))
    return replace(source, person=small, alpha=alpha, whole=whole, far_ear=ear)


def _four(pixels: Pixels, matte: NDArray[np.uint8]) -> Pixels:
    fourth = matte if pixels.dtype == np.uint8 else matte.astype(np.uint16) * np.uint16(257)
    return cv2.insertChannel(fourth, cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA), 3)


def rgb8(pixels: Pixels) -> NDArray[np.uint8]:
    """The pixels at 8 bits."""
    return (pixels if pixels.dtype == np.uint8 else pixels // 257).astype(np.uint8, copy=False)


def crop_of(plane: NDArray[Any], box: Box) -> NDArray[Any]:
    """The box of a picture (H, W, ...); beyond the picture its edge goes on."""
    height, width = plane.shape[:2]
    left, top = max(0, -box.x), max(0, -box.y)
    right, bottom = max(0, box.x + box.width - width), max(0, box.y + box.height - height)
    inside = plane[
        max(0, box.y) : min(height, box.y + box.height),
        max(0, box.x) : min(width, box.x + box.width),
    ]
    return cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE)


def _exact(own: Pixels, person: Pixels, plate: Pixels, matte: NDArray[np.uint8]) -> Pixels:
    """Colours that, laid over the plate by the matte (H, W), give the portrait back."""
    found = np.empty_like(own)
    for rows in strips((own.shape[1], own.shape[0])):
        share, behind = _share(matte[rows]), plate[rows].astype(np.float32)
        exact = (own[rows] - (1 - share) * behind) / np.maximum(share, 1 / 255)
        trust = np.clip((share - _TRUST[0]) / (_TRUST[1] - _TRUST[0]), 0, 1)
        mixed = person[rows].astype(np.float32)
        mixed += trust * (exact - mixed)
        found[rows] = np.clip(np.round(mixed), 0, np.iinfo(own.dtype).max)
    return found


def _lay_skin(colours: Pixels, matte: NDArray[np.uint8], face: NDArray[np.uint8]) -> None:
    """Give what lies within the face's outline and is not the person the skin beside it, in place.

    There the outline, which may be a cheek's that the portrait hides, strays over the ground; a
    face that turns is whole all the same.
    """
    size = (colours.shape[1], colours.shape[0])
    low, high = _STRAYS
    share = np.clip((high * 255 - matte.astype(np.float32)) / ((high - low) * 255), 0, 1)
    share *= face > 0
    if not share.any():
        return
    skin = cv2.resize(colours, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    known = cv2.erode(np.minimum(face, matte), np.ones((3, 3), np.uint8)) > 250
    known = cv2.resize(known.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    skin, weight = skin * known[..., None], known
    laid, total = np.zeros_like(skin), np.full_like(known, 1e-6)
    for sigma, counts in zip(_SKIN_FROM, (1.0, 0.02, 0.0004), strict=True):
        laid += counts * cv2.GaussianBlur(skin, (0, 0), sigma)
        total += counts * cv2.GaussianBlur(weight, (0, 0), sigma)
    laid = cv2.resize(laid / total[..., None], size, interpolation=cv2.INTER_LINEAR)
    mixed = colours + share[..., None] * (laid - colours)
    np.copyto(colours, np.round(mixed).astype(colours.dtype), where=(share > 0)[..., None])


def _missed(own: Pixels, colours: Pixels, plate: Pixels, matte: NDArray[np.uint8]) -> Plane:
    """As `HeadSource.missed`."""
    missed = own.astype(np.float32)
    for rows in strips((own.shape[1], own.shape[0])):
        behind = plate[rows].astype(np.float32)
        missed[rows] -= behind + _share(matte[rows]) * (colours[rows] - behind)
    return missed


def _share(matte: NDArray[np.uint8]) -> Plane:
    return matte.astype(np.float32)[..., None] / 255


def _ended(
    matte: NDArray[np.uint8], shell: Shell, visible: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """The matte, ended softly at the shell where the picture itself does not show the end."""
    left, top, right, bottom = visible
    height, width = matte.shape
    if visible == (0, 0, width, height):
        return matte
    zoom = min(1.0, _SIDE / max(width, height))
    grid = (round(width * zoom), round(height * zoom))
    away, distance, limit = _polar(shell, (width, height), grid)
    soft = np.clip((limit - distance) / (_SOFT * shell.unit) + 0.5, 0, 1)
    low, high = _BODY
    body = np.clip((away[..., 1] / shell.unit - low) / (high - low), 0, 1)
    kept = np.maximum(soft, body).astype(np.float32)
    if zoom < 1:
        kept = cv2.resize(kept, (width, height), interpolation=cv2.INTER_LINEAR)
    kept[top:bottom, left:right] = 1
    return np.asarray(cv2.multiply(matte, kept, dtype=cv2.CV_8U))


def _fringe_ended(
    matte: NDArray[np.uint8], head: HeadMesh, skull: NDArray[np.uint8], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The matte, ended where hair's fringe is no longer carried along, and would be drawn out."""
    near, far = (
        cv2.fillPoly(
            np.zeros((GRID, GRID), np.uint8),
            [np.round(ring * (GRID / np.array(size)) * 16).astype(np.int32)],
            1,
            cv2.LINE_8,
            4,
        )
        for ring in head.fringe()
    )
    to_end = cv2.distanceTransform(far, cv2.DIST_L2, 5)
    from_hair = cv2.distanceTransform(1 - near, cv2.DIST_L2, 5)
    kept = to_end / np.maximum(to_end + from_hair, np.float32(1e-6))
    # Neither the body ends, nor hair that goes on beyond the crop.
    border = cv2.blur(matte, (9, 9))
    last = np.round(head.border()).astype(int).clip(0, np.array(size) - 1)
    ends = 1 - np.clip(border[last[:, 1], last[:, 0]] / np.float32(255 * _GOES_ON), 0, 1)
    away, _, _ = _polar(head.shell, size, (GRID, GRID))
    ends = _by_ray(head.shell, away, ends) * cv2.blur(skull.astype(np.float32), (9, 9))
    kept = 1 - ends * (1 - kept)
    kept = cv2.resize(kept.astype(np.float32), matte.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(matte, kept, dtype=cv2.CV_8U))


def _skull(shell: Shell, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(256, 256) 1 where rays of the skull run, 0 where those of neck and shoulders do."""
    away, _, _ = _polar(shell, size, (GRID, GRID))
    share = _by_ray(shell, away, shell.skull)
    return np.where(share > 0.5, _SKULL, _NECK).astype(np.uint8)


def _polar(
    shell: Shell, size: tuple[int, int], grid: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """On a grid (columns, rows) over the crop: the offset from the skull's middle (rows, columns,
    2), its length, and how far the outline lies in that direction; in pixels of the crop.
    """
    x = (np.arange(grid[0]) + 0.5) * size[0] / grid[0] - shell.center[0]
    y = (np.arange(grid[1]) + 0.5) * size[1] / grid[1] - shell.center[1]
    away = np.stack(np.meshgrid(x, y), axis=-1)
    return away, np.linalg.norm(away, axis=-1), _by_ray(shell, away, shell.edge())


def _by_ray(
    shell: Shell, away: NDArray[np.float64], values: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Values of the shell's rays (36,) at offsets (rows, columns, 2) from the skull's middle."""
    order = np.argsort(shell.azimuth)
    angle = np.arctan2(away[..., 1], away[..., 0])
    found = np.interp(angle.ravel(), shell.azimuth[order], values[order], period=2 * np.pi)
    return np.asarray(found.reshape(angle.shape))
