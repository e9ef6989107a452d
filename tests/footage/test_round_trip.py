# SPDX-License-Identifier: GPL-3.0-or-later
"""Round trip on real people: synthesize a clip from its own first frame and capture it again."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.capture.capture import capture_footage
from inference.capture.detector import FaceDetector
from inference.capture.video import Footage, open_footage, read_frames
from inference.frames import encode_frame
from inference.jobs import SynthesizeJob
from inference.landmarks import interocular
from inference.pictures import read_picture
from inference.synthesis import synthesize
from inference.track import LandmarkTrack, save_track

CLIPS = ("s_obama_whitehouse_pd.mp4", "s_grid_female_ccby4.mp4", "s_grid_male_ccby4.mp4")


def performed_by_itself(source: Footage, first: np.ndarray, folder: Path) -> LandmarkTrack:
    """Synthesize a clip from its own first frame into `folder`/out; returns the driver's track."""
    portrait = folder / "first.png"
    portrait.write_bytes(encode_frame(first, None, "png"))
    track = capture_footage(source.path).track
    save_track(track, folder / "driver.track.npz")
    job = SynthesizeJob(
        (portrait,), folder / "driver.track.npz", folder / "out", transfer="absolute",
        layer="full",
    )  # fmt: skip
    synthesize(job)
    return track


@pytest.mark.footage
@pytest.mark.parametrize("clip", CLIPS)
def test_the_result_s_landmarks_are_the_driver_s(footage: Path, tmp_path: Path, clip: str) -> None:
    source = open_footage(footage / "sample" / clip)
    first = next(iter(read_frames(source)))
    track = performed_by_itself(source, first.picture, tmp_path)

    found = []
    with FaceDetector(1) as detector:
        for index in range(len(track)):
            picture = read_picture(tmp_path / "out" / f"full_{index:06d}.png").rgb8()
            faces = detector.find(picture)
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
    footage: Path, tmp_path: Path
) -> None:
    """Pixels, not only points: inside the face the warp beats holding the first frame."""
    source = open_footage(footage / "sample" / CLIPS[0])
    frames = [frame.picture for frame in read_frames(source)]
    track = performed_by_itself(source, frames[0], tmp_path)
    better = []
    for index in range(5, len(frames), 5):
        made = read_picture(tmp_path / "out" / f"full_{index:06d}.png").rgb8()
        outline = np.ascontiguousarray(track.points[index][:468, :2]).astype(np.int32)
        hull = cv2.convexHull(outline)
        face = cv2.fillConvexPoly(np.zeros(made.shape[:2], np.uint8), hull, 1) > 0
        truth = frames[index][face].astype(float)
        made_error = np.abs(made[face] - truth).mean()
        still_error = np.abs(frames[0][face] - truth).mean()
        better.append(made_error < still_error)
    assert np.mean(better) > 0.8
