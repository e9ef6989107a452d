# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable numbers for faces: who in this frame is who in the last one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

# A face may move this many of its own widths from frame to frame and keep its number.
_REACH = 0.75
# Two people's faces are never as close as this, in the same unit.
_SAME = 0.3


@dataclass
class FaceNumbers:
    """Gives each face of consecutive frames its number, 1 and up, by nearness.

    New faces are numbered from left to right. After a cut nearness means nothing: numbers start
    again from the left.
    """

    _last: dict[int, Points] = field(default_factory=dict)

    def assign(self, faces: list[Points]) -> dict[int, Points]:
        """Number -> landmarks of this frame; a face that went missing keeps its number in mind."""
        pairs = sorted(
            (distance, number, i)
            for i, face in enumerate(faces)
            for number, last in self._last.items()
            if (distance := face_distance(face, last)) < _REACH
        )
        numbered: dict[int, Points] = {}
        taken: set[int] = set()
        for _, number, i in pairs:
            if number not in numbered and i not in taken:
                numbered[number] = faces[i]
                taken.add(i)
        new = [face for i, face in enumerate(faces) if i not in taken]
        for face in sorted(new, key=lambda face: float(face[:, 0].mean())):
            numbered[max([0, *self._last, *numbered]) + 1] = face
        self._last.update(numbered)
        return numbered

    def forget(self) -> None:
        """A cut: the next faces are numbered again."""
        self._last.clear()


def without_doubles(faces: list[Points]) -> list[Points]:
    """The faces, each once: one that comes into the picture is at times found twice at once."""
    kept: list[Points] = []
    for face in sorted(faces, key=face_width, reverse=True):
        if all(face_distance(face, other) > _SAME for other in kept):
            kept.append(face)
    return kept


def face_width(points: Points) -> float:
    """The larger side of the landmarks' bounding box, in pixels."""
    return float(np.ptp(points[:, :2], axis=0).max())


def face_distance(a: Points, b: Points) -> float:
    """Distance of two faces' centres in units of their width."""
    gap = float(np.linalg.norm(a[:, :2].mean(axis=0) - b[:, :2].mean(axis=0)))
    return gap / max(1.0, min(face_width(a), face_width(b)))
