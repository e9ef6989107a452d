# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a landmark track as pictures: the driver of those who have no footage at hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.files import write_whole
from inference.frames import encode_frame
from inference.generator.inputs import landmark_channels
from inference.landmarks import face_triangles
from inference.outputs import FolderKind, claim_folder
from inference.track import LandmarkTrack

SIZE = 512
_GROUND = (22, 24, 28)
_MESH = (58, 66, 76)
# Face lines, eye lines, mouth lines.
_COLORS = np.array([(225, 225, 215), (110, 190, 255), (255, 130, 110)], np.float32)


DRAWING = FolderKind("the drawing of a landmark track", (r"driver_\d{6}\.png",))


def draw_track(track: LandmarkTrack, folder: Path) -> None:
    """Write `driver_%06d.png`, SIZE pixels high, one for every frame; gaps are empty.

    Raises InputError when the folder is somebody else's.
    """
    claim_folder(folder, DRAWING)
    zoom = SIZE / track.size[1]
    for index, points in enumerate(track.points):
        path = folder / f"driver_{index:06d}.png"
        if not path.is_file():
            picture = draw_landmarks(points[:, :2] * zoom, bool(track.valid[index]))
            write_whole(path, encode_frame(picture, None, "png"))


def draw_landmarks(points: NDArray[np.float32], valid: bool = True) -> NDArray[np.uint8]:
    """A face of (478, 2) landmarks in pixels of a SIZE x SIZE picture, as RGB (SIZE, SIZE, 3)."""
    picture = np.full((SIZE, SIZE, 3), _GROUND, np.uint8)
    if not valid:
        return picture
    corners = np.round((points - 0.5) * 16).astype(np.int32)
    cv2.polylines(picture, list(corners[face_triangles()]), True, _MESH, 1, cv2.LINE_AA, 4)
    lines = landmark_channels(points, SIZE)[:3]
    canvas = picture.astype(np.float32)
    for line, color in zip(lines, _COLORS, strict=True):
        canvas += line[..., None] * (color - canvas)
    return np.round(canvas).astype(np.uint8)
