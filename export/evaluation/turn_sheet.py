# SPDX-License-Identifier: GPL-3.0-or-later
"""A contact sheet of portraits turned by known angles, as `synthesize` would render them.

The portrait's own landmarks are turned about the neck's pivot, so the face keeps its expression
and nothing but the turn is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.source import rgb8
from inference.jobs import SynthesizeJob
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_pose
from inference.performance.retargeting.reach import head_axis, turn_within
from inference.portrait import Portrait, open_portrait
from inference.render import StageClock, render_frame
from inference.scene import Scene, build_scene
from inference.track import LandmarkTrack

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

YAWS = tuple((float(yaw), 0.0) for yaw in range(-35, 36, 10))
PITCHES = tuple((0.0, float(pitch)) for pitch in (-25, -15, 15, 25))
# About which a head turns on its neck, in canonical space: below and behind the eyes.
_PIVOT = np.array([0.0, 1.0, 1.9])


@dataclass(frozen=True)
class Turned:
    """One portrait's row. pictures: the portrait, then one for each of the turns."""

    portrait: Path
    pictures: list[Picture]


def turn(points: Points, yaw: float, pitch: float) -> Points:
    """Landmarks (478, 3) turned by degrees, yaw to the picture's right, pitch up, as far as
    retargeting lets a portrait turn.
    """
    pose = fit_pose(canonical_face().mean, points)
    y, x = np.radians(yaw), np.radians(-pitch)
    across = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    over = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    wanted = pose.rotation @ across @ over @ pose.rotation.T
    rotation = turn_within(wanted, head_axis(points))
    pivot = pose.apply(_PIVOT)
    return Pose(1.0, rotation, pivot - rotation @ pivot).apply(points).astype(np.float32)


def turned_portrait(
    path: Path, turns: Sequence[tuple[float, float]], tier: str, layer: str = "full"
) -> Turned:
    """Render a portrait at `turns` (yaw, pitch), in degrees, beside itself.

    layer: "full", or "person", which is shown over grey checks.

    Raises InputError as `build_scene` does.
    """
    scene = _scene(path, tier, layer)
    rest = scene.portrait.points
    around = _window(scene.portrait)
    pictures = [scene.portrait.picture.rgb8()[around]]
    for yaw, pitch in turns:
        aim = turn(rest, yaw, pitch)
        posed = replace(scene, retarget=partial(_always, aim))
        rgb, alpha = render_frame(posed, 0, StageClock())
        shown = rgb8(rgb)
        if alpha is not None:
            shown = over_checks(shown, alpha)
        pictures.append(shown[around])
    return Turned(path, pictures)


def contact_sheet(rows: Sequence[Turned], side: int) -> Picture:
    """Rows of equally many pictures as one picture (H, W, 3), in cells of `side` pixels."""
    return np.vstack([np.hstack([_fitted(p, side) for p in row.pictures]) for row in rows])


def over_checks(rgb: Picture, alpha: NDArray[np.float32]) -> Picture:
    """A picture with alpha over grey checks, as image editors show it."""
    y, x = np.indices(alpha.shape)
    checks = np.where((x // 16 + y // 16) % 2 == 0, 96, 160).astype(np.float32)[..., None]
    mixed = checks + alpha[..., None] * (rgb.astype(np.float32) - checks)
    return np.round(mixed).astype(np.uint8)


def _scene(path: Path, tier: str, layer: str) -> Scene:
    job = SynthesizeJob(
        portrait=(path,), track=None, out=Path(), tier=tier, layer=layer, transfer="absolute"
    )
    portrait = open_portrait(path)
    height, width = portrait.picture.rgb.shape[:2]
    still = LandmarkTrack(portrait.points[None], np.ones(1, bool), Fraction(25), (width, height))
    return build_scene(job, still)


def _always(aim: Points, frame: int) -> Points:
    return aim


def _window(portrait: Portrait) -> tuple[slice, slice]:
    box = portrait.box
    left, top, right, bottom = portrait.visible()
    return np.s_[box.y + top : box.y + bottom, box.x + left : box.x + right]


def _fitted(picture: Picture, side: int) -> Picture:
    height, width = picture.shape[:2]
    zoom = side / max(height, width)
    small = cv2.resize(
        picture,
        (max(1, round(width * zoom)), max(1, round(height * zoom))),
        interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC,
    )
    cell = np.full((side, side, 3), 255, np.uint8)
    cell[: small.shape[0], : small.shape[1]] = small
    return cell


def turn_sheet(
    portraits: Sequence[Path],
    turns: Sequence[tuple[float, float]],
    tier: str,
    layer: str,
    side: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Picture:
    """The sheet of all portraits, each at rest and at all turns."""
    rows = []
    for done, path in enumerate(portraits):
        progress(done, len(portraits))
        rows.append(turned_portrait(path, turns, tier, layer))
    progress(len(portraits), len(portraits))
    return contact_sheet(rows, side)
