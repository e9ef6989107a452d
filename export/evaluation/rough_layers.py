# SPDX-License-Identifier: GPL-3.0-or-later
"""Matte and plate of a still in a moment: good enough to measure how layers move, not to show."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.persons import PersonFinder
from inference.landmarks import OVAL

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]
Plane = NDArray[np.float32]

_LONGEST = 384  # pixels at which GrabCut and inpainting work
_LEVELS = (0.06, 0.94)
_INSIDE = 0.12  # the outline, drawn in by this share, is the person's for certain
# How far the person's colours are spread beyond the person, in faces; far ones fill only where
# near ones know nothing.
_SPREADS = ((0.01, 1.0), (0.03, 1e-2), (0.1, 1e-4), (0.4, 1e-6))


@dataclass(frozen=True)
class RoughLayers:
    """alpha: (H, W) float32, the person's, 0 to 1. person: (H, W, 3), its colours, carried on
    beyond its edge. plate: (H, W, 3), the picture without it.
    """

    alpha: Plane
    person: Picture
    plate: Picture


def rough_layers(picture: Picture, points: Points, finder: PersonFinder) -> RoughLayers:
    """Selfie mask, GrabCut, blur; Telea's inpainting. points: (478, 3) of the face."""
    face = float(np.ptp(points[list(OVAL), :2], axis=0).max())
    factor = min(1.0, _LONGEST / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    found = cv2.resize(finder.mask(picture), small.shape[1::-1])
    cut = _cut(small, found, points * np.float32(factor), face * factor)
    size = (picture.shape[1], picture.shape[0])
    alpha = cv2.resize(cut.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    alpha = cv2.GaussianBlur(alpha, (0, 0), max(0.8, 0.008 * face))
    alpha = np.clip((alpha - _LEVELS[0]) / (_LEVELS[1] - _LEVELS[0]), 0, 1).astype(np.float32)
    plate = _plate(picture, small, alpha, face, face * factor)
    return RoughLayers(alpha, _spread(picture, alpha, face), plate)


def _cut(small: Picture, found: Plane, points: Points, face: float) -> NDArray[np.uint8]:
    """1 where the person is, who has this face."""
    sure = cv2.erode((found > 0.8).astype(np.uint8), _disc(0.05 * face))
    wide = cv2.dilate((found > 0.2).astype(np.uint8), _disc(0.12 * face))
    oval = np.zeros(found.shape, np.uint8)
    outline = points[list(OVAL), :2]
    outline = outline + _INSIDE * (outline.mean(axis=0) - outline)
    cv2.fillPoly(oval, [np.round(outline).astype(np.int32)], 1)
    likely = np.where(found > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    marks = np.where(wide == 0, cv2.GC_BGD, likely).astype(np.uint8)
    marks[(sure | oval) > 0] = cv2.GC_FGD
    if (marks == cv2.GC_BGD).any():
        cv2.setRNGSeed(1)
        model = np.zeros((1, 65)), np.zeros((1, 65))
        lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
        cv2.grabCut(lab, marks, None, *model, 3, cv2.GC_INIT_WITH_MASK)
    person = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels = cv2.connectedComponents(person)
    person = (np.isin(labels, np.unique(labels[oval > 0])) & (person > 0)).astype(np.uint8)
    person = cv2.morphologyEx(person, cv2.MORPH_OPEN, _disc(0.012 * face))
    return np.asarray(cv2.morphologyEx(person, cv2.MORPH_CLOSE, _disc(0.02 * face)))


def _spread(picture: Picture, alpha: Plane, face: float) -> Picture:
    """The person's colours, and beyond its edge those of the nearest part of it."""
    height, width = alpha.shape
    sure = (alpha > 0.9).astype(np.float32)
    known = picture.astype(np.float32) * sure[..., None]
    total, weight = np.zeros_like(known), np.zeros_like(alpha)
    for reach, share in _SPREADS:
        sigma = max(1.0, reach * face)
        step = max(1, int(sigma / 4))
        size = (max(1, width // step), max(1, height // step))
        for values, into in ((known, total), (sure, weight)):
            blurred = cv2.GaussianBlur(
                cv2.resize(values, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / step
            )
            into += share * cv2.resize(blurred, (width, height))
    spread = total / np.maximum(weight, 1e-12)[..., None]
    return np.clip(np.where(sure[..., None] > 0, picture, spread), 0, 255).astype(np.uint8)


def _plate(picture: Picture, small: Picture, alpha: Plane, face: float, unit: float) -> Picture:
    size = (picture.shape[1], picture.shape[0])
    person = cv2.resize(alpha, small.shape[1::-1]) > 0.02
    hole = cv2.dilate(person.astype(np.uint8), _disc(0.03 * unit))
    if hole.all():
        return picture
    filled = cv2.inpaint(small, hole, 5, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, size, interpolation=cv2.INTER_CUBIC)
    filled = cv2.GaussianBlur(filled, (0, 0), 0.04 * face).astype(np.float32)
    near = cv2.resize(cv2.dilate(person.astype(np.float32), _disc(2)), size)
    share = np.clip(2 * cv2.GaussianBlur(near, (0, 0), max(1.0, 0.005 * face)), 0, 1)
    share = np.where(alpha > 0.01, 1, share)[..., None]
    return np.clip(picture + share * (filled - picture), 0, 255).astype(np.uint8)


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * int(max(1.0, radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
