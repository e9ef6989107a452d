# SPDX-License-Identifier: GPL-3.0-or-later
"""Augmentation that keeps source, target and landmarks consistent: one draw for a whole episode.

One map leads from every pixel of a sample to the stored picture: crop, placement, mirror and a
smooth warp of the face's shape together, so that pixels are interpolated once. The shape warp
is fixed to the face, not to the crop: it makes another person who keeps that shape in motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import OVAL, RIGID, mirror_order
from inference.portrait import crop_box

Points = NDArray[np.float32]
Picture = NDArray[np.uint8]

COARSE = 4  # the shape warp is drawn at a quarter of the size: it is smooth
FIELD = 64  # samples across the shape warp's field
_KNOTS = 5
_REACH = 1.0  # the field reaches this far from the face's middle, in units of its height
NOISE_ROOM = 64
SHRINKS = 1.15  # stored pixels per pixel of the sample


@dataclass(frozen=True)
class Strength:
    """How much is varied; the defaults are for training, `NONE` is for validation.

    mirror: share of mirrored episodes. zoom, shift: of the crop, in units of its side. angle:
    degrees. shape: displacement in units of the face's height. colour: 1 is usual light and
    white balance. light: share of episodes with a gradient of light. noise: grey levels, in the
    sources only.
    """

    mirror: float = 0.5
    zoom: float = 0.1
    shift: float = 0.04
    angle: float = 6.0
    shape: float = 0.018
    colour: float = 1.0
    light: float = 0.3
    noise: float = 2.0


NONE = Strength(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Augmentation:
    """One episode's draw. place: (2, 3) from stored pixels to the sample's of `size`.

    field: (FIELD, FIELD, 2) the shape warp in units of `height`, or None. reference: the rigid
    points (R, 2) of the first source, in whose frame the field lies around `middle`.
    """

    size: int
    place: NDArray[np.float64]
    mirror: bool
    field: NDArray[np.float32] | None
    reference: NDArray[np.float64]
    middle: NDArray[np.float64]
    height: float
    table: Picture | None
    mix: NDArray[np.float32] | None
    light: Picture | None
    noise: float


@dataclass(frozen=True)
class View:
    """One frame as the sample shows it.

    where: (S, S, 2) float32 pixel indices of the stored picture of width and height `stored`.
    points: (478, 3) in pixels of the sample. zoom: the sample's pixels per stored pixel.
    """

    where: NDArray[np.float32]
    points: Points
    stored: tuple[int, int]
    zoom: float

    def visible(self) -> NDArray[np.uint8]:
        """255 where the stored picture really reaches, 0 where its edge is repeated: (S, S)."""
        width, height = self.stored
        return cv2.inRange(self.where, (-0.5, -0.5, 0, 0), (width - 0.5, height - 0.5, 0, 0))


def draw_augmentation(
    points: Points, stored: tuple[int, int], size: int, strength: Strength, rng: np.random.Generator
) -> Augmentation:
    """Draw an episode's augmentation around its first source.

    points: (478, 3) the first source's landmarks in pixels of its stored picture, whose size is
    `stored`: their crop is the sample's, as a portrait's is at inference.
    """
    mirror = bool(rng.random() < strength.mirror)
    oval = points[list(OVAL), :2].astype(np.float64)
    low, high = oval.min(axis=0), oval.max(axis=0)
    height = float((high - low).max())
    return Augmentation(
        size,
        _placement(points, stored, size, mirror, strength, rng),
        mirror,
        _shape_field(strength.shape, rng) if strength.shape else None,
        points[list(RIGID), :2].astype(np.float64),
        (low + high) / 2,
        height,
        *_colours(size, strength, rng),
        strength.noise,
    )


@dataclass(frozen=True)
class Place:
    """Where a frame goes in the sample, without a map of its pixels.

    back: (2, 3) from the sample's pixels to stored ones. to_face, from_face: (2, 3) from stored
    pixels to the indices of the shape warp's field, and back. points, zoom: as in `View`.
    """

    back: NDArray[np.float64]
    to_face: NDArray[np.float64]
    from_face: NDArray[np.float64]
    points: Points
    zoom: float


def place_frame(augmentation: Augmentation, points: Points, size: int | None = None) -> Place:
    """Where a frame's landmarks (478, 3) go; `size` as in `view_frame`."""
    place = augmentation.place
    if size and size != augmentation.size:
        place = place * (size / augmentation.size)
    moved = points[:, :2].astype(np.float64)
    to_face, from_face = _face_frame(augmentation, moved)
    if augmentation.field is not None:
        moved = _undo_shift(augmentation, moved, to_face, from_face)
    zoom = np.sqrt(abs(np.linalg.det(place[:, :2])))
    xy = moved @ place[:, :2].T + place[:, 2]
    result = np.column_stack([xy, points[:, 2] * zoom]).astype(np.float32)
    if augmentation.mirror:
        result = result[mirror_order()]
    return Place(cv2.invertAffineTransform(place), to_face, from_face, result, float(zoom))


