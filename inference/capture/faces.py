# SPDX-License-Identifier: GPL-3.0-or-later
"""Which face of this frame is which of the last one: pieces of a path, by nearness alone.

Nearness says nothing after a cut, little after a pause, and not for certain while two faces are
close together. There a piece ends; `identity` says which pieces are one person's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

# A face may move this many of its own widths from frame to frame, beside its motion so far, and is
# still the same one. That motion is believed up to so much of a width.
_REACH, _STEP = 0.75, 0.3
# Two people's faces are never as close as this, in the same unit; from the second on they crowd.
_SAME, _CROWD = 0.3, 1.1
# Frames for which a face may be gone and still be known by its place alone.
_PAUSE = 12


@dataclass
class Piece:
    """A face as long as its place tells which one it is. points: landmarks (478, 3) by frame.

    follows: number of the piece that nearness would go on with; None: it begins out of nothing.
    pause: frames between the two. crowded: whether other faces are close, which may hide it.
    """

    number: int
    points: dict[int, Points] = field(default_factory=dict)
    follows: int | None = None
    pause: int = 0
    crowded: bool = False


@dataclass
class _Seen:
    """Where a piece was last: its landmarks, its motion a frame, when, and whether in a crowd."""

    points: Points
    step: NDArray[np.float32]
    frame: int
    crowded: bool


@dataclass
class FacePieces:
    """Lays the faces of frame after frame together into pieces; they are numbered from 1 on."""

    pieces: list[Piece] = field(default_factory=list)
    _last: dict[int, _Seen] = field(default_factory=dict)

    def add(self, frame: int, faces: list[Points]) -> list[Piece]:
        """The piece of each face of a frame, in their order; new ones from left to right."""
        near = self._nearest(frame, faces)
        found: dict[int, Piece] = {}
        for i in sorted(range(len(faces)), key=lambda i: float(faces[i][:, 0].mean())):
            found[i] = self._piece(frame, faces, i, near.get(i))
            found[i].points[frame] = faces[i]
        return [found[i] for i in range(len(faces))]

    def forget(self) -> None:
        """A cut: what comes begins out of nothing."""
        self._last.clear()

    def _nearest(self, frame: int, faces: list[Points]) -> dict[int, int]:
        """Face -> number of the piece that it is nearest to, each once, nearest pairs first."""
        pairs = sorted(
            (distance, number, i)
            for i, face in enumerate(faces)
            for number, seen in self._last.items()
            if (distance := face_distance(face, seen.points + _ahead(seen, frame))) < _REACH
        )
        near: dict[int, int] = {}
        for _, number, i in pairs:
            if i not in near and number not in near.values():
                near[i] = number
        return near

    def _piece(self, frame: int, faces: list[Points], i: int, near: int | None) -> Piece:
        crowded = self._is_crowded(frame, faces, i, near)
        before = self._last.pop(near) if near is not None else None
        pause = frame - before.frame - 1 if before else 0
        if before is None or pause > _PAUSE or crowded != before.crowded:
            piece = Piece(len(self.pieces) + 1, follows=near, pause=pause, crowded=crowded)
            self.pieces.append(piece)
        else:
            assert near is not None
            piece = self.pieces[near - 1]
        step = np.zeros(2, np.float32)
        if before is not None and pause == 0:
            step = (faces[i] - before.points)[:, :2].mean(axis=0)
            most = _STEP * face_width(faces[i])
            step *= min(1.0, most / max(float(np.linalg.norm(step)), 1e-6))
        self._last[piece.number] = _Seen(faces[i], step, frame, crowded)
        return piece

    def _is_crowded(self, frame: int, faces: list[Points], i: int, near: int | None) -> bool:
        """Is another face close, or where one was a moment ago that is hidden now?"""
        others = [face for k, face in enumerate(faces) if k != i]
        others += [
            seen.points
            for number, seen in self._last.items()
            if number != near and 0 < frame - seen.frame <= _PAUSE
        ]
        return any(face_distance(faces[i], other) < _CROWD for other in others)


def _ahead(seen: _Seen, frame: int) -> NDArray[np.float32]:
    """What a face's motion so far adds to its landmarks; after a pause that is not known."""
    if frame - seen.frame > 1:
        return np.zeros(3, np.float32)
    return np.array([*seen.step, 0], np.float32)


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
