# SPDX-License-Identifier: GPL-3.0-or-later
"""From pictures to states: one face is followed, and measured from its own rest.

What the face at rest looks like is found in the first second in which it is seen; until then it
counts as being at rest. `recenter` finds it again in what was seen last.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from inference.capture.finder import FaceFinder
from inference.capture.movie import Picture
from inference.performance.face.canonical import canonical_face
from inference.performance.face.neutral import find_neutral
from inference.stream.state import FaceState, RestingFace
from inference.track import LandmarkTrack

_SETTLES = 1.0  # seconds
_RECENT = 12  # faces that say what is neutral now


class FaceTracker:
    """Follows one face. Use it as a context: it holds the models."""

    def __init__(self) -> None:
        # With a single face the detector proper rests while that face is followed.
        self._finder = FaceFinder(1)
        self._seen: deque[NDArray[np.float32]] = deque(maxlen=90)
        self._began: float | None = None
        self._resting: RestingFace | None = None

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(self, *error: object) -> None:
        self._finder.__exit__(None, None, None)

    @property
    def neutral(self) -> NDArray[np.float32]:
        """The face at rest in canonical space (478, 3); the mean face before it is known."""
        return canonical_face().mean if self._resting is None else self._resting.neutral

    def recenter(self) -> None:
        """What the face does now is its rest."""
        if self._seen:
            self._resting = RestingFace(_calmest(list(self._seen)[-_RECENT:]))

    def find(self, picture: Picture, seconds: float) -> FaceState | None:
        """The state of the face in a picture; None where none is seen, or its rest is not known."""
        faces = self._finder.find(picture)
        if not faces:
            return None
        points = faces[0].astype(np.float32)
        self._seen.append(points)
        if self._began is None:
            self._began = seconds
        if self._resting is None:
            if seconds - self._began < _SETTLES:
                return None
            self._resting = RestingFace(_calmest(list(self._seen)))
        return self._resting.state(seconds, points)


def _calmest(faces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    points = np.stack(faces)
    track = LandmarkTrack(points, np.ones(len(points), bool), Fraction(25), (1, 1))
    return find_neutral(track)
