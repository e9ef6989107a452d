# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pieces of faces' paths are one person's: by looks, and by where nearness would go on.

So a person who leaves and comes back, or is seen again after a cut, keeps their number, and two who
cross stay two.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from inference.capture.appearance import Features, alike, face_look, features_of
from inference.capture.faces import Piece, Points
from inference.capture.movie import Picture

# From this likeness on two pieces are one person's, and from that on they may be. Of 201 people
# 99 of 100 were more alike to themselves than the first, 1 of 150 pairs of two.
_ONE, _PERHAPS = 0.42, 0.22
# What it is worth that nearness would go on with a piece: at once, and after a pause.
_GOES_ON, _AFTER_PAUSE = 0.4, 0.2
# Frames between two looks at a face, and the most looks at one piece.
_EVERY, _MOST = 5, 24


@dataclass
class Looks:
    """What the faces of each piece look like: who it is now and then, its colours in each frame.

    cells: colours (12, 12, 3) of the flat face by piece and frame. Memory: 7 KB a piece and half a
    KB a frame.
    """

    cells: dict[int, dict[int, Picture]] = field(default_factory=dict)
    _sums: dict[int, Features] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)

    def look(self, picture: Picture, piece: Piece, frame: int, points: Points) -> None:
        """Look at a piece's face in its picture. points: in the picture's pixels."""
        flat, cells = face_look(picture, points)
        self.cells.setdefault(piece.number, {})[frame] = cells
        count = self._counts.get(piece.number, 0)
        if count >= _MOST or (len(piece.points) - 1) % _EVERY:
            return
        seen = features_of(flat)
        self._sums[piece.number] = self._sums.get(piece.number, 0) + seen
        self._counts[piece.number] = count + 1

    def of(self, pieces: list[Piece]) -> Features:
        """The mean of all looks at these pieces."""
        total = sum(self._counts[piece.number] for piece in pieces)
        return np.sum([self._sums[piece.number] for piece in pieces], axis=0) / np.float32(total)


def persons(pieces: list[Piece], looks: Looks) -> list[list[Piece]]:
    """The pieces of each person, persons in the order in which they are first seen.

    The pieces that begin at one frame are told apart together, the surest first. No person is seen
    twice in one frame.
    """
    found: list[list[Piece]] = []
    starts: dict[int, list[Piece]] = {}
    for piece in pieces:
        starts.setdefault(min(piece.points), []).append(piece)
    for start in sorted(starts):
        waiting = starts[start]
        while pairs := [
            (score, -index, -piece.number)
            for piece in waiting
            for index, person in enumerate(found)
            if (score := _score(piece, person, looks)) >= _ONE
        ]:
            _, index, number = max(pairs)
            (piece,) = (each for each in waiting if each.number == -number)
            found[-index].append(piece)
            waiting = [each for each in waiting if each is not piece]
        found.extend([piece] for piece in waiting)
    return _without_halves(found)


def perhaps_the_same(found: list[list[Piece]], person: int, looks: Looks) -> list[int]:
    """Which of the persons (indices) are never seen together with this one, and look like it."""
    own = looks.of(found[person])
    return [
        index
        for index, other in enumerate(found)
        if index != person
        and not _together(other, found[person])
        and alike(looks.of(other), own) >= _PERHAPS
    ]


def _without_halves(found: list[list[Piece]]) -> list[list[Piece]]:
    """Somebody seen only half, behind others, is who then goes on from there."""
    kept: list[list[Piece]] = []
    for person in found:
        own = {piece.number for piece in person}
        heirs = [
            other
            for other in found
            if other is not person and any(p.follows in own and not p.pause for p in other)
        ]
        if all(piece.crowded for piece in person) and heirs and not _together(person, heirs[0]):
            heirs[0].extend(person)
            heirs[0].sort(key=lambda piece: min(piece.points))
        else:
            kept.append(person)
    return kept


def _score(piece: Piece, person: list[Piece], looks: Looks) -> float:
    """How surely a piece is this person's."""
    if _together([piece], person):
        return -1.0
    score = alike(looks.of([piece]), looks.of(person))
    if piece.follows in [each.number for each in person]:
        score += _AFTER_PAUSE if piece.pause else _GOES_ON
    return score


def _together(a: list[Piece], b: list[Piece]) -> bool:
    """Are both in some frame?"""
    frames = set().union(*(piece.points for piece in b))
    return any(not frames.isdisjoint(piece.points) for piece in a)
