# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden frames: small head frames over portrait, driver, tier and layer, kept as pictures.

They guard PIXELS_VERSION: frames that an artist has on disk are kept as long as it stays, so it
must be raised when the pixels change, and only then.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.demo import PORTRAIT, TRACK
from inference.generator.contract import TIERS
from inference.job_motion import open_motion
from inference.jobs import LAYERS, SynthesizeJob
from inference.performance.retargeting.gains import Gains
from inference.pictures import read_picture
from inference.render import StageClock, render_frame
from inference.scene import build_scene

FOLDER = Path(__file__).parent
VERSION = FOLDER / "pixels_version.txt"
SIDE = 176  # pixels of the portraits: small files, and a face that is found
_HEAD = (80, 280)  # left edge and side of the part of the sample that holds the head, at its top

# How far a frame may be from its golden one, in steps of 255: 8-bit networks round differently on
# other processors, and libraries resample differently. A change that is seen is larger.
MEAN, WORST = 0.3, 12.0

Frame = tuple[NDArray[np.uint8], NDArray[np.float32] | None]


@dataclass(frozen=True)
class Case:
    """portrait: "colour"; "grey": 16 bits with a transparent ground; or "two": the first one
    and its mirror image. driver: see `_DRIVERS`.
    """

    portrait: str
    driver: str
    tier: str
    layer: str

    @property
    def name(self) -> str:
        return "-".join((self.portrait, self.driver, self.tier, self.layer))


_DRIVERS: dict[str, tuple[int, dict[str, Any]]] = {
    "talk": (118, {}),
    "strong": (31, {"gains": Gains(1.6, 1.4, 1.2, 1.5, 1.3), "neutralize": True, "feather": 0.05}),
}  # fmt: skip
CASES = [Case(*case) for case in product(("colour", "grey"), _DRIVERS, TIERS, LAYERS)]
CASES += [Case("two", driver, "draft", "full") for driver in _DRIVERS]


def made(case: Case) -> Frame:
    """The frame as it is made now: (H, W, 3) and (H, W), or no alpha."""
    frame, choices = _DRIVERS[case.driver]
    with tempfile.TemporaryDirectory() as folder:
        job = SynthesizeJob(
            _pictures(Path(folder), case.portrait), TRACK, Path(folder, "out"), neutral=12,
            tier=case.tier, layer=case.layer, provider="cpu",
        )  # fmt: skip
        job = replace(job, **choices)
        track, motion = open_motion(job)
        rgb, alpha = render_frame(build_scene(job, track, motion), frame, StageClock())
    return (rgb if rgb.dtype == np.uint8 else rgb // 257).astype(np.uint8), alpha


def golden(case: Case) -> Frame | None:
    """The frame as it is kept; None where there is none."""
    path = FOLDER / f"{case.name}.png"
    if not path.is_file():
        return None
    picture = read_picture(path)
    alpha = None if picture.alpha is None else picture.alpha.astype(np.float32) / 255
    return picture.rgb8(), alpha


def differs(frame: Frame, kept: Frame | None) -> str | None:
    """In words how a frame differs from the kept one; None where it is the same to the eye."""
    if kept is None:
        return "there is no golden frame"
    one, other = _shown(frame), _shown(kept)
    if one.shape != other.shape:
        return f"its size is {one.shape}, not {other.shape}"
    difference = np.abs(one - other)
    mean, worst = float(difference.mean()), float(np.percentile(difference, 99.9))
    if mean <= MEAN and worst <= WORST:
        return None
    return f"it differs by {mean:.2f} on average and {worst:.0f} of 255 at its worst"


def stored_version() -> int:
    """The version of the pixels that the golden frames were made with; 0 without any."""
    return int(VERSION.read_text(encoding="utf-8")) if VERSION.is_file() else 0


def _shown(frame: Frame) -> NDArray[np.float32]:
    """Colours as far as they are seen, and alpha, (H, W, 4)."""
    rgb, alpha = frame
    solid = np.ones(rgb.shape[:2], np.float32) if alpha is None else alpha
    return np.dstack([rgb * solid[..., None], solid * 255]).astype(np.float32)


def _pictures(folder: Path, kind: str) -> tuple[Path, ...]:
    if kind == "two":
        return _portrait(folder, "colour"), _portrait(folder, "mirrored")
    return (_portrait(folder, kind),)


def _portrait(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.png"
    picture = _small()
    if kind == "grey":
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 257
        distance = np.hypot(*np.ogrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j])
        ground = np.clip((distance - 0.8) * 9, 0, 1)
        picture = np.dstack([grey, grey, grey, ((1 - ground) * 65535).astype(np.uint16)])
    if kind == "mirrored":
        picture = np.ascontiguousarray(picture[:, ::-1])
    assert cv2.imwrite(str(path), picture)
    return path


@cache
def _small() -> NDArray[np.uint8]:
    picture = cv2.imread(str(PORTRAIT), cv2.IMREAD_COLOR)[: _HEAD[1], _HEAD[0] : sum(_HEAD)]
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
