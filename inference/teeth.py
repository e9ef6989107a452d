# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job's teeth are to look, frame by frame, and what is needed to draw them so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.jobs import SynthesizeJob
from inference.landmarks import (
    EYES,
    LEFT_BROW,
    LIPS_LOWER,
    LIPS_UPPER,
    OVAL,
    RIGHT_BROW,
    interocular,
)
from inference.layers.grain import Grain
from inference.merge.others import OtherPicture
from inference.mouth.look import TeethLooks, check_teeth, constant, read_looks
from inference.mouth.plate import TeethPlate, make_plate, read_plate
from inference.performance.face.measures import mouth_opening
from inference.pictures import StillPicture, at_depth
from inference.portrait import Portrait
from inference.remembered import remembered
from inference.warp.mouths import OpenMouth, lent_mouth

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Plane = NDArray[np.float32]

# Of the grain, in eye distances: a piece of skin, the size from which structure is none, how far
# from eyes, brows and lips, and what is drawn at once. Darker skin shows none; the most there is.
_BLOCK, _BROAD, _AWAY, _TILE = 0.2, 0.025, 0.05, 1.5
_BLACK, _MOST = 0.02, 0.4
_SHUT = 0.02  # of the mouth's width: below it a picture shows nothing of its teeth


@dataclass(frozen=True)
class Teeth:
    """looks: frame by frame. plate, small_plate: what is painted on them, graded as the head is
    that is shown, and as the network sees it. lent, small_lent: by the picture's number, the same
    way. grain: as `find_grain` finds it. sha256: of the plate's file, or "".
    """

    looks: TeethLooks = field(default_factory=constant)
    plate: TeethPlate | None = None
    small_plate: TeethPlate | None = None
    lent: Mapping[int, OpenMouth] = field(default_factory=dict)
    small_lent: Mapping[int, OpenMouth] = field(default_factory=dict)
    grain: Plane | None = None
    sha256: str = ""


def find_teeth(
    job: SynthesizeJob,
    portrait: Portrait,
    others: Sequence[OtherPicture],
    side: int,
    grade: Callable[[Pixels], Pixels] | None = None,
) -> tuple[Teeth, str]:
    """The job's teeth, and words on what cannot be as wanted, or "".

    portrait: the picture that leads. others: further ones of the person. side: the network's, in
    pixels. grade: of what is shown. Raises InputError for values out of range and files
    that are not what they should be.
    """
    check_teeth(job.teeth)
    looks = read_looks(job.teeth_frames, job.teeth) if job.teeth_frames else constant(job.teeth)
    lent, small, words = {}, {}, []
    for number in sorted({look.picture for look in looks.looks} - {0}):
        if number > len(others) + 1:
            have = f"{len(others) + 1} pictures" if others else "1 picture"
            raise InputError(f"picture {number} is to lend its teeth, but the portrait has {have}")
        other = others[number - 2].open() if number > 1 else portrait
        if mouth_opening(other.points) < _SHUT:
            words.append(f"{other.path.name} has no teeth to lend, its lips are closed")
        mouth = lent_mouth(portrait, other)
        share = side / portrait.box.width
        seen = OpenMouth(at_depth(mouth.pixels, np.dtype(np.uint8)), mouth.points).resized(share)
        lent[number] = replace(mouth, pixels=grade(mouth.pixels)) if grade else mouth
        small[number] = seen
    teeth = Teeth(looks, lent=lent, small_lent=small, grain=find_grain(portrait))
    if job.teeth_plate is not None:
        picture = read_plate(job.teeth_plate)
        shown = StillPicture(grade(picture.rgb), picture.alpha) if grade else picture
        teeth = replace(
            teeth,
            plate=make_plate(shown),
            small_plate=make_plate(picture),
            sha256=picture.sha256,
        )
    return teeth, "; ".join(words)


def find_grain(portrait: Portrait) -> Plane | None:
    """The grain of the face's skin (S, S, 3) around 0, as a share of the skin's lightness: of film,
    canvas or print. None where there is too little skin to tell.
    """
    return _grain_of(portrait.crop(), portrait.crop_points()[:, :2])


@remembered(4)
def _grain_of(pixels: Pixels, points: NDArray[np.float32]) -> Plane | None:
    unit = interocular(points)
    skin = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(skin, [np.round(points[list(OVAL)]).astype(np.int32)], 1)
    eyes = [(*upper, *lower) for upper, lower, _ in EYES]
    for part in (*eyes, LEFT_BROW, RIGHT_BROW, (*LIPS_UPPER, *LIPS_LOWER)):
        outline = cv2.convexHull(np.round(points[list(part)]).astype(np.int32))
        cv2.fillConvexPoly(skin, outline, 0)
        cv2.polylines(skin, [outline], True, 0, max(1, round(2 * _AWAY * unit)))
    drawn = Grain(pixels, skin == 0, _BLOCK * unit, _BROAD * unit)
    side = min(round(_TILE * unit), pixels.shape[1])
    tile = drawn.rows(slice(0, side))[:, :side]
    top = np.iinfo(pixels.dtype).max
    lightness = float(pixels[skin > 0].mean()) / top if skin.any() else 0.0
    if not tile.any() or lightness < _BLACK:
        return None
    return np.asarray(np.clip(tile / lightness, -_MOST, _MOST), np.float32)
