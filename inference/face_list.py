# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces of a picture, listed for a person to choose from: numbers, thumbnails, landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.detector import find_faces
from inference.capture.finder import shrink_for_detection
from inference.errors import Cancelled
from inference.files import write_whole, written_whole
from inference.frames import encode_frame
from inference.inputs import sha256_of
from inference.jobs import FacesJob
from inference.landmarks import OVAL
from inference.outputs import FolderKind, claim_folder
from inference.pictures import read_picture
from inference.portrait import crop_box
from inference.shows import shows

_THUMBNAIL = 256  # pixels of its longer side
_MARGIN = 0.35  # around the face's outline, in units of its own side


@dataclass(frozen=True)
class ListedFace:
    """number: from left to right, 1 and up, as `SynthesizeJob.portrait_face` takes it.

    box: x, y, width, height of its outline in pixels; crop: of the part of the picture that its
    head layer would cover, which may reach beyond it; points: a .npy of (478, 3) float32 in pixels
    of the picture. shows: how it is held and what it does, of `inference.shows`.
    """

    number: int
    box: tuple[int, int, int, int]
    crop: tuple[int, int, int, int]
    thumbnail: Path
    points: Path
    shows: str


@dataclass(frozen=True)
class FaceList:
    """picture: the file that shows what was looked at; size: its pixels.

    sha256: of that file's bytes. cut_out: is a part of it transparent?
    """

    picture: Path
    size: tuple[int, int]
    sha256: str
    faces: tuple[ListedFace, ...]
    cut_out: bool = False


def _made_before_records(folder: Path) -> bool:
    # A whole .npy of (478, 3) float32 has this very size.
    return any(path.stat().st_size == 128 + 478 * 3 * 4 for path in folder.glob("*.face1.npy"))


FACES = FolderKind(
    "faces of pictures",
    # Numbers: frames of movies, which lists made once.
    (r".+\.face\d+\.(png|npy)", r".+\.(\d{6}|still)\.png"),
    _made_before_records,
)


def list_faces(
    job: FacesJob,
    cancelled: Callable[[], bool] = lambda: False,
) -> FaceList:
    """Find the faces and write their thumbnails and landmarks into the job's folder.

    A picture without a face gives an empty list. Raises InputError for an unreadable picture or a
    folder that cannot be written; and Cancelled.
    """
    claim_folder(job.out, FACES, [job.picture])
    path = job.picture
    picture = read_picture(path)
    if job.keep:
        path = job.out / job.picture.name
        write_whole(path, job.picture.read_bytes())
    elif picture.converted:
        # Whoever shows the file itself would show other colours than the head's.
        path = job.out / f"{job.picture.stem}.still.png"
        alpha = picture.alpha
        share = None if alpha is None else alpha / np.float32(np.iinfo(alpha.dtype).max)
        form = "png" if picture.rgb.dtype == np.uint8 else "png16"
        write_whole(path, encode_frame(picture.rgb, share, form))
    rgb = picture.rgb8()
    # Just as a portrait is opened: the numbers must be the same ones.
    small, factor = shrink_for_detection(rgb, longest=1920)
    found = [points * np.float32(factor) for points in find_faces(small)]
    if cancelled():
        raise Cancelled(f"{job.picture}: cancelled; nothing was written")
    faces = []
    for number, points in enumerate(found, start=1):
        thumbnail = job.out / f"{path.stem}.face{number}.png"
        landmarks = thumbnail.with_suffix(".npy")
        box = _outline_box(points)
        write_whole(thumbnail, encode_frame(_thumbnail(rgb, box), None, "png"))
        with written_whole(landmarks) as part, part.open("wb") as file:
            np.save(file, points.astype(np.float32))
        crop = astuple(crop_box(points, picture.size))
        faces.append(ListedFace(number, box, crop, thumbnail, landmarks, shows(points)))
    digest = sha256_of(path)
    return FaceList(path, picture.size, digest, tuple(faces), picture.alpha is not None)


def _outline_box(points: NDArray[np.float32]) -> tuple[int, int, int, int]:
    low = np.floor(points[list(OVAL), :2].min(axis=0)).astype(int)
    high = np.ceil(points[list(OVAL), :2].max(axis=0)).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _thumbnail(rgb: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A square around the face, as far as the picture reaches."""
    x, y, width, height = box
    half = (0.5 + _MARGIN) * max(width, height)
    centre_x, centre_y = x + width / 2, y + height / 2
    left, top = max(0, int(centre_x - half)), max(0, int(centre_y - half))
    part = rgb[top : int(centre_y + half) + 1, left : int(centre_x + half) + 1]
    factor = _THUMBNAIL / max(part.shape[:2])
    size = max(1, round(part.shape[1] * factor)), max(1, round(part.shape[0] * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size, interpolation=how), np.uint8)
