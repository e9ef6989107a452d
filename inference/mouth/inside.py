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

from inference.landmarks import LIP_MIDDLES, interocular
from inference.mouth.arches import GUM, Arch, lower_arch, upper_arch
from inference.mouth.look import MEAN, TeethLook
from inference.mouth.paint import GUMS, TEETH, TONGUE, tinted
from inference.mouth.plate import TeethPlate
from inference.mouth.spots import Spots, fill_arch, spots_in
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
    """The window that is drawn. left, top: its corner in pixels of the output. seen: (h, w) where
    it is looked into. u: (h, w) from corner to corner as -1 to 1. below: (h, w) how far below the
    upper lip, in pixels. shown: (h, w) how far down from it the picture itself shows its mouth, in
    pixels.
    """

    left: int
    top: int
    seen: NDArray[np.bool_]
    u: Array
    below: Array
    shown: Array


@dataclass(frozen=True)
class Inside:
    """A window of a mouth's inside, drawn where it is seen. shares: (h, w, 4) of the palette's
    rows. teeth: (h, w), where of that are teeth, 0 to 1. painted: (h, w, 3) in [0, 1], what a plate
    adds to the palette's colours, or None.
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


def draw_inside(
    place: MouthPlace, points: Points, opening: Opening, pose: Pose | None = None
) -> Inside:
    """One frame's mouth. points: (478, 3) of the frame, in pixels of the output. pose: theirs, from
    canonical space, where it is known.
    """
    pose = pose or fit_pose(canonical_face().mean, points.astype(np.float32))
    fine = pose.scale / _MM
    factor = 1 if fine >= _FINE else 2 if fine >= _FINE / 2 else 3
    corner = np.array([opening.left, opening.top], np.float64)
    back = pose.inverse()
    upper, lower = (back.apply(points[i].astype(np.float64)) for i in LIP_MIDDLES)
    gap = max(_MM * (lower[1] - upper[1]), 0.0)
    edges = _edges(place, upper, lower, gap)
    view = _View(pose, corner, factor, float(fine * factor))
    spots = spots_in(opening.seen, factor, place.plate is not None)
    _lay_tongue(spots, view, place, edges[1], gap)
    for arch, edge, behind, light in (
        (lower_arch(place.look.gap), edges[1], _BEHIND[1], _LOWER_LIGHT),
        (upper_arch(place.look.gap), edges[0], _BEHIND[0], 1.0),
    ):
        at = np.array([place.stomion[0], edge, place.stomion[2] + behind / _MM])
        own = _own_rows(opening, fine, spots) if place.own > 0 and arch.up < 0 else None
        _lay_arch(spots, view, arch, at, place, light, own)
    light_here = _light_inside(opening, fine, gap)[..., None]
    shares = spots.window(spots.shares)
    shares[..., 1:] *= light_here
    teeth = spots.window(spots.teeth[None])[..., 0]
    painted = None if spots.painted is None else spots.window(spots.painted) * light_here
    return Inside(shares, teeth, painted)


def _own_rows(opening: Opening, fine: float, spots: Spots) -> Plane:
    """Where (M,) the picture's own upper teeth stand for the drawn ones."""
    low, high = _OWN
    share = np.clip((opening.shown / fine - low) / (high - low), 0, 1).astype(np.float32)
    share = cv2.resize(share, spots.size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(share[spots.row, spots.column])


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


def _lay_tongue(spots: Spots, view: _View, place: MouthPlace, edge: float, gap: float) -> None:
    """A dome behind the lower teeth, in place."""
    low, high = _TONGUE_SEEN
    seen = float(np.clip((gap - low) / (high - low), 0, 1))
    if seen == 0:
        return
    top = edge - _TONGUE_RISE * gap / _MM
    middle = np.array([place.stomion[0], top + 9 / _MM, place.stomion[2] + 22 / _MM])
    center = view.project(middle)
    across = (spots.column + 0.5 - center[0]) / (_TONGUE_WIDE * view.fine)
    down = (spots.row + 0.5 - center[1]) / (9 * view.fine)
    away = across * across + down * down
    at = np.flatnonzero(away < 1)
    across, away = across[at].astype(np.float32), away[at].astype(np.float32)
    cover = np.minimum((1 - away) * 3, 1) * np.float32(seen)
    # Lit from the front and above, darker to the sides and into the mouth; a furrow runs along it.
    furrow = 0.12 * np.exp(-((across / np.float32(0.08)) ** 2))
    spots.lay(at, cover, {TONGUE: cover * np.clip(0.95 - 0.45 * away - furrow, 0, 1)})


def _lay_arch(
    spots: Spots,
    view: _View,
    arch: Arch,
    at: Array,
    place: MouthPlace,
    light: float,
    own: Plane | None,
) -> None:
    """Lay a row of teeth over what is drawn, in place. at: (3,) its front edge's place. own: (M,)
    where the picture's own teeth stand for them, or None.
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
    there, (tooth, up, tall, faces, along) = fill_arch(spots, vertices, values)
    if not len(there):
        return
    surface = arch_surface(tooth, up, tall, view.fine)
    gum, shown = surface.gum, np.full(len(tooth), look.seen, np.float32)
    half = np.float32(look.gap / 2)
    if look.gap > 0:
        beside = np.clip((np.abs(along) - half) * np.float32(view.fine) + np.float32(0.5), 0, 1)
        shown *= gum + (1 - gum) * beside
    if own is not None:
        shown *= 1 - np.float32(place.own) * own[there]
    first, more, power = _FACING
    form = (first + more * np.clip(faces, 0, 1) ** np.float32(power)) * np.float32(light)
    if place.plate and spots.painted is not None:
        past = np.sign(along) * np.maximum(np.abs(along) - half, 0)
        found = place.plate.seen(past, up, arch, view.fine)
        cover = shown * found[:, 3]
        colours = gum[:, None] * found[:, :3] + (1 - gum)[:, None] * tinted(found[:, :3], look)
        spots.painted[:, there] *= 1 - cover
        spots.painted[:, there] += shown * form * colours.T
        laid = {}
    else:
        cover = shown * surface.cover
        lit = cover * form
        laid = {TEETH: lit * (1 - gum) * surface.tone, GUMS: lit * gum * np.float32(GUM_TONE)}
    spots.lay(there, cover, laid, cover * (1 - gum))


def _light_inside(opening: Opening, fine: float, gap: float) -> Plane:
    """How much light (h, w) falls on what lies between the lips."""
    share, reach = _SHADOW
    lip = 1 - share * np.exp(-np.maximum(opening.below, 0) / (reach * fine))
    return (lip * light_in_corners(opening.u) * light_through(gap)).astype(np.float32)
