# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame's inside of the mouth: what is seen of teeth, gums and tongue, as shares of a palette.

The upper teeth are rigid in the head, the lower ones in the jaw; the lips uncover them. Colours
come later: what is drawn here is how much of each row of `paint.palette` a pixel shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.forms import linear_forms
from inference.landmarks import LIP_MIDDLES, interocular
from inference.mouth.arches import GUM, Arch, lower_arch, upper_arch
from inference.mouth.look import MEAN, TeethLook
from inference.mouth.paint import DARK, GUMS, TEETH, TONGUE, tinted
from inference.mouth.plate import TeethPlate
from inference.mouth.surface import GUM_TONE, arch_surface
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_pose

Points = NDArray[np.floating]
Array = NDArray[np.float64]
Plane = NDArray[np.float32]

_MM = 63.0  # millimetres of an eye distance
# How far behind the lips the front teeth stand, and below the closed lips the upper ones end.
_BEHIND = (5.0, 7.5)
_SHOWN = 2.2
# Below the upper lip the upper teeth end between these shares of the opening (the second, and one
# millimetre), within these millimetres; lower teeth stand above the lower lip by this share of the
# opening less so many millimetres, within these.
_ENDS, _WITHIN = (0.33, 0.62), (1.5, 9.5)
_STANDS, _FROM, _ABOVE = 0.22, 4.0, (-1.5, 3.0)
_OVERBITE = 2.0
# The tongue: half its width, and how far it rises over the lower teeth's edge by the opening's
# share; seen from such an opening on, wholly at the second.
_TONGUE_WIDE, _TONGUE_RISE, _TONGUE_SEEN = 19.0, 0.2, (5.0, 11.0)
# Light: of teeth by how they face the camera, in the lip's shadow (share, millimetres), in the
# corners (share, from where on), and through an opening so small.
_FACING = (0.35, 0.65, 1.6)
_SHADOW, _CORNERS, _NARROW = (0.45, 1.9), (0.65, 0.6), 7.0
_LOWER_LIGHT = 0.88
# Millimetres of a picture's own opening from which on, and at which wholly, its upper teeth stand
# for the drawn ones.
_OWN = (0.5, 2.0)
_SHIFT = 4
_FINE = 5.0  # pixels a millimetre from which on nothing is drawn larger and then shrunk


@dataclass(frozen=True)
class MouthPlace:
    """Where a portrait's teeth stand. stomion: (3,) where its lips meet, in canonical space.
    look: how much they are seen, their size and gap. plate: what is painted on them, or None. own:
    how much the picture shows upper teeth of its own, 0 to 1: below those none are drawn.
    """

    stomion: Array
    look: TeethLook = MEAN
    plate: TeethPlate | None = None
    own: float = 0.0


@dataclass(frozen=True)
class Opening:
    """The window that is drawn. left, top: its corner in pixels of the output. u: (h, w) from
    corner to corner as -1 to 1. below: (h, w) how far below the upper lip, in pixels. shown: (h,
    w) how far down from it the picture itself shows its mouth, in pixels.
    """

    left: int
    top: int
    u: Array
    below: Array
    shown: Array


@dataclass(frozen=True)
class Inside:
    """A window of a mouth's inside. shares: (h, w, 4) of the palette's rows. teeth: (h, w), where
    of that are teeth, 0 to 1. painted: (h, w, 3) in [0, 1], what a plate adds to the palette's
    colours, or None.
    """

    shares: Plane
    teeth: Plane
    painted: Plane | None = None


def find_place(points: Points) -> MouthPlace:
    """points: (478, 3) of the portrait, in pixels of it."""
    pose = fit_pose(canonical_face().mean, points.astype(np.float32)).inverse()
    upper, lower = (pose.apply(points[i].astype(np.float64)) for i in LIP_MIDDLES)
    # An open mouth's upper lip has risen a little; most of the opening is the jaw's.
    stomion = np.array([upper[0], upper[1] + 0.1 * (lower[1] - upper[1]), upper[2]])
    return MouthPlace(stomion)


