# SPDX-License-Identifier: GPL-3.0-or-later
"""Round trip on real people: synthesize a clip from its own first frame and capture it again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.capture.capture import capture_footage
from inference.capture.detector import FaceDetector
from inference.frames import encode_frame
from inference.jobs import SynthesizeJob
from inference.landmarks import interocular
from inference.pictures import read_picture
from inference.synthesis import synthesize
from inference.track import LandmarkTrack, save_track
from tests.movies import Picture, read_clip

CLIPS = ("s_obama_whitehouse_pd.mp4", "s_grid_female_ccby4.mp4", "s_grid_male_ccby4.mp4")


FRAMES = 40  # of each, which is enough for a sentence


@dataclass(frozen=True)
class Performed:
    """A clip's own frames, its track, and the frames that were made of its first one with it."""

    frames: list[Picture]
    track: LandmarkTrack
    made: Path

    def picture(self, index: int) -> NDArray[np.uint8]:
        return read_picture(self.made / f"full_{index:06d}.png").rgb8()


@pytest.fixture(scope="module")
def performed(
    footage: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Performed]:
    """A clip by its name, synthesized from its own first frame; each once."""

    @cache
    def perform(name: str) -> Performed:
        folder, clip = tmp_path_factory.mktemp("clip"), footage / "sample" / name
        frames = read_clip(clip, 0, FRAMES)
        portrait = folder / "first.png"
        portrait.write_bytes(encode_frame(frames[0], None, "png"))
        track = capture_footage(clip, first=0, last=FRAMES - 1).track
        save_track(track, folder / "driver.track.npz")
        job = SynthesizeJob(
            (portrait,), folder / "driver.track.npz", folder / "out", transfer="absolute",
            layer="full",
        )  # fmt: skip
        synthesize(job)
        return Performed(frames, track, folder / "out")

    return perform


@pytest.mark.footage
@pytest.mark.parametrize("clip", CLIPS)
def test_the_result_s_landmarks_are_the_driver_s(
    performed: Callable[[str], Performed], clip: str
) -> None:
    done = performed(clip)
    track, found = done.track, []
    assert len(track) == FRAMES
    with FaceDetector(1) as detector:
        for index in range(len(track)):
            faces = detector.find(done.picture(index))
            assert faces, f"no face in the synthesized frame {index}"
            found.append(faces[0])
    result = np.stack(found)

    unit = interocular(track.points[0])
    errors = np.linalg.norm((result - track.points)[..., :2], axis=2).mean(axis=1) / unit
    assert errors.mean() < 0.025, f"mean landmark error {errors.mean():.4f} of the eyes' distance"

    # Steadiness: where the result jumps from frame to frame, the driver does too.
    def jumps(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(np.diff(points, axis=0)[..., :2], axis=2).mean(axis=1) / unit

    assert (jumps(result) < jumps(track.points) + 0.03).all()


@pytest.mark.footage
def test_the_result_looks_more_like_the_driver_s_frame_than_the_still_does(
    performed: Callable[[str], Performed],
) -> None:
    """Pixels, not only points: inside the face the warp beats holding the first frame."""
    done = performed(CLIPS[0])
    frames, better = done.frames, []
    for index in range(5, FRAMES, 5):
        made = done.picture(index)
        outline = np.ascontiguousarray(done.track.points[index][:468, :2]).astype(np.int32)
        hull = cv2.convexHull(outline)
        face = cv2.fillConvexPoly(np.zeros(made.shape[:2], np.uint8), hull, 1) > 0
        truth = frames[index][face].astype(float)
        made_error = np.abs(made[face] - truth).mean()
        still_error = np.abs(frames[0][face] - truth).mean()
        better.append(made_error < still_error)
    assert np.mean(better) > 0.8
