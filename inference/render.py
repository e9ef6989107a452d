# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame: the head is moved, the network improves it, and it is laid where it belongs."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.composite import (
    Pixels,
    confine,
    face_region,
    keep_teeth,
    lay_over,
    merge,
)
from inference.generator.inputs import generator_input
from inference.head.frame import HeadFrame, HeadPose, draw_head, pose_head
from inference.head.source import rgb8
from inference.mark.embed import add_mark
from inference.mattes import Half, draw_mattes
from inference.merge.merged import Merge, lay_parts, plan
from inference.planes import bands, laid_over, rounded
from inference.scene import Ground, Scene
from inference.scene_teeth import with_teeth
from inference.warp.moved import cells, enlarged
from inference.warp.openings import Patch
from inference.warp.warp import TargetPose, pose_target, warp, warp_plane

STAGES = ("warp", "network", "composite", "write")

Plane = NDArray[np.float32]
# Alpha from which on the head hides the portrait below it: less is not seen.
_SHOWN = 1 / 32


@dataclass
class StageClock:
    """Adds up the time that threads spend in each stage."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[name] += time.perf_counter() - start


@dataclass(frozen=True)
class Rendered:
    """One frame. rgb: (H, W, 3); alpha: (H, W) or None, of the crop or of the whole portrait.

    mattes: as `mattes.draw_mattes` makes them, where the scene has parts.
    """

    rgb: Pixels
    alpha: Plane | None
    mattes: dict[str, Half] | None = None


def render_frame(scene: Scene, frame: int, clock: StageClock) -> tuple[Pixels, Plane | None]:
    """One frame's picture (H, W, 3) and alpha (H, W), of the crop or of the whole portrait."""
    made = render(replace(scene, parts=None), frame, clock)
    return made.rgb, made.alpha


def render(scene: Scene, frame: int, clock: StageClock) -> Rendered:
    """One frame, with its mattes where the scene has parts."""
    scene = with_teeth(scene, frame)
    generator = scene.generator
    size = (scene.portrait.box.width, scene.portrait.box.height)
    with clock.stage("warp"):
        corner = np.array([scene.portrait.box.x, scene.portrait.box.y, 0], np.float32)
        points = scene.retarget(frame) - corner
        head = pose_head(scene.ground.full, points) if scene.ground else None
        target = head.target if head else pose_target(scene.mesh, points, size)
        others = plan(scene.pictures, head) if scene.pictures and head else None
        small, patches = _small(scene, target, head, others)
        zoom = np.float32(generator.size) / np.array(size, np.float32)
        raster = others.raster if others else target.raster
        picture = generator_input(small, raster, target.points[:, :2] * zoom, patches)
    with clock.stage("network"):
        answer = generator.run(picture, scene.identity)
    with clock.stage("composite"):
        answer = keep_teeth(confine(answer, target.points[:, :2] * zoom), patches)
        residual = answer.flow / zoom
        if residual.any():
            small = _displaced(small, residual, size)
        match = scene.match.of_network if scene.match else None
        if scene.ground and head:
            know, counts = scene.parts is not None, others.leading() if others else None
            drawn = draw_head(scene.ground.full, head, residual, know=know, counts=counts)
            if others:
                drawn = lay_parts(others, drawn, residual=residual)
            full = _laid(scene.ground.plate, drawn, scene.ground.full.missed)
            made = _marked(scene, frame, merge(answer, small, full, match), target)
            picture_alpha = _finished(scene, scene.ground, drawn, full, made)
            mattes = None
            if scene.parts:
                region = _face_region(scene, target.points)
                mattes = draw_mattes(
                    scene.parts, scene.portrait, head, drawn, region, scene.alpha, residual
                )
            return Rendered(*picture_alpha, mattes)
        full, _ = warp(scene.full, target, size, residual)
        made = _marked(scene, frame, merge(answer, small, full, match), target)
        return Rendered(*_boxed(scene, target, made, residual))


def _marked(scene: Scene, frame: int, made: Pixels, target: TargetPose) -> Pixels:
    """A frame with its invisible mark, if the scene has one."""
    return add_mark(scene.skin_mark, frame, made, target.raster) if scene.skin_mark else made


def face_matte(scene: Scene, frame: int) -> NDArray[np.uint8]:
    """The region (H, W) in which the network may change the frame, 0 to 255; the layer's size."""
    portrait, box = scene.portrait, scene.portrait.box
    corner = np.array([box.x, box.y, 0], np.float32)
    grey = np.round(_face_region(scene, scene.retarget(frame) - corner) * 255).astype(np.uint8)
    if scene.layer == "head":
        return grey
    left, top, right, bottom = portrait.visible()
    whole = np.zeros(portrait.picture.rgb.shape[:2], np.uint8)
    whole[box.y + top : box.y + bottom, box.x + left : box.x + right] = grey[top:bottom, left:right]
    return whole