def draw_inside(place: MouthPlace, points: Points, opening: Opening) -> Inside:
    """One frame's mouth. points: (478, 3) of the frame, in pixels of the output."""
    pose = fit_pose(canonical_face().mean, points.astype(np.float32))
    fine = pose.scale / _MM
    factor = 1 if fine >= _FINE else 2 if fine >= _FINE / 2 else 3
    height, width = opening.u.shape
    size = (width * factor, height * factor)
    corner = np.array([opening.left, opening.top], np.float64)
    drawn = Inside(
        np.zeros((size[1], size[0], 4), np.float32),
        np.zeros((size[1], size[0]), np.float32),
        np.zeros((size[1], size[0], 3), np.float32) if place.plate else None,
    )
    drawn.shares[..., DARK] = 1
    back = pose.inverse()
    upper, lower = (back.apply(points[i].astype(np.float64)) for i in LIP_MIDDLES)
    gap = max(_MM * (lower[1] - upper[1]), 0.0)
    edges = _edges(place, upper, lower, gap)
    view = _View(pose, corner, factor, float(fine * factor))
    _lay_tongue(drawn.shares, view, place, edges[1], gap)
    for arch, edge, behind, light in (
        (lower_arch(place.look.gap), edges[1], _BEHIND[1], _LOWER_LIGHT),
        (upper_arch(place.look.gap), edges[0], _BEHIND[0], 1.0),
    ):
        at = np.array([place.stomion[0], edge, place.stomion[2] + behind / _MM])
        own = _own_rows(opening, fine, size) if place.own > 0 and arch.up < 0 else None
        _lay_arch(drawn, view, arch, at, place, light, own)
    shares, teeth, painted = (
        None if plane is None else _shrunk(plane, (width, height))
        for plane in (drawn.shares, drawn.teeth, drawn.painted)
    )
    assert shares is not None and teeth is not None
    light_here = _light_inside(opening, fine, gap)[..., None]
    shares[..., 1:] *= light_here
    return Inside(shares, teeth, None if painted is None else painted * light_here)


def _own_rows(opening: Opening, fine: float, size: tuple[int, int]) -> Plane:
    """Where (h, w), of the size drawn, the picture's own upper teeth stand for the drawn ones."""
    low, high = _OWN
    share = np.clip((opening.shown / fine - low) / (high - low), 0, 1).astype(np.float32)
    return np.asarray(cv2.resize(share, size, interpolation=cv2.INTER_LINEAR))


def _shrunk(plane: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def light_through(gap: float) -> float:
    """The share of light that an opening of so many millimetres lets in."""
    return 0.6 + 0.4 * min(gap / _NARROW, 1.0)


def light_in_corners(u: Array) -> Array:
    """The share of light towards the mouth's corners, which lie at u = -1 and 1."""
    share, start = _CORNERS
    away = np.clip((np.abs(u) - start) / (1 - start), 0, 1)
    return np.asarray(1 - share * away**2 * (3 - 2 * away))


def in_millimetres(pixels: float, points: Points) -> float:
    """A length on the face of landmarks (478, 2 or 3), of a mean adult's size."""
    return pixels * _MM / max(interocular(points[:, :2]), 1e-3)


@dataclass(frozen=True)
class _View:
    """pose: from canonical space to the output. fine: pixels of a millimetre, as drawn."""

    pose: Pose
    corner: Array
    factor: int
    fine: float

    def project(self, points: Array) -> Array:
        """Canonical (..., 3) to x, y in pixels of the window as drawn, and depth."""
        at = self.pose.apply(points)
        at[..., :2] = (at[..., :2] - self.corner) * self.factor
        return at


def _edges(place: MouthPlace, upper: Array, lower: Array, gap: float) -> tuple[float, float]:
    """The canonical heights of the upper and the lower front teeth's edges."""
    low = float(np.clip(_ENDS[0] * gap, *_WITHIN))
    high = float(np.clip(_ENDS[1] * gap + 1, *_WITHIN))
    rigid = _MM * (place.stomion[1] - upper[1]) + _SHOWN
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-3)
    ends = middle + half * float(np.tanh((rigid - middle) / half))
    stands = float(np.clip(_STANDS * (gap - _FROM), *_ABOVE))
    first = upper[1] + ends / _MM
    return first, max(lower[1] - stands / _MM, first - _OVERBITE / _MM)


def _lay_tongue(shares: Plane, view: _View, place: MouthPlace, edge: float, gap: float) -> None:
    """A dome behind the lower teeth, in place."""
    low, high = _TONGUE_SEEN
    seen = float(np.clip((gap - low) / (high - low), 0, 1))
    if seen == 0:
        return
    top = edge - _TONGUE_RISE * gap / _MM
    middle = np.array([place.stomion[0], top + 9 / _MM, place.stomion[2] + 22 / _MM])
    center = view.project(middle)
    y, x = np.indices(shares.shape[:2]) + 0.5
    across = (x - center[0]) / (_TONGUE_WIDE * view.fine)
    down = (y - center[1]) / (9 * view.fine)
    away = across**2 + down**2
    cover = np.clip((1 - away) * 3, 0, 1) * seen
    # Lit from the front and above, darker to the sides and into the mouth; a furrow runs along it.
    light = np.clip(0.95 - 0.45 * away - 0.12 * np.exp(-((across / 0.08) ** 2)), 0, 1)
    shares *= (1 - cover)[..., None].astype(np.float32)
    shares[..., TONGUE] += (cover * light).astype(np.float32)


