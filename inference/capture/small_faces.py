# SPDX-License-Identifier: GPL-3.0-or-later
"""Where faces are that are too small for the mesh's own short-range detector."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.capture.tasks import apart, small_face_boxes, steps
from inference.capture.without_matplotlib import without_matplotlib
from inference.errors import InputError
from inference.quiet import quiet_libraries

# Sides of the tiles that are looked at where the whole shows none, in units of the shorter side.
_TILES = (1.0, 1 / 2)
# What the detector must be sure of, in the whole and in a tile, of which there are many.
_SURE, _SURE_OF_TILE = 0.5, 0.7
_GENEROUS = 2.4  # sides of the box in sides of the face


def face_boxes(picture: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
    """Generous square boxes (x, y, side), in pixels, around faces that are small in the picture."""
    if not has_solutions():
        with quiet_libraries():
            return small_face_boxes(picture)
    with without_matplotlib():
        from mediapipe.python.solutions import face_detection

    height, width = picture.shape[:2]
    with (
        quiet_libraries(),
        face_detection.FaceDetection(model_selection=1, min_detection_confidence=_SURE) as finder,
    ):
        for tiles in _rounds(height, width):
            boxes = []
            for top, left, bottom, right in tiles:
                part = np.ascontiguousarray(picture[top:bottom, left:right])
                whole = part.shape == picture.shape
                for found in finder.process(part).detections or []:
                    if found.score[0] >= (_SURE if whole else _SURE_OF_TILE):
                        boxes.append(
                            _box(found.location_data.relative_bounding_box, part, left, top)
                        )
            if boxes:
                return apart(boxes)
    return []


def has_solutions() -> bool:
    """Is this the MediaPipe that carries its models? Looks into its folder, imports nothing."""
    found = find_spec("mediapipe")
    if found is None or found.origin is None:
        raise InputError(
            f"the package mediapipe is missing for {sys.executable}; without it no face can be "
            "found in pictures"
        )
    return (Path(found.origin).parent / "python" / "solutions").is_dir()


def _rounds(height: int, width: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """The whole first, then ever smaller tiles: top, left, bottom, right in pixels."""
    yield [(0, 0, height, width)]
    for share in _TILES:
        tile = round(share * min(width, height))
        if tile < max(width, height):
            yield [
                (top, left, top + tile, left + tile)
                for top in steps(height, tile)
                for left in steps(width, tile)
            ]


def _box(found: Any, part: NDArray[np.uint8], left: int, top: int) -> tuple[int, int, int]:
    height, width = part.shape[:2]
    box_width, box_height = found.width * width, found.height * height
    side = int(_GENEROUS * max(box_width, box_height))
    x = left + found.xmin * width + box_width / 2 - side / 2
    y = top + found.ymin * height + box_height / 2 - side / 2
    return int(x), int(y), side
