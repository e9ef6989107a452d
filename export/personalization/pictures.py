# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's pictures: opened as portraits, and laid out as a clip that samples are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data.measures import face_measures
from export.personalization.config import MOST_PICTURES
from inference.errors import InputError
from inference.landmarks import mirror_order
from inference.performance.retargeting.retarget import retarget_relative
from inference.portrait import Portrait, open_portrait
from inference.track import LandmarkTrack, load_track

Points = NDArray[np.float32]
Picture = NDArray[np.uint8]

PERFORMANCE = Path(__file__).parents[2] / "inference" / "samples" / "weekly_address.track.npz"
# More is kept than the crop, so that it may move and grow at training.
_MARGIN = 1.25
_SIDE = 512  # of the crop in the kept pictures: twice the network's

# The album's clips: the pictures; the first one driven by the performance; the performance.
PICTURES, DRIVEN, MOTION = 0, 1, 2


@dataclass(frozen=True)
class PersonPictures:
    """portraits: opened; hashes: sha256 (hex) of their files, in the same order."""

    portraits: tuple[Portrait, ...]
    hashes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.portraits)


@dataclass(frozen=True)
class AlbumRecord:
    """As `export.data.layout.ClipRecord` has them: size (width, height); side of the crop."""

    name: str
    size: tuple[int, int]
    side: float


@dataclass(frozen=True)
class AlbumClip:
    """Frames in memory, an `export.data.footage.Clip`.

    faces: (F, 478, 3) in pixels of the frames. frames: their pictures, or one for all of them,
    or none where only the motion matters. inside: (H, W) for each of these, 0 where the picture
    had ended and is mirrored.
    """

    record: AlbumRecord
    faces: Points
    frames: tuple[Picture, ...]
    inside: tuple[Picture, ...]

    @cached_property
    def measures(self) -> NDArray[np.float32]:
        """(F, 4), see `export.data.measures`."""
        return face_measures(self.faces)

    def points(self, index: int) -> Points:
        """The landmarks (478, 3) of a frame."""
        return self.faces[index]

    def picture(self, index: int, half: bool = False) -> Picture:
        """A frame's picture (H, W, 3), RGB; `half` gives half its size."""
        picture = self.frames[min(index, len(self.frames) - 1)]
        if not half:
            return picture
        return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)

    def matte(self, index: int) -> Picture | None:
        """Nobody asks for it here."""
        return None


@dataclass(frozen=True)
class Album:
    """What samples are made of, an `export.data.footage.Footage`."""

    clips: tuple[AlbumClip, AlbumClip, AlbumClip]

    def clip(self, index: int) -> AlbumClip:
        """PICTURES, DRIVEN or MOTION."""
        return self.clips[index]


def open_pictures(
    paths: tuple[Path, ...], face: int | None, opened: Callable[[int, int], None]
) -> PersonPictures:
    """Find the face of every picture; `opened` is called with how many are done, of how many.

    Raises InputError, with the picture's number, when one cannot be used.
    """
    if not 1 <= len(paths) <= MOST_PICTURES:
        raise InputError(f"{len(paths)} pictures were given; give 1 to {MOST_PICTURES} of them")
    portraits, hashes = [], list[str]()
    for number, path in enumerate(paths, 1):
        try:
            portraits.append(open_portrait(path, face if number == 1 else None))
        except InputError as error:
            raise InputError(f"picture {number} of {len(paths)}: {error}") from None
        seen = hashlib.sha256(path.read_bytes()).hexdigest()
        if seen in hashes:
            raise InputError(
                f"{path}: picture {number} is the same as picture "
                f"{hashes.index(seen) + 1}; give each once"
            )
        hashes.append(seen)
        opened(number, len(paths))
    return PersonPictures(tuple(portraits), tuple(hashes))


def lay_out(pictures: PersonPictures) -> Album:
    """Bring all pictures to one size around their crops, and the performance onto the first.

    A picture that is alone gets its mirror image beside it: the one other view of this person
    whose pixels are all real.
    """
    kept = [_keep(portrait) for portrait in pictures.portraits]
    if len(kept) == 1:
        kept.append(_mirrored_picture(kept[0]))
    frames = tuple(one.picture for one in kept)
    size = (frames[0].shape[1], frames[0].shape[0])
    record = AlbumRecord("pictures", size, float(_SIDE))
    faces = np.stack([one.points for one in kept])
    track = load_track(PERFORMANCE)
    motion = np.concatenate([track.points, _mirrored(track)])
    at = retarget_relative(faces[0], track)
    driven = np.stack([faces[0], *(at(frame) for frame in range(len(track)))])
    return Album(
        (
            AlbumClip(record, faces, frames, tuple(one.inside for one in kept)),
            AlbumClip(record, driven, frames[:1], (kept[0].inside,)),
            AlbumClip(AlbumRecord("performance", track.size, float(track.size[0])), motion, (), ()),
        )
    )


def _mirrored(track: LandmarkTrack) -> Points:
    """The same performance to the other side: heads turn both ways."""
    points = track.points[:, mirror_order()].copy()
    points[..., 0] = track.size[0] - points[..., 0]
    return points


@dataclass(frozen=True)
class _Kept:
    """The crop with some room around it, the landmarks in its pixels, and what is no mirror."""

    picture: Picture
    points: Points
    inside: Picture


def _mirrored_picture(kept: _Kept) -> _Kept:
    points = kept.points[mirror_order()].copy()
    points[:, 0] = kept.picture.shape[1] - points[:, 0]
    return _Kept(np.ascontiguousarray(kept.picture[:, ::-1]), points, kept.inside[:, ::-1].copy())


def _keep(portrait: Portrait) -> _Kept:
    box = portrait.box
    side = max(box.width, box.height)
    room = round(side * (_MARGIN - 1) / 2)
    whole, (width, height) = portrait.picture.rgb8(), portrait.picture.size
    left, top = box.x - room, box.y - room
    right, bottom = box.x + side + room, box.y + side + room
    inside = whole[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    # What lies beyond the picture is mirrored, as it is for a portrait's crop.
    borders = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    part = cv2.copyMakeBorder(inside, *borders, cv2.BORDER_REFLECT_101)
    real = np.full(inside.shape[:2], 255, np.uint8)
    real = cv2.copyMakeBorder(real, *borders, cv2.BORDER_CONSTANT, value=0)
    zoom = _SIDE / side
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    length = round(part.shape[0] * zoom)
    picture = cv2.resize(part, (length, length), interpolation=how)
    corner = np.array([left, top, 0], np.float32)
    share = np.float32(length / part.shape[0])
    points = ((portrait.points - corner) * share).astype(np.float32)
    return _Kept(picture, points, cv2.resize(real, (length, length), interpolation=how))
