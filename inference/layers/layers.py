# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's layers, made once: who is in it, in clean colours, and what lies behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.capture.detector import find_faces
from inference.capture.finder import shrink_for_detection
from inference.errors import Cancelled, InputError
from inference.landmarks import OVAL
from inference.layers import cache
from inference.layers.beyond import Beyond, make_beyond
from inference.layers.colours import separate, settle
from inference.layers.enlarge import AlphaEnlarger, enlarged
from inference.layers.matte import LARGEST, make_matte, shrink
from inference.layers.own import own_matte, own_plate, shows_face
from inference.layers.plate import SHOWN, lay_in, make_plate
from inference.layers.quality import describe, no_person
from inference.layers.trimap import Face, Mask, make_face
from inference.pictures import StillPicture, strips
from inference.portrait import Portrait
from inference.progress import Progress

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Plane = NDArray[np.float32]

_VERSION = 4  # of what is made: another number makes all layers again
_STEPS = 100
_MATTE, _COLOURS = 50, 75  # of these steps, when each is done


@dataclass(frozen=True)
class Layers:
    """All of the portrait's size and type (uint8 or uint16, full scale).

    alpha: (H, W), the person's matte. person: (H, W, 3), the person's colours without the ground's,
    not multiplied by alpha; beyond the person they go on smoothly. plate: (H, W, 3), the portrait
    without the person, equal to it where the person is not.
    has_ground: False where the portrait's own alpha is the matte: nothing lies behind the person.
    quality: what the artist should look at, or "". fallback: why there is no matte, or "": then
    alpha is whole, and person and plate are the portrait. beyond: the person past the picture's
    edge, of the portrait's crop; None: nothing is known.
    """

    alpha: Pixels
    person: Pixels
    plate: Pixels
    has_ground: bool = True
    quality: str = ""
    fallback: str = ""
    beyond: Beyond | None = None