def view_frame(
    augmentation: Augmentation, points: Points, stored: tuple[int, int], size: int | None = None
) -> View:
    """Where a frame's pixels and landmarks (478, 3) go; `size` other than the augmentation's
    gives the same view at another resolution."""
    size = size or augmentation.size
    placed = place_frame(augmentation, points, size)
    where = _affine_grid(placed.back, size)
    if augmentation.field is not None:
        coarse = _affine_grid(placed.back, size // COARSE, COARSE)
        shift = _shape_shift(
            augmentation, coarse + np.float32(0.5), placed.to_face, placed.from_face
        )
        where = cv2.add(where, cv2.resize(shift, (size, size), interpolation=cv2.INTER_LINEAR))
    return View(where, placed.points, stored, placed.zoom)


def show(view: View, picture: Picture) -> Picture:
    """The stored picture (H, W, 3) as the sample shows it; a smaller decoding of it will do too."""
    where = view.where
    share = picture.shape[1] / view.stored[0]
    if share != 1:
        where = (where + np.float32(0.5)) * np.float32(share) - np.float32(0.5)
    # Shrinking, linear interpolation is as sharp as inference's own way, at a third of the time.
    how = cv2.INTER_LINEAR if share / view.zoom > SHRINKS else cv2.INTER_CUBIC
    return cv2.remap(picture, where, None, how, None, cv2.BORDER_REPLICATE)


def recolour(augmentation: Augmentation, picture: Picture) -> Picture:
    """The episode's light and colours on a picture (S, S, 3) of the sample."""
    if augmentation.mix is not None:
        picture = cv2.transform(picture, augmentation.mix)
    if augmentation.table is not None:
        picture = cv2.LUT(picture, augmentation.table)
    if augmentation.light is not None:
        light = augmentation.light
        if light.shape != picture.shape:
            light = cv2.resize(light, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        picture = cv2.multiply(picture, light, scale=1 / 128)
    return picture


def add_noise(augmentation: Augmentation, picture: Picture, rng: np.random.Generator) -> Picture:
    """A camera's noise on one picture (S, S, 3), its own strength for each."""
    sigma = augmentation.noise * rng.random()
    if sigma < 0.25:
        return picture
    size = picture.shape[0]
    x, y = rng.integers(NOISE_ROOM, size=2)
    part = noise_picture(size)[y : y + size, x : x + size]
    return cv2.addWeighted(picture, 1, part, sigma / 16, -128 * sigma / 16)


def _placement(
    points: Points,
    stored: tuple[int, int],
    size: int,
    mirror: bool,
    strength: Strength,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(2, 3): the crop of inference, moved, turned and mirrored about its middle."""
    box = crop_box(points, stored)
    spread = rng.uniform(-1, 1, 4)
    zoom = size / box.width * np.exp(strength.zoom * spread[0])
    angle = np.radians(strength.angle * spread[1])
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    if mirror:
        turn[0] = -turn[0]
    middle = np.array([box.x + box.width / 2, box.y + box.height / 2])
    to = size * (0.5 + strength.shift * spread[2:])
    return np.column_stack([turn, to - turn @ middle])


def _shape_field(strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random displacement that fades to nothing at the field's rim."""
    knots = rng.normal(0, strength, (_KNOTS, _KNOTS, 2)).astype(np.float32)
    field = cv2.resize(knots, (FIELD, FIELD), interpolation=cv2.INTER_CUBIC)
    return field * _field_window()


@cache
def _field_window() -> NDArray[np.float32]:
    x = np.abs(np.linspace(-1, 1, FIELD))
    fade = np.clip((1 - x) / 0.5, 0, 1)  # whole on the face: what is behind it stays straight
    fade = fade * fade * (3 - 2 * fade)
    return (fade[:, None] * fade[None, :])[..., None].astype(np.float32)


def _face_frame(
    augmentation: Augmentation, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Affine maps (2, 3) from a frame's stored pixels to the field's indices, and back.

    The face is laid over the first source's by the flat similarity of its rigid points.
    """
    a, b = points[list(RIGID)], augmentation.reference
    a0, b0 = a - a.mean(axis=0), b - b.mean(axis=0)
    za, zb = a0 @ np.array([1, 1j]), b0 @ np.array([1, 1j])
    turn = complex(np.vdot(za, zb) / np.vdot(za, za))
    unit = FIELD / 2 / (_REACH * augmentation.height)
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]]) * unit
    origin = (b.mean(axis=0) - augmentation.middle) * unit + (FIELD - 1) / 2
    to_face = np.column_stack([matrix, origin - matrix @ a.mean(axis=0)])
    return to_face, cv2.invertAffineTransform(to_face)


def _shape_shift(
    augmentation: Augmentation,
    at: NDArray[np.float32],
    to_face: NDArray[np.float64],
    from_face: NDArray[np.float64],
) -> NDArray[np.float32]:
    """How far from each position (H, W, 2) of the stored picture its content lies: (H, W, 2)."""
    index = at @ to_face[:, :2].T.astype(np.float32) + to_face[:, 2].astype(np.float32)
    shift = cv2.remap(augmentation.field, index, None, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT)
    # In units of the face's height along the first source's axes; back to this frame's pixels.
    unit = augmentation.height * FIELD / 2 / (_REACH * augmentation.height)
    return shift @ (from_face[:, :2].T * unit).astype(np.float32)


def _undo_shift(
    augmentation: Augmentation,
    points: NDArray[np.float64],
    to_face: NDArray[np.float64],
    from_face: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where the shape warp carries positions (N, 2): the p with p + shift(p) = position."""
    moved = points.astype(np.float32)
    for _ in range(4):  # the warp is gentle: each round shrinks the error tenfold
        moved = points - _shape_shift(augmentation, moved[None], to_face, from_face)[0]
        moved = moved.astype(np.float32)
    return moved.astype(np.float64)


def _affine_grid(back: NDArray[np.float64], count: int, step: int = 1) -> NDArray[np.float32]:
    """Stored pixel indices (count, count, 2) of the pixels' middles; each pixel is `step` wide."""
    matrix = back.copy()
    matrix[:, 2] -= 0.5
    return cv2.transform(_middles(count, step), matrix)


@cache
def _middles(count: int, step: int) -> NDArray[np.float32]:
    """Positions (count, count, 2) of the middles of pixels that are `step` wide."""
    at = (np.arange(count, dtype=np.float32) + np.float32(0.5)) * np.float32(step)
    return np.stack(np.meshgrid(at, at), axis=-1)


def _colours(
    size: int, strength: Strength, rng: np.random.Generator
) -> tuple[Picture | None, NDArray[np.float32] | None, Picture | None]:
    """A table of tones (256, 1, 3), a mix of channels (3, 3), and a gradient of light, or None."""
    drawn = np.clip(rng.normal(size=6), -1.7, 1.7) * strength.colour
    ramp, direction = rng.random() < strength.light, rng.uniform(0, 2 * np.pi)
    table = mix = light = None
    if strength.colour:
        tone = np.linspace(0, 1, 256) ** np.exp2(0.25 * drawn[0])
        tone = (tone - 0.5) * (1 + 0.12 * drawn[1]) + 0.5 + 0.04 * drawn[2]
        white = 1 + 0.04 * np.array([drawn[3], 0, drawn[4]])
        values = np.clip(np.round(255 * tone[:, None, None] * white), 0, 255)
        table = values.astype(np.uint8)
        saturation = np.exp2(0.3 * drawn[5])
        grey = np.tile(np.array([0.299, 0.587, 0.114]), (3, 1))
        mix = (saturation * np.eye(3) + (1 - saturation) * grey).astype(np.float32)
    if ramp:
        x = np.linspace(-1, 1, size, dtype=np.float32)
        slope = x * np.float32(np.cos(direction)) + (x * np.float32(np.sin(direction)))[:, None]
        light = cv2.merge([np.round(128 * (1 + 0.2 * slope)).astype(np.uint8)] * 3)
    return table, mix, light


@cache
def noise_picture(size: int) -> Picture:
    """White noise around 128 with a deviation of 16, larger than a picture."""
    side = size + NOISE_ROOM
    values = np.random.default_rng(size).normal(128, 16, (side, side, 3))
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
