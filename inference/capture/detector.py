# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's face mesh with irises: 478 landmarks for each face of a picture."""

from __future__ import annotations

from contextlib import nullcontext
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.capture.faces import face_width, without_doubles
from inference.capture.movie import Picture
from inference.capture.small_faces import face_boxes, has_solutions
from inference.capture.tasks import TaskMesh
from inference.capture.upright import face_turns, turned_back
from inference.capture.without_matplotlib import without_matplotlib
from inference.landmarks import POINT_COUNT
from inference.quiet import quiet_libraries

Points = NDArray[np.float32]

_SETTLING_LOOKS = 3


class FaceDetector:
    """Finds the faces of consecutive frames; each frame narrows the search for the next one.

    Use it as a context: it holds MediaPipe's models. Faces come in no particular order.
    """

    def __init__(self, max_faces: int = 4) -> None:
        self._max_faces = max_faces
        with quiet_libraries():
            self._mesh = _face_mesh(max_faces)
            self._wait_for_models()
        self._found_any = False
        self._count = 0

    def __enter__(self) -> FaceDetector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._mesh.close()

    def find(self, picture: Picture) -> list[Points]:
        """The landmarks of every face in an RGB picture: each (478, 3) in its pixels."""
        faces = self._look(picture)
        if len(faces) > self._count:
            # A new face: its search window comes from the coarse detector and is a few pixels
            # off. It settles on the landmarks within a few more looks at the same frame.
            for _ in range(_SETTLING_LOOKS):
                faces = self._look(picture) or faces
        self._count = len(faces)
        return faces

    def forget(self) -> None:
        """Begin again: the next frame belongs to another shot."""
        with quiet_libraries():
            self._mesh.reset()
            self._wait_for_models()
        self._found_any = False
        self._count = 0

    def _wait_for_models(self) -> None:
        # They are opened in threads, and talk; the first answer says that they are done.
        self._mesh.process(np.zeros((64, 64, 3), np.uint8))

    def _look(self, picture: Picture) -> list[Points]:
        height, width = picture.shape[:2]
        with nullcontext() if self._found_any else quiet_libraries():
            faces = self._mesh.process(np.ascontiguousarray(picture)).multi_face_landmarks or []
        self._found_any = self._found_any or bool(faces)
        return without_doubles([_points(face, width, height) for face in faces])


def find_faces(picture: Picture, max_faces: int = 16) -> list[Points]:
    """The faces of one still RGB picture, left to right: each (478, 3) in its pixels.

    A face too small for the whole picture's detector is looked for again in closer crops, one that
    lies on its side or its head in the turned picture.
    """
    faces = _look_everywhere(picture, max_faces)
    turns = face_turns(picture, max(faces, key=face_width) if faces else None)
    if turns:
        size = picture.shape[1], picture.shape[0]
        turned = _look_everywhere(np.ascontiguousarray(np.rot90(picture, turns)), max_faces)
        faces = [turned_back(face, turns, size) for face in turned] or faces
    return sorted(faces, key=lambda face: float(face[:, 0].mean()))


def _look_everywhere(picture: Picture, max_faces: int) -> list[Points]:
    faces = _look_closely(picture, max_faces)
    if not faces:
        for x, y, side in face_boxes(picture):
            crop = picture[max(0, y) : y + side, max(0, x) : x + side]
            for face in _look_closely(crop, 1):
                face[:, 0] += max(0, x)
                face[:, 1] += max(0, y)
                faces.append(face)
    return faces


def _look_closely(picture: Picture, max_faces: int) -> list[Points]:
    with FaceDetector(max_faces) as detector:
        return detector.find(picture)


def _face_mesh(max_faces: int) -> Any:
    if not has_solutions():
        return TaskMesh(max_faces)
    # Imported late: MediaPipe takes half a second, and only capture and portraits need it.
    with without_matplotlib():
        from mediapipe.python.solutions import face_mesh

    return face_mesh.FaceMesh(
        static_image_mode=False, max_num_faces=max_faces, refine_landmarks=True
    )


def _points(face: Any, width: int, height: int) -> Points:
    unit = np.array([(mark.x, mark.y, mark.z) for mark in face.landmark], np.float32)
    assert unit.shape == (POINT_COUNT, 3)
    # MediaPipe's depth is in units of the picture's width.
    return unit * np.array([width, height, width], np.float32)
