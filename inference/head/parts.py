# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of the person a pixel is: skin, hair or body. By colour and by where it lies.

There is no network that knows hair from a hat. Skin is what has the face's colours and hangs
together with it: neck, ears, bare shoulders, a hand at the cheek; a scarf in the skin's colour goes
with it, and so does fair hair that looks the same. Hair is the rest of the head, be it hat or veil;
below the chin it is what looks more like the head's hair than like the clothes. Body is what
remains.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.ears import CHEEKS
from inference.head.source import crop_of
from inference.landmarks import CHIN, FOREHEAD, OVAL
from inference.layers.enlarge import AlphaEnlarger
from inference.layers.matte import shrink
from inference.layers.trimap import Face, Mask, distance, make_face
from inference.pictures import strips
from inference.portrait import Box, Portrait

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

SKIN, HAIR, BODY = 0, 1, 2
_LONGEST = 384  # pixels of the longer side at which colours are compared
_AROUND = 0.5  # of the crop's side: what is looked at beside the crop
# Distances in Lab, lightness counting less than tint: nearer to the cheeks than the first is skin
# for certain, farther than the second is not.
_LIGHTNESS, _SKIN = 0.5, (12.0, 24.0)
_APART = 10.0  # likewise, of hair that falls from the head's
_ROUNDS, _CLUSTERS = 3, 4
_BALD = (20.0, 5.5)  # a bald crown's distance from the cheeks, and how rough its light may be
# Where, in face sides: hair begins so far outside the face's outline; the head ends so far above
# the chin; hair may fall so far below it; clothes are in the middle, and at the sides, this low.
_OFF, _ENDS, _FALLS = 0.1, 0.1, 1.5
# Where there is hair, the head's rim above the eyes is, so wide; so far from the face's outline
# there may be skin above the eyes, and above the mouth (ears).
_RIM, _EYES, _MOUTH = 0.12, -0.62, -0.25
_BROW, _EAR, _CROWN = 0.18, 0.3, 0.6  # and of a bald head anywhere
_INSIDE = 0.04  # of the head's outline: colours there are hair's alone
_MIDDLE, _LOW, _SIDES, _SHOULDERS = 0.25, 0.6, 1.0, 0.5
_FEWEST = 40  # pixels that tell a colour


@dataclass(frozen=True)
class Parts:
    """shares: (h, w, 3) uint8, how much of each pixel is SKIN, HAIR and BODY, 255 together; of the
    portrait's part `box`, and beside the person as at its edge.
    """

    shares: NDArray[np.uint8]
    box: Box

    def in_crop(self, box: Box) -> NDArray[np.uint8]:
        """Of the portrait's crop, (height, width, 3); beyond the picture its edge goes on."""
        here = Box(box.x - self.box.x, box.y - self.box.y, box.width, box.height)
        return np.asarray(crop_of(self.shares, here))

    def in_picture(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Of the whole portrait of `size` (width, height), (H, W, 3); beside `box` all is body."""
        whole = np.zeros((size[1], size[0], 3), np.uint8)
        whole[..., BODY] = 255
        box = self.box
        whole[box.y : box.y + box.height, box.x : box.x + box.width] = self.shares
        return whole


def find_parts(portrait: Portrait, alpha: Pixels) -> Parts:
    """alpha: (H, W) the person's, of the portrait's size and type."""
    box = _looked_at(portrait)
    here = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
    picture, matte = portrait.picture.rgb[here], alpha[here]
    top = np.float32(np.iinfo(picture.dtype).max)
    small, factor = shrink(picture, _LONGEST)
    colours = small.astype(np.float32) * (1 / top)
    person = shrink(matte, _LONGEST)[0] > top / 2
    points = ((portrait.points[:, :2] - (box.x, box.y)) * factor).astype(np.float32)
    labels = _labels(colours, person, points)
    shares = np.empty((*picture.shape[:2], 3), np.uint8)
    size = (picture.shape[1], picture.shape[0])
    planes = [AlphaEnlarger(colours, (labels == k).astype(np.float32)) for k in range(3)]
    for rows in strips(size):
        full = picture[rows] * (1 / top)
        made = np.dstack([plane.rows(full, size, rows) for plane in planes])
        made /= np.maximum(made.sum(axis=2, keepdims=True), np.float32(1e-3))
        shares[rows] = np.round(made * 255)
    shares[..., BODY] = 255 - np.minimum(shares[..., SKIN].astype(int) + shares[..., HAIR], 255)
    return Parts(shares, box)


def _looked_at(portrait: Portrait) -> Box:
    """The crop and some more, as far as the picture goes."""
    box, (width, height) = portrait.box, portrait.picture.size
    x, y = round(_AROUND * box.width), round(_AROUND * box.height)
    left, top = max(0, box.x - x), max(0, box.y - y)
    right = min(width, box.x + box.width + x)
    bottom = min(height, box.y + box.height + y)
    return Box(left, top, right - left, bottom - top)


def _labels(colours: Plane, person: Mask, points: NDArray[np.float32]) -> NDArray[np.int64]:
    """The part (H, W) of every pixel; of those beside the person, the nearest one's."""
    face = make_face(points[list(OVAL)])
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB) * np.array((_LIGHTNESS, 1, 1), np.float32)
    person = person | face.filled(person.shape)
    down, across = _upright(person.shape, points, face)
    skin = _find_skin(colours, lab, person, points, face, down)
    head = _reaching(person & ~skin & (down < -_ENDS), down < _EYES)
    hair = head | _find_falling(colours, lab, person & ~skin, head, down, across, face.side)
    labels = np.select([skin, hair], [SKIN, HAIR], BODY)
    return _nearest(labels, person)


