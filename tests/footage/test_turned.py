# SPDX-License-Identifier: GPL-3.0-or-later
"""Portraits that hide a cheek, turned back by a real head: one contour, and no jump on the way."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.capture.capture import capture_footage
from inference.landmarks import OVAL
from inference.performance.retargeting.reach import yaw
from inference.performance.retargeting.retarget import Retarget, retarget_relative
from inference.portrait import Portrait, open_portrait
from inference.track import fill_gaps
from inference.warp.mesh import build_mesh
from inference.warp.warp import pose_target, warp, warp_source

Pixels = NDArray[np.uint8]
Points = NDArray[np.float32]

CLIP = "v042_tv42_0.mp4"
# Where hair or background is darker than skin by far, and lies beside the hidden cheek.
PORTRAITS = ("s_mona_lisa_pd", "s_girl_pearl_earring_pd")


def performed(portrait: Portrait, points: Points) -> tuple[Pixels, Points]:
    """The pure warp to landmarks (478, 3) of the whole picture, and these in its own pixels."""
    size, own = (portrait.box.width, portrait.box.height), portrait.crop_points()
    target = points - np.array([portrait.box.x, portrait.box.y, 0], np.float32)
    source = warp_source(portrait.crop(), own)
    picture, _ = warp(source, pose_target(build_mesh(own, size), target, size), size)
    return picture.astype(np.uint8, copy=False), target.astype(np.float32, copy=False)


@pytest.fixture(scope="module", params=PORTRAITS)
def turning(footage: Path, request: pytest.FixtureRequest) -> tuple[Portrait, Retarget, list[int]]:
    """A portrait, how it is moved by the clip, and the frames from its own pose to the front."""
    portrait = open_portrait(footage / "sample" / f"{request.param}.jpg")
    track = fill_gaps(capture_footage(footage / "clips" / CLIP).track)
    at = retarget_relative(portrait.points, track)
    turns = np.array([yaw(at(frame)) for frame in range(len(track))])
    assert yaw(portrait.points) < -15, "the portrait is meant to hide a cheek"
    most = int(turns.argmax())
    assert turns[most] > yaw(portrait.points) + 8, "the clip is meant to turn it back"
    return portrait, at, list(range(most - 12, most + 1))


def contours(picture: Pixels, points: Points) -> NDArray[np.int_]:
    """How often each row from brow to mouth goes from dark to light on its way into the face.

    From outside the hidden cheek (the picture's left) to below the eye's middle.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 0.7).astype(float)
    height = float(np.ptp(points[list(OVAL), 1]))
    left, right = points[:468, 0].min() - 0.06 * height, points[159, 0]
    top, bottom = points[145, 1] + 0.03 * height, points[61, 1] - 0.06 * height
    part = grey[round(top) : round(bottom), round(left) : round(right)]
    dark, light = np.quantile(part[:, :4], 0.5), np.quantile(part[:, -8:], 0.5)
    assert light > dark + 60
    low, high = dark + 0.35 * (light - dark), dark + 0.45 * (light - dark)
    counts = []
    for row in part:
        outside, count = True, 0
        for value in row:
            if outside and value > high:
                outside, count = False, count + 1
            elif not outside and value < low:
                outside = True
        counts.append(count)
    return np.array(counts)


@pytest.mark.footage
def test_a_cheek_that_comes_to_light_has_one_contour(
    turning: tuple[Portrait, Retarget, list[int]],
) -> None:
    portrait, at, frames = turning
    own = contours(*performed(portrait, portrait.points))
    assert (own == 1).mean() > 0.97, "the portrait itself has one"
    picture, points = performed(portrait, at(frames[-1]))
    found = contours(picture, points)
    assert (found == 1).mean() > 0.97, f"{(found > 1).mean():.0%} of the rows show more than one"


@pytest.mark.footage
def test_nothing_jumps_while_the_head_turns(
    turning: tuple[Portrait, Retarget, list[int]],
) -> None:
    """Between two frames of the clip the picture changes evenly, wherever one looks."""
    portrait, at, frames = turning
    start, end = at(frames[0]), at(frames[-1])
    steps = [start + np.float32(share) * (end - start) for share in np.linspace(0, 1, 25)]
    pictures = [
        cv2.blur(performed(portrait, points)[0], (9, 9)).astype(np.float32) for points in steps
    ]
    changes = np.array(
        [
            np.abs(after - before).mean(axis=-1).max()
            for before, after in zip(pictures, pictures[1:], strict=False)
        ]
    )
    assert changes.max() < 1.6 * np.median(changes), np.round(changes, 1)