def _face_region(scene: Scene, points: NDArray[np.float32]) -> Plane:
    """The face's own region (H, W), 0 to 1, of landmarks (478, 3) in pixels of the crop."""
    side = scene.generator.size
    size = (scene.portrait.box.width, scene.portrait.box.height)
    region = face_region(points[:, :2] * (np.float32(side) / np.array(size, np.float32)), side)
    return cv2.resize(region, size, interpolation=cv2.INTER_LINEAR)


def _small(
    scene: Scene,
    target: TargetPose,
    head: HeadPose | None,
    others: Merge | None,
) -> tuple[NDArray[np.uint8], list[Patch]]:
    """The moved portrait as the network sees it, (S, S, 3), and its openings."""
    if scene.ground and head:
        small, linear = scene.ground.small, cv2.INTER_LINEAR
        counts = others.leading() if others else None
        frame = draw_head(small, head, None, linear, know=False, counts=counts)
        if others:
            how = cv2.INTER_LINEAR
            frame = lay_parts(others, frame, small=True, interpolation=how)
        laid = _laid(scene.ground.small_plate, frame, scene.ground.small_missed)
        return rgb8(laid), frame.patches
    size = (scene.portrait.box.width, scene.portrait.box.height)
    warped, patches = warp(scene.small, target, size, None, cv2.INTER_LINEAR)
    return rgb8(warped), patches


def _displaced(
    small: NDArray[np.uint8], residual: Plane, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """What was drawn, moved as the generator wants it: to draw it once is enough."""
    side = small.shape[0]
    where = enlarged(residual, (side, side), size) + cells(side, side)
    moved = cv2.remap(small, where, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _laid(plate: Pixels, frame: HeadFrame, missed: Plane) -> Pixels:
    """The head over its plate; at rest the portrait, whatever matte and plate miss of it."""
    return laid_over(plate, frame.pixels, frame.alpha, missed, frame.still)


def _finished(
    scene: Scene, ground: Ground, frame: HeadFrame, full: Pixels, made: Pixels
) -> tuple[Pixels, Plane | None]:
    """The layer that is wanted, of a head before its ground.

    full: the head over its plate before the network, made: after it.
    """
    portrait = scene.below or scene.portrait
    if scene.layer == "person" or not ground.is_there:
        person = _alone(frame, full, made)
        if scene.layer == "head":
            return person, scene.alpha * frame.alpha
        own = ground.layers
        return _in_whole(scene, own.person, own.alpha, person, frame.alpha, frame.still)
    hidden = ground.hole + np.float32(frame.still) * (ground.cover - ground.hole)
    cover = scene.alpha * np.maximum(hidden, np.minimum(frame.alpha * (1 / _SHOWN), 1))
    if scene.layer == "head":
        return made, cover
    return lay_over(portrait, made, cover)[0], None


def _alone(frame: HeadFrame, full: Pixels, made: Pixels) -> Pixels:
    """What the network changed, on the person's own colours, which hold nothing of the plate."""
    alone = np.empty_like(made)
    for rows in bands((made.shape[1], made.shape[0])):
        changed = made[rows].astype(np.float32)
        changed -= full[rows]
        changed += frame.pixels[rows]
        alone[rows] = rounded(changed, made.dtype)
    return alone


def _in_whole(
    scene: Scene, rgb: Pixels, alpha: Pixels, person: Pixels, moved: Plane, still: float
) -> tuple[Pixels, Plane]:
    """The cut-out person in the portrait's size, the crop's part moved: (H, W, 3) and (H, W).

    still: as of the frame.
    """
    box = scene.portrait.box
    left, top, right, bottom = scene.portrait.visible()
    here = np.s_[box.y + top : box.y + bottom, box.x + left : box.x + right]
    part = np.s_[top:bottom, left:right]
    whole, share = rgb.copy(), alpha.astype(np.float32) / np.iinfo(alpha.dtype).max
    edge = scene.alpha[part]
    whole[here] = np.where((edge > 0)[..., None], person[part], whole[here])
    # At rest the matte is the portrait's own, also where a head that moves loses some of its edge.
    share[here] += edge * np.float32(min(1, 10 - 10 * still)) * (moved[part] - share[here])
    return whole, share


def _boxed(
    scene: Scene, target: TargetPose, made: Pixels, residual: Plane
) -> tuple[Pixels, Plane | None]:
    """The layer that is wanted, of a head that moves with what surrounds it."""
    portrait = scene.portrait
    if scene.layer == "head":
        alpha, transparent = scene.alpha, portrait.crop_alpha()
        if transparent is not None:
            size = (portrait.box.width, portrait.box.height)
            top = np.iinfo(transparent.dtype).max
            alpha = alpha * (warp_plane(transparent, target, size, residual) / np.float32(top))
        return made, alpha
    whole, whole_alpha = lay_over(scene.below or portrait, made, scene.alpha)
    if whole_alpha is None:
        return whole, None
    return whole, whole_alpha.astype(np.float32) / np.iinfo(whole_alpha.dtype).max