def portrait_layers(
    portrait: Portrait,
    matte: StillPicture | None = None,
    plate: StillPicture | None = None,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Layers:
    """The layers of a portrait, from the cache where they were made before.

    matte, plate: an artist's own, instead of those that would be made. A portrait with alpha of its
    own is its own matte. progress counts to 100.
    Raises InputError when the artist's pictures do not fit the portrait or a matte does not show
    the face, and Cancelled.
    """
    rgb = portrait.picture.rgb
    key = cache.key_of(
        f"{_VERSION} {portrait.box}",
        rgb,
        portrait.picture.alpha,
        np.round(portrait.points, 1),
        *(None if own is None else own.rgb for own in (matte, plate)),
        None if matte is None else matte.alpha,
    )
    has_ground = matte is not None or portrait.picture.alpha is None
    kept = cache.load(key, rgb)
    if kept:
        return Layers(
            kept.pictures["alpha"],
            kept.pictures["person"],
            kept.pictures["plate"],
            has_ground,
            kept.words["quality"],
            kept.words["fallback"],
            Beyond(kept.pictures["beyond"], kept.pictures["beyond_alpha"]),
        )
    layers = _make(portrait, matte, plate, _Steps(portrait, progress, cancelled))
    pictures = {"alpha": layers.alpha, "person": layers.person, "plate": layers.plate}
    if layers.beyond:
        pictures |= {"beyond": layers.beyond.person, "beyond_alpha": layers.beyond.alpha}
    words = {"quality": layers.quality, "fallback": layers.fallback}
    cache.keep(key, rgb, pictures, words)
    progress(_STEPS, _STEPS)
    return layers


class _Steps:
    """Progress through parts of the work whose number of steps is not known before."""

    def __init__(
        self, portrait: Portrait, progress: Progress, cancelled: Callable[[], bool]
    ) -> None:
        self._path, self._progress, self._cancelled = portrait.path, progress, cancelled
        self._at, self._end = 0.0, float(_MATTE)

    def until(self, end: int) -> None:
        """The next part ends here."""
        self._at, self._end = self._end, float(end)

    def __call__(self) -> None:
        if self._cancelled():
            raise Cancelled(f"{self._path}: cancelled while its layers were made")
        self._at += (self._end - self._at) * 0.01
        self._progress(int(self._at), _STEPS)


def _make(
    portrait: Portrait, matte: StillPicture | None, plate: StillPicture | None, steps: _Steps
) -> Layers:
    picture = portrait.picture
    face = make_face(portrait.points[list(OVAL), :2])
    words: list[str] = []
    others: Mask | None = None  # where other people are, small
    ground, word = own_plate(plate, picture) if plate is not None else (None, "")
    words += [word] if word else []
    steps()
    small, factor = shrink(picture.rgb8(), LARGEST)
    colours = small.astype(np.float32) * np.float32(1 / 255)
    if matte is not None:
        alpha, word = own_matte(matte, picture, face)
        words += [word] if word else []
    elif picture.alpha is not None:
        if not shows_face(picture.alpha, face):
            raise InputError(
                f"{portrait.path}: its own alpha hides the chosen face: let it show "
                "the person, leave it out, or give a matte of your own"
            )
        alpha = picture.alpha
    else:
        faces = _other_faces(picture.rgb8(), face)
        solved, mask = make_matte(small, face.times(factor), faces, factor, steps)
        fallback = no_person(mask, solved, face.times(factor))
        if fallback:
            return _without(picture, fallback)
        if faces:
            others = (mask > 0.5) & (solved < SHOWN)
            mask = np.where(others, np.float32(0), mask)
        words = describe(colours, mask, solved, face.times(factor), others) + words
        alpha = _at_full_size(picture.rgb, colours, solved)
    steps.until(_COLOURS)
    steps()
    share = shrink(alpha, LARGEST)[0].astype(np.float32) / np.float32(np.iinfo(alpha.dtype).max)
    person, behind = separate(colours, share)
    steps.until(_STEPS)
    if ground is None:
        ground = make_plate(picture.rgb, alpha, face, steps, others)
    else:
        ground = lay_in(picture.rgb, ground, alpha, face)
    clean = _clean_colours(picture.rgb, alpha, person, behind, steps)
    beyond = make_beyond(portrait, clean, alpha, steps)
    has_ground = matte is not None or picture.alpha is None
    return Layers(alpha, clean, ground, has_ground, "; ".join(words), beyond=beyond)


def _without(picture: StillPicture, fallback: str) -> Layers:
    whole = np.full_like(picture.rgb[..., 0], np.iinfo(picture.rgb.dtype).max)
    return Layers(whole, picture.rgb, picture.rgb, fallback=fallback)


def _other_faces(picture: NDArray[np.uint8], face: Face) -> Sequence[Face]:
    """The faces of other people in the picture, in its pixels."""
    small, factor = shrink_for_detection(picture, longest=1920)
    found = (make_face(points[list(OVAL), :2] * np.float32(factor)) for points in find_faces(small))
    x, y = face.middle
    return [
        other
        for other in found
        if np.hypot(other.middle[0] - x, other.middle[1] - y) > 0.5 * face.side
    ]


def _at_full_size(picture: Pixels, small: Plane, alpha: Plane) -> Pixels:
    """Alpha of the picture's size and type; small: (h, w, 3) and alpha (h, w) in [0, 1]."""
    top = np.float32(np.iinfo(picture.dtype).max)
    height, width = picture.shape[:2]
    if alpha.shape == (height, width):
        exact: Pixels = np.round(alpha * top).astype(picture.dtype)
        return exact
    enlarger = AlphaEnlarger(small, alpha)
    result = np.empty_like(picture[..., 0])
    for rows in strips((width, height)):
        full = enlarger.rows(picture[rows] * np.float32(1 / top), (width, height), rows)
        result[rows] = np.round(full * top)
    return result


def _clean_colours(
    picture: Pixels, alpha: Pixels, person: Plane, behind: Plane, step: Callable[[], None]
) -> Pixels:
    """The person's colours at full size; where alpha is whole they are the picture's."""
    top = np.float32(np.iinfo(picture.dtype).max)
    size = (picture.shape[1], picture.shape[0])
    clean = picture.copy()
    for rows in strips(size):
        step()
        mixed = alpha[rows] < top
        own, other = (enlarged(layer, size, rows)[mixed] for layer in (person, behind))
        share = alpha[rows][mixed] / top
        settled = settle(picture[rows][mixed] / top, share, own, other)
        clean[rows][mixed] = np.round(settled * top).astype(picture.dtype)
    return clean
