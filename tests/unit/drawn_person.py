# SPDX-License-Identifier: GPL-3.0-or-later
"""A person of known form, drawn: the mean face on a head and shoulders, before a wall."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.form import CENTER
from inference.head.source import HeadSource, build_head
from inference.performance.face.canonical import canonical_face
from inference.pictures import StillPicture
from inference.portrait import Portrait, crop_box

SIDE, UNIT = 400, 52.0  # pixels of the picture, and of an eye distance in it
MIDDLE = np.array([200.0, 190.0, 0.0])
PIVOT = np.array([0.0, 1.0, 1.9])  # what a head turns about, in eye distances


@dataclass(frozen=True)
class DrawnPerson:
    """portrait, and the layers that it was made of."""

    portrait: Portrait
    alpha: NDArray[np.float32]
    person: NDArray[np.uint8]
    plate: NDArray[np.uint8]

    def head(self) -> HeadSource:
        """Fitted."""
        return build_head(self.portrait, self.alpha, self.person, self.plate)


def draw_person(
    hair: float = 1.25, ears: bool = False, up: float = 0.0, slim: float = 0.8
) -> DrawnPerson:
    """hair: radius of head and hair in units of a bald skull's width. ears: bare ones stand out.

    up: how far up the person is moved, in pixels; beyond the picture's edge it is cut. slim: half
    the neck's width in eye distances.
    """
    middle = MIDDLE - np.array([0, up, 0])
    points = (canonical_face().mean * UNIT + middle).astype(np.float32)
    skull = (CENTER * UNIT + middle)[:2]
    rng = np.random.default_rng(3)
    wall = np.clip(cv2.resize(rng.normal(120, 40, (50, 50, 3)), (SIDE, SIDE)), 0, 255)
    grain = cv2.GaussianBlur(rng.normal(0, 60, (SIDE, SIDE)), (0, 0), 1.2)[..., None]
    skin, locks = np.array([215.0, 170.0, 145.0]), np.array([70.0, 50.0, 40.0])
    person = np.broadcast_to(locks, (SIDE, SIDE, 3)) + grain
    y, x = np.indices((SIDE, SIDE)) + 0.5
    away = np.hypot(x - skull[0], (y - skull[1]) / 1.15)
    radius = hair * 1.28 * UNIT
    alpha = np.clip(radius - away, 0, 1)
    face = np.hypot((x - middle[0]) / 1.2, (y - middle[1] - 0.55 * UNIT) / 1.5) < UNIT
    neck = (np.abs(x - middle[0]) < slim * UNIT) & (y > middle[1] + UNIT)
    if ears:
        ear = np.hypot((np.abs(x - middle[0]) - 1.2 * UNIT) / 0.3, (y - middle[1] - 0.3 * UNIT))
        alpha = np.maximum(alpha, np.clip(0.55 * UNIT - ear, 0, 1))
        face |= (ear < 0.55 * UNIT) & (np.abs(x - middle[0]) > 0.9 * UNIT)
    person = np.where((face | neck)[..., None], skin + 0.3 * grain, person)
    body = np.hypot((x - middle[0]) / 2.6, y - middle[1] - 5.2 * UNIT) < 2.6 * UNIT
    alpha = np.maximum(alpha, np.maximum(neck, body).astype(np.float64))
    alpha = np.clip(cv2.GaussianBlur(alpha, (0, 0), 1.0), 0, 1).astype(np.float32)
    person = np.clip(person, 0, 255)
    picture = np.round(wall + alpha[..., None] * (person - wall)).astype(np.uint8)
    still = StillPicture(picture, None)
    portrait = Portrait(Path("drawn"), still, points, crop_box(points, still.size))
    return DrawnPerson(portrait, alpha, person.astype(np.uint8), np.round(wall).astype(np.uint8))


def turned(person: DrawnPerson, yaw: float, pitch: float = 0.0) -> NDArray[np.float32]:
    """Landmarks (478, 3) in pixels of the crop, the head turned by degrees about the neck."""
    a, b = np.radians([yaw, pitch])
    across = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    down = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    points = person.portrait.crop_points().astype(np.float64)
    pivot = _pivot(person)
    return ((points - pivot) @ (across @ down).T + pivot).astype(np.float32)


def _pivot(person: DrawnPerson) -> NDArray[np.float64]:
    face = canonical_face().mean
    points = person.portrait.crop_points().astype(np.float64)
    return np.asarray(points[4] + UNIT * (PIVOT - face[4]))
