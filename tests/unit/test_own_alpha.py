# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait with alpha of its own keeps it where nothing moves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from inference.demo import PORTRAIT
from inference.jobs import SynthesizeJob
from inference.portrait import open_portrait
from inference.render import StageClock, render_frame
from inference.scene import build_scene
from inference.track import LandmarkTrack, save_track


def test_a_head_at_rest_keeps_the_portrait_s_own_alpha(tmp_path: Path) -> None:
    """An oval that is cut close, so that its edge runs through the face's crop."""
    picture = cv2.resize(cv2.imread(str(PORTRAIT)), None, fx=0.6, fy=0.6)
    height, width = picture.shape[:2]
    alpha = np.zeros((height, width), np.uint8)
    middle, half = (width // 2, height * 2 // 5), (width * 3 // 10, height * 9 // 20)
    cv2.ellipse(alpha, middle, half, 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 2)
    path = tmp_path / "oval.png"
    cv2.imwrite(str(path), np.dstack([picture, alpha]))
    points = open_portrait(path).points
    track = LandmarkTrack(points[None], np.ones(1, bool), Fraction(25), (width, height))
    save_track(track, tmp_path / "own.track.npz")
    job = SynthesizeJob(
        (path,), tmp_path / "own.track.npz", tmp_path, neutral=0, layer="person", provider="cpu"
    )
    made = render_frame(build_scene(job, track), 0, StageClock())[1]
    assert made is not None
    np.testing.assert_allclose(made * 255, alpha, atol=1)
