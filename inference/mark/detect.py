# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the mark in footage of any kind without the original: by seconds, then by shots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.cuts import CutFinder
from inference.capture.faces import FacePieces
from inference.capture.finder import FaceFinder
from inference.capture.video import open_footage, read_frames
from inference.errors import Cancelled
from inference.mark.canonical import lay_out
from inference.mark.read import Turning, read_mark, together, turning
from inference.progress import Progress

Plane = NDArray[np.float32]

# Share of a second's frames that must show the face.
_SEEN = 0.7
# Seconds of one face that are read together at most: longer ones say no more about the same mark.
_TOGETHER = 20


@dataclass(frozen=True)
class MarkReport:
    """payload: the mark that was found, 32 bits, or None. found: seconds in which it was read by
    themselves, of `seconds` that showed one face throughout. whole: it was read only over all
    seconds of a face together. others: further marks, where there are several.
    """

    payload: int | None
    found: int
    seconds: int
    whole: bool = False
    others: tuple[int, ...] = ()

    @property
    def digits(self) -> str:
        """The payload as the first digits of the SHA-256 of the portrait's file, or ""."""
        return "" if self.payload is None else f"{self.payload:08x}"


@dataclass
class _Face:
    """One face of one shot: its skin, laid out, of the second that is being read."""

    second: int = -1
    times: list[int] = field(default_factory=list)
    sheets: list[Plane] = field(default_factory=list)
    read: list[Turning] = field(default_factory=list)


def detect_mark(
    path: Path,
    rate: Fraction | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> MarkReport:
    """Look for a mark in a movie or in numbered pictures.

    rate: of numbered pictures, frames a second; None: 24. Raises InputError when they cannot be
    read, and Cancelled. Footage without a face, and pictures that stand still, hold no mark.
    """
    footage = open_footage(path, rate)
    faces: dict[int, _Face] = {}
    payloads: Counter[int] = Counter()
    seconds = 0

    def end(face: _Face) -> None:
        nonlocal seconds
        if len(face.times) >= max(4, _SEEN * float(footage.rate)):
            seen = turning(np.stack(face.sheets), np.array(face.times), footage.rate)
            seconds += 1
            if len(face.read) < _TOGETHER:
                face.read.append(seen)
            payload = read_mark(seen)
            if payload is not None:
                payloads[payload] += 1
        face.times, face.sheets = [], []

    for index, number, laid in _skin(path, rate, cancelled):
        if progress:
            progress(index + 1, max(index + 1, footage.count))
        face = faces.setdefault(number, _Face())
        second = int(index / footage.rate)
        if second != face.second:
            end(face)
            face.second = second
        face.times.append(index)
        face.sheets.append(laid)
    for face in faces.values():
        end(face)
    if payloads:
        (payload, found), *rest = payloads.most_common()
        return MarkReport(payload, found, seconds, others=tuple(other for other, _ in rest))
    for face in faces.values():
        payload_of_all = read_mark(together(face.read)) if len(face.read) > 1 else None
        if payload_of_all is not None:
            return MarkReport(payload_of_all, 0, seconds, whole=True)
    return MarkReport(None, 0, seconds)


def _skin(
    path: Path, rate: Fraction | None, cancelled: Callable[[], bool]
) -> Iterator[tuple[int, int, Plane]]:
    """Of each frame and face: the frame's index, the face's number, and its skin laid out."""
    cuts, pieces = CutFinder(), FacePieces()
    with FaceFinder() as finder:
        for frame in read_frames(open_footage(path, rate)):
            if cancelled():
                raise Cancelled(f"{path}: cancelled")
            if cuts.is_cut(frame.picture):
                finder.forget()
                pieces.forget()
            found = finder.find(frame.picture)
            luma = cv2.cvtColor(frame.picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
            for piece, points in zip(pieces.add(frame.index, found), found, strict=True):
                yield frame.index, piece.number, lay_out(luma, points)