def _upright(
    shape: tuple[int, ...], points: NDArray[np.float32], face: Face
) -> tuple[Plane, Plane]:
    """How far each pixel (H, W) lies below the chin, and beside the face, in face sides."""
    axis = points[CHIN] - points[FOREHEAD]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    y, x = np.indices(shape, np.float32) + 0.5
    x, y = x - points[CHIN, 0], y - points[CHIN, 1]
    return (x * axis[0] + y * axis[1]) / face.side, np.abs(y * axis[0] - x * axis[1]) / face.side


def _find_skin(
    colours: Plane, lab: Plane, person: Mask, points: NDArray[np.float32], face: Face, down: Plane
) -> Mask:
    """The face, and what has its colours and hangs together with it, (H, W)."""
    oval, core = face.filled(person.shape), face.filled(person.shape, -0.05)
    at = np.clip(points[list(CHEEKS)].astype(int), 0, np.array(person.shape[::-1]) - 1)
    cheeks = np.median(lab[at[:, 1], at[:, 0]], axis=0)
    away = np.linalg.norm(lab - cheeks, axis=2)
    sure, never = away < _SKIN[0], away > _SKIN[1]
    beside = distance(~oval) / face.side
    is_bald = _is_bald(lab, cheeks, person, oval, face, down)
    rim = person & (beside > _OFF) & (down < _EYES) & (distance(person) < _RIM * face.side)
    other = person & (core & never | (beside > _OFF) & (never | rim & (not is_bald)))
    found = person & (sure | (oval & ~never))
    if (other & (beside > _OFF)).sum() > _FEWEST:
        maybe = person & (away < sum(_SKIN) / 2)
        found = _cut(colours, person, core & ~never, other, maybe)
    if is_bald:
        found |= person & (down < -_ENDS) & (beside < _CROWN)
    else:
        reach = np.where(down < _EYES, _BROW, np.where(down < _MOUTH, _EAR, np.inf))
        found &= beside < reach
    found = _opened(found, face) | oval
    return _reaching(found, oval)


def _is_bald(lab: Plane, cheeks: Plane, person: Mask, oval: Mask, face: Face, down: Plane) -> bool:
    """Is the crown smooth, and much like the cheeks?"""
    rise = down - float(down[oval].min())
    crown = person & (rise < -0.05) & (rise > -0.3) & (face.away(lab.shape) < 0.9)
    if crown.sum() < _FEWEST:
        return False
    apart = float(np.linalg.norm(np.median(lab[crown], axis=0) - cheeks))
    return apart < _BALD[0] and float(lab[crown, 0].std()) < _BALD[1]


def _find_falling(
    colours: Plane, lab: Plane, rest: Mask, head: Mask, down: Plane, across: Plane, side: float
) -> Mask:
    """Hair below the chin, (H, W). rest: the person without skin; head: of that, the head's; side:
    the face's, in pixels.
    """
    low = rest & (down >= -_ENDS) & (down < _FALLS)
    # Not at the head's edge, where the ground shines through.
    near = head & (distance(rest) > _INSIDE * side) & (down > -1.0)
    if near.sum() < _FEWEST:  # bald, or shaved
        return np.zeros_like(rest)
    like = _nearest_of(lab, near) < _APART
    middle, sides = across < _MIDDLE, across > _SIDES
    clothes = rest & ((middle & (down > _LOW)) | (sides & (down > _SHOULDERS)) | (down > _FALLS))
    found = low & like
    if clothes.sum() > _FEWEST:
        if (like & clothes).sum() > 0.5 * clothes.sum():  # dark hair on a dark coat
            return low & (down < 0) & like
        found = _cut(colours, rest, head, clothes, found & ~clothes) & low & like
    return found & _reaching(found | head, head)


def _nearest_of(lab: Plane, part: Mask) -> Plane:
    """How far each pixel's colour (H, W) is from the nearest of those of a part of the picture."""
    cv2.setRNGSeed(0)
    how = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, _, centres = cv2.kmeans(lab[part], _CLUSTERS, None, how, 1, cv2.KMEANS_PP_CENTERS)
    return np.min([np.linalg.norm(lab - centre, axis=2) for centre in centres], axis=0)


def _cut(colours: Plane, within: Mask, sure: Mask, other: Mask, maybe: Mask) -> Mask:
    """The graph cut of `silhouette`, of the pixels `within`: those that go with `sure`."""
    cut = np.where(maybe & within, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    cut[other | ~within] = cv2.GC_BGD
    cut[sure & within] = cv2.GC_FGD
    picture = np.round(colours * 255).astype(np.uint8)
    # What is not looked at must have no say in what the others look like.
    picture[~within] = np.median(picture[other & within], axis=0)
    cv2.setRNGSeed(0)
    cv2.grabCut(
        cv2.cvtColor(picture, cv2.COLOR_RGB2LAB),
        cut,
        None,
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        _ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )
    return np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD)) & within


def _reaching(mask: Mask, place: Mask) -> Mask:
    """Of the parts of a mask (H, W) that hang together those that reach a place (H, W)."""
    _, labelled = cv2.connectedComponents(mask.astype(np.uint8))
    return np.asarray(mask & np.isin(labelled, np.unique(labelled[mask & place])))


def _opened(mask: Mask, face: Face) -> Mask:
    reach = max(1, round(0.015 * face.side))
    round_ = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, round_) > 0


def _nearest(labels: NDArray[np.int64], known: Mask) -> NDArray[np.int64]:
    _, index = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(index.max()) + 1, np.int64)
    table[index[known]] = labels[known]
    return np.asarray(table[index])