def _lay_arch(
    inside: Inside,
    view: _View,
    arch: Arch,
    at: Array,
    place: MouthPlace,
    light: float,
    own: Plane | None,
) -> None:
    """Lay a row of teeth over what is drawn, in place. at: (3,) its front edge's place. own: where
    the picture's own teeth stand for them, or None.
    """
    look = place.look
    vertices = view.project(at + look.size * arch.vertices / _MM)
    turned = arch.normal @ view.pose.rotation[:, [0, 2]].T
    facing = np.clip(-turned[:, 2], 0, 1)
    columns = len(arch.tooth)
    values = np.zeros((columns, 3, 5))
    values[..., 0] = arch.tooth[:, None]
    values[..., 1] = np.stack([np.zeros(columns), arch.height, arch.height + GUM], axis=1)
    values[..., 2] = arch.height[:, None]
    values[..., 3] = facing[:, None]
    values[..., 4] = arch.along[:, None]
    drawn, there = _fill(vertices, values, inside.teeth.shape)
    if not there.any():
        return
    tooth, up, tall, faces, along = (drawn[there, i] for i in range(5))
    surface = arch_surface(tooth, up, tall, view.fine)
    gum, shown = surface.gum, np.full(len(tooth), look.seen)
    if look.gap > 0:
        beside = np.clip((np.abs(along) - look.gap / 2) * view.fine + 0.5, 0, 1)
        shown *= gum + (1 - gum) * beside
    if own is not None:
        shown *= 1 - place.own * own[there]
    first, more, power = _FACING
    form = (first + more * np.clip(faces, 0, 1) ** power) * light
    rows, columns_ = np.nonzero(there)
    if place.plate and inside.painted is not None:
        past = np.sign(along) * np.maximum(np.abs(along) - look.gap / 2, 0)
        found = place.plate.seen(past, up, arch, view.fine)
        cover = shown * found[:, 3]
        colours = gum[:, None] * found[:, :3] + (1 - gum)[:, None] * tinted(found[:, :3], look)
        inside.painted[rows, columns_] *= (1 - cover)[:, None]
        inside.painted[rows, columns_] += (shown * form)[:, None] * colours
        teeth, gums = 0.0, 0.0
    else:
        cover = shown * surface.cover
        teeth, gums = cover * (1 - gum) * form * surface.tone, cover * gum * form * GUM_TONE
    inside.shares[rows, columns_] *= (1 - cover)[:, None]
    inside.shares[rows, columns_, TEETH] += teeth
    inside.shares[rows, columns_, GUMS] += gums
    bare = inside.teeth[rows, columns_] * (1 - cover)
    inside.teeth[rows, columns_] = np.maximum(bare, cover * (1 - gum))


def _fill(
    vertices: Array, values: Array, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values (C, 3, V) of an arch's vertices (C, 3, 3), over a window: (h, w, V), and where.

    Far columns first; what faces away is not drawn.
    """
    columns = len(vertices)
    a = (np.arange(columns - 1)[:, None] * 3 + np.arange(2)).ravel()
    triangles = np.concatenate(
        [np.column_stack([a, a + 3, a + 1]), np.column_stack([a + 3, a + 4, a + 1])]
    )
    flat, carried = vertices.reshape(-1, 3), values.reshape(-1, values.shape[-1])
    corners = flat[triangles]
    ahead, aside = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    area = ahead[:, 0] * aside[:, 1] - ahead[:, 1] * aside[:, 0]
    # The upper arch's rows run upwards, the lower one's downwards.
    front = area * np.sign(np.median(area[np.abs(area) > 1e-9])) > 1e-6
    order = np.argsort(-corners[..., 2].mean(axis=1), kind="stable")
    order = order[front[order]]
    index = np.full(shape, -1, np.int32)
    at = np.round((corners[order, :, :2] - 0.5) * (1 << _SHIFT)).astype(np.int32)
    for i, triangle in enumerate(at):
        cv2.fillConvexPoly(index, triangle, i, cv2.LINE_8, _SHIFT)
    forms = linear_forms(corners[order, :, :2], carried[triangles[order]])
    inside = index >= 0
    y, x = np.nonzero(inside)
    drawn = np.zeros((*shape, values.shape[-1]))
    chosen = forms[index[y, x]]
    place = np.column_stack([x + 0.5, y + 0.5, np.ones(len(x))])
    drawn[y, x] = np.einsum("nk,nkv->nv", place, chosen)
    return drawn, inside


def _light_inside(opening: Opening, fine: float, gap: float) -> Plane:
    """How much light (h, w) falls on what lies between the lips."""
    share, reach = _SHADOW
    lip = 1 - share * np.exp(-np.maximum(opening.below, 0) / (reach * fine))
    return (lip * light_in_corners(opening.u) * light_through(gap)).astype(np.float32)
