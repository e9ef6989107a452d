# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait that performs: prepared once, then drawn for one state after another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.frames import encode_frame
from inference.jobs import SynthesizeJob
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose
from inference.performance.retargeting.gains import AS_ACTED, Gains
from inference.performance.retargeting.motion import Motion
from inference.performance.retargeting.retarget import Retarget, retarget_motion
from inference.pictures import read_picture
from inference.portrait import Box, open_portrait
from inference.progress import Progress
from inference.render import StageClock, render_frame
from inference.scene import Scene, build_scene
from inference.stream.state import FaceState, motion_of
from inference.track import LandmarkTrack

Points = NDArray[np.float32]
Pixels = NDArray[np.uint8]

CROP = 512  # pixels


@dataclass(frozen=True)
class Performing:
    """How the portrait performs. crop: its side in pixels at most, the portrait is made smaller."""

    portrait: Path
    portrait_face: int | None = None
    tier: str = "draft"
    provider: str = "auto"
    gains: Gains = AS_ACTED
    neutralize: bool = False
    box: bool = False
    crop: int = CROP


class Performer:
    """Draws states onto one portrait. `target` from one thread; `draw` from any."""

    def __init__(
        self,
        how: Performing,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Takes seconds, the first time for a portrait: its matte and plate are made.

        Raises InputError where the portrait cannot be used.
        """
        self._how = how
        with tempfile.TemporaryDirectory() as folder:
            path = _small_enough(how, Path(folder))
            job = SynthesizeJob(
                portrait=(path,), track=None, out=Path(folder), portrait_face=how.portrait_face,
                tier=how.tier, provider=how.provider, gains=how.gains, layer="full", box=how.box,
                mark=0.0,  # it turns from frame to frame, and these are not counted
            )  # fmt: skip
            mean = canonical_face().mean
            still = LandmarkTrack(mean[None], np.ones(1, bool), Fraction(25), (1, 1))
            motion = Motion(mean, lambda _: (_STILL, mean.astype(np.float64)))
            self._scene: Scene = build_scene(job, still, motion, progress, cancelled)
        self._neutral: Points | None = None
        self._retarget: Retarget | None = None
        self._now = motion

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, in pixels."""
        return self._scene.portrait.picture.size

    @property
    def head(self) -> Box:
        """The part of the pictures in which the head moves; it may reach beyond them."""
        return self._scene.portrait.box

    @property
    def words(self) -> str:
        """What it runs on, and what to look at in the portrait."""
        generator = self._scene.generator
        ran = f"{generator.provider} ({generator.reason})"
        return "; ".join(filter(None, (ran, self._scene.words)))

    def target(self, neutral: Points, state: FaceState) -> Points:
        """Where the portrait's landmarks go (478, 3) in its pixels, by the state of a face.

        neutral: that face at rest, canonical; the same array as long as it is the same face.
        """
        self._now = motion_of(neutral, state)
        if self._retarget is None or neutral is not self._neutral:
            self._neutral = neutral
            motion = Motion(neutral, lambda frame: self._now.at(frame))
            self._retarget = retarget_motion(
                self._scene.portrait.points, motion, self._how.gains, self._how.neutralize
            )
        return self._retarget(0)

    def draw(self, points: Points, clock: StageClock) -> Pixels:
        """The whole picture (H, W, 3) with its face at these landmarks."""
        rgb, alpha = render_frame(replace(self._scene, retarget=lambda _: points), 0, clock)
        if rgb.dtype != np.uint8:
            rgb = (rgb >> 8).astype(np.uint8)
        if alpha is not None:  # a portrait without ground stands on black
            rgb = (rgb * alpha[..., None]).astype(np.uint8)
        return np.asarray(rgb, np.uint8)


class LiveClock(StageClock):
    """Notes what one frame's stages take: seconds as they pass, and of the processor."""

    def __init__(self) -> None:
        super().__init__()
        self.processor: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        passed, worked = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - passed
            worked = time.thread_time() - worked
            self.processor[name] = self.processor.get(name, 0.0) + worked


_STILL = Pose(1.0, np.eye(3), np.zeros(3))


def _small_enough(how: Performing, folder: Path) -> Path:
    """The portrait, or a smaller copy of it where its crop has more pixels than wanted."""
    width = open_portrait(how.portrait, how.portrait_face).box.width
    share = how.crop / width
    if share >= 1:
        return how.portrait
    picture = read_picture(how.portrait)
    size = tuple(max(1, round(side * share)) for side in picture.size)
    rgb = cv2.resize(picture.rgb8(), size, interpolation=cv2.INTER_AREA)
    alpha = None
    if picture.alpha is not None:
        top = np.float32(np.iinfo(picture.alpha.dtype).max)
        alpha = cv2.resize(picture.alpha / top, size, interpolation=cv2.INTER_AREA)
    small = folder / "portrait.png"
    small.write_bytes(encode_frame(np.asarray(rgb), alpha, "png"))
    return small
