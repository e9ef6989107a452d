# SPDX-License-Identifier: GPL-3.0-or-later
"""The colour match of a shot: found once, from pictures alone, and the same for every frame.

Neither the performance nor the range plays a part in it, so no frame can flicker, and chunks on
a farm and resumed runs find the same one. It does two things:

- to the network's part of a frame: what the network changes keeps its lightness, while its tints
  are led to those that the portrait's own face has at that lightness, as far as lightness decides
  colour there. A network that knows colour photos paints a pink mouth into a monochrome one.
  Where the portrait is as free in its colours as a colour photo is, nothing is changed.
- to the whole head layer, when it is to match another picture: a grade. The portrait is graded
  before it is moved, at the cost of one picture a shot; a frame costs no more than without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.detector import find_faces
from inference.capture.finder import shrink_for_detection
from inference.colour.grade import Grade, grade_between, grade_of_same_picture, look_of
from inference.colour.tint import WEIGHTS, Colours, Palette, join, palette_of, split
from inference.composite import face_region
from inference.errors import InputError
from inference.generator.inputs import landmark_channels
from inference.inputs import check_file
from inference.landmarks import OVAL
from inference.pictures import StillPicture, read_picture
from inference.portrait import SMALLEST_FACE, Portrait, crop_box

OFF, PORTRAIT = "off", "portrait"

_SIDE = 256  # pixels at which colours are looked at
_SAME = 0.9  # correlation of lightness from which on two pictures are one


@dataclass(frozen=True)
class ColourMatch:
    """palette: the portrait's; share: 0 to 1 of how far the network's tints are led to it.

    grade: of the whole head, to match another picture; None: to its own portrait alone.
    by: what the grade was found from, in words. sha256: of the matched picture's file.
    """

    palette: Palette
    share: float
    grade: Grade | None = None
    by: str = "palette"
    sha256: str = ""

    def of_network(
        self, warped: Colours, blended: Colours, alpha: NDArray[np.float32]
    ) -> tuple[Colours, Colours]:
        """What `composite.merge` is to go on with, instead of these.

        warped: (S, S, 3) the warp at the network's size; blended: (S, S, 3) with the network's
        colours in it; alpha: (S, S). Only where alpha is below 1 do the two differ, and only there
        is anything done: elsewhere the moved portrait shows, which is graded already.
        """
        where = alpha < 1
        small, blend = warped[where], blended[where]
        if self.share > 0:
            before, chroma = split(small)
            after, wanted = split(blend)
            after = np.clip(after, 0, 1)
            own = self.palette.chroma(after) - self.palette.chroma(before)
            blend = join(after, wanted + np.float32(self.share) * (own - (wanted - chroma)))
        if self.grade:
            small, blend = self.grade.of(small), self.grade.of(np.clip(blend, 0, 1))
        warped, blended = warped.copy(), blended.copy()
        warped[where], blended[where] = small, blend
        return warped, blended

    def facts(self) -> dict[str, object]:
        """For the sidecar: everything that the transform consists of."""
        said: dict[str, object] = {
            "by": self.by,
            "share": round(self.share, 4),
            "palette": [
                [round(float(value), 4) for value in (at, *tint)]
                for at, tint in zip(self.palette.lightness, self.palette.tint, strict=True)
            ],
        }
        if self.grade:
            for name in ("lightness", "tint", "shifted", "strength"):
                said[name] = np.round(getattr(self.grade, name).astype(float), 4).tolist()
        return said


def check_match(match: str, strength: float) -> None:
    """Raises InputError for a strength out of range, and a picture that is not there."""
    if not 0 <= strength <= 1:
        raise InputError(f"the colour match's strength is {strength:g}; give 0 to 1")
    if matches_picture(match):
        if not match:
            raise InputError(
                "there is no such picture to match the colours to; name one, or say "
                f"{OFF} or {PORTRAIT}"
            )
        check_file(
            Path(match),
            "picture to match the colours to",
            f"check its name, or say {OFF} or {PORTRAIT}",
        )


def matches_picture(match: str) -> bool:
    """Is this choice the name of a picture?"""
    return match not in (OFF, PORTRAIT)


def colour_match(match: str, strength: float, portrait: Portrait) -> ColourMatch | None:
    """The match that a job asks for; None when there is nothing to do.

    match: "off", "portrait" or a picture's path. strength: 0 to 1.
    Raises InputError when the picture cannot be used.
    """
    check_match(match, strength)
    if match == OFF or strength == 0:
        return None
    palette = palette_of(_face_colours(portrait, skin=False))
    own = ColourMatch(palette, strength * (1 - palette.freedom))
    if matches_picture(match):
        other = read_picture(Path(match))
        grade, by = _grade_to(portrait, other, Path(match))
        grade = replace(grade, share=strength)
        return replace(own, grade=grade, by=by, sha256=other.sha256)
    return own if own.share > 0 else None


def graded_portrait(portrait: Portrait, grade: Grade) -> Portrait:
    """The portrait with its picture graded."""
    picture = portrait.picture
    return replace(portrait, picture=replace(picture, rgb=grade.of_picture(picture.rgb)))


def _grade_to(portrait: Portrait, other: StillPicture, path: Path) -> tuple[Grade, str]:
    """The grade from the portrait to a picture, and what it was found from."""
    seen = _whole(other)
    if not len(seen):
        raise InputError(
            f"{path}: this picture is transparent all over; there is no colour in it to match"
        )
    grade, by = None, "same picture"
    if _is_same(portrait.picture, other):
        both = portrait.picture, other
        visible = np.logical_and(*(_visible(picture) for picture in both))
        grade = grade_of_same_picture(*(_small(picture)[visible] for picture in both))
    else:
        face = _largest_face(path, other)
        if face:
            pairs = [tuple(_face_colours(one, skin=True) for one in (portrait, face))]
            pairs.append((_around_face(portrait), _around_face(face)))
            palette, by = palette_of(_face_colours(face, skin=False)), "faces and surroundings"
        else:
            pairs = [(_whole(portrait.picture), seen)]
            palette, by = palette_of(seen), "whole pictures"
        looks = [(look_of(own), look_of(its)) for own, its in pairs]
        known = [(own, its) for own, its in looks if own and its]
        if len(known) == len(looks):
            grade = grade_between(known, palette.freedom)
    if grade is None:
        raise InputError(
            f"{path}: shows one flat colour, to which nothing can be matched; choose "
            "a picture of the scene, or of a face in it"
        )
    return grade, by


def _is_same(one: StillPicture, other: StillPicture) -> bool:
    """Do both show the same in the same place, whatever became of the colours?"""
    if one.size != other.size:
        return False
    flat = [(_small(picture) @ WEIGHTS).ravel() for picture in (one, other)]
    if min(float(lightness.std()) for lightness in flat) < 1e-3:
        return False
    return float(np.corrcoef(flat[0], flat[1])[0, 1]) > _SAME


def _largest_face(path: Path, picture: StillPicture) -> Portrait | None:
    small, factor = shrink_for_detection(picture.rgb8(), longest=1920)
    faces = [points * np.float32(factor) for points in find_faces(small)]
    sides = [float(np.ptp(points[list(OVAL), :2], axis=0).max()) for points in faces]
    if max(sides, default=0.0) < SMALLEST_FACE:
        return None
    points = faces[int(np.argmax(sides))]
    return Portrait(path, picture, points, crop_box(points, picture.size))


def _face_colours(portrait: Portrait, skin: bool) -> Colours:
    """The colours (N, 3) within a face's outline; skin: without eyes and the mouth's inside."""
    points = portrait.crop_points()[:, :2]
    box = portrait.box
    points = points * (np.float32(_SIDE) / np.array((box.width, box.height), np.float32))
    inside = face_region(points, _SIDE) > 0.5
    if skin:
        inside &= landmark_channels(points, _SIDE)[3:].max(axis=0) == 0
    crop = portrait.crop()
    colours = cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return _unit(colours)[inside]


def _around_face(portrait: Portrait) -> Colours:
    """The colours (N, 3) of a picture without the face, or with it where there is little else."""
    outline = portrait.points[list(OVAL), :2] * (_SIDE / np.array(portrait.picture.size))
    inside = cv2.fillPoly(np.zeros((_SIDE, _SIDE), np.uint8), [outline.astype(np.int32)], 1)
    around = _visible(portrait.picture) & (inside == 0)
    return _small(portrait.picture)[around] if around.mean() > 0.1 else _whole(portrait.picture)


def _whole(picture: StillPicture) -> Colours:
    """The colours (N, 3) of a picture that are to be seen."""
    return _small(picture)[_visible(picture)]


def _small(picture: StillPicture) -> Colours:
    return _unit(cv2.resize(picture.rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))


def _visible(picture: StillPicture) -> NDArray[np.bool_]:
    if picture.alpha is None:
        return np.ones((_SIDE, _SIDE), bool)
    alpha = cv2.resize(picture.alpha, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(alpha > np.iinfo(alpha.dtype).max / 2)


def _unit(pixels: NDArray) -> Colours:
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
