# SPDX-License-Identifier: GPL-3.0-or-later
"""The invisible mark: its code, its pattern, where it lies, and that it is read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError
from inference.job_motion import open_motion
from inference.jobs import SynthesizeJob
from inference.mark.canonical import lay_back, lay_out, sheet
from inference.mark.code import LENGTH, WORDS, codebook, decode, encode
from inference.mark.detect import MarkReport, detect_mark
from inference.mark.embed import payload_of, signal, skin_mark
from inference.mark.patterns import COUNT, patterns
from inference.render import StageClock, render_frame
from inference.scene import Scene, build_scene

FRAMES = range(110, 135)  # one second, from the middle of a turn
# Of three patterns at one cell: frames that were marked with them must be read for good.
KNOWN = [-1.454, 0.9698, 0.9532]
Frames = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The sample's head, twice as large: its crop is 464 pixels."""
    folder = tmp_path_factory.mktemp("mark")
    picture = cv2.imread(str(PORTRAIT))[:290, 80:370]
    assert cv2.imwrite(str(folder / "p.png"), cv2.resize(picture, None, fx=2, fy=2))
    job = SynthesizeJob(
        (folder / "p.png",), TRACK, folder / "out", layer="full", provider="cpu", box=True
    )
    return build_scene(job, *open_motion(job))


@pytest.fixture(scope="module")
def marked(scene: Scene) -> Frames:
    return [rendered(scene, frame) for frame in FRAMES]


@pytest.fixture(scope="module")
def plain(scene: Scene) -> Frames:
    off = replace(scene, skin_mark=None)
    return [rendered(off, frame) for frame in FRAMES[::2]]


def rendered(scene: Scene, frame: int) -> NDArray[np.uint8]:
    return render_frame(scene, frame, StageClock())[0].astype(np.uint8)


def report(tmp_path: Path, frames: Frames, crf: int | None = None, rate: int = 25) -> MarkReport:
    path = tmp_path / "movie.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if crf is None else "libx264", rate=rate)
        stream.pix_fmt = "bgr0" if crf is None else "yuv420p"
        if crf is not None:
            stream.options = {"crf": str(crf)}
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    return detect_mark(path)


def test_a_payload_is_told_through_noise_and_noise_is_no_payload(rng: np.random.Generator) -> None:
    book = codebook()
    likes = book @ book.T
    assert len(book) == 4096 and np.sort(likes, axis=1)[:, -2].max() == LENGTH - 2 * 8
    for payload in (0, 1, 0xDEADBEEF, 0xFFFFFFFF):
        signs = encode(payload).copy()
        for word in signs:  # three of 24 are wrong, which is what the code promises to set right
            word[rng.choice(LENGTH, 3, replace=False)] *= -1
        assert decode(signs[None]) == [payload]
    noise = rng.standard_normal((1000, WORDS, LENGTH)).astype(np.float32)
    assert (decode(noise) == -1).all()


def test_the_patterns_are_what_they_were_when_frames_were_marked() -> None:
    drawn = patterns()
    flat = drawn.reshape(COUNT, -1)
    even = flat @ flat.T / sheet().skin.sum()
    assert np.abs(even - np.eye(COUNT)).max() < 1e-3
    assert not drawn[:, sheet().skin == 0].any()
    assert np.allclose(drawn[[0, 50, 119], 80, 30], KNOWN, atol=1e-3)
    assert 0.9 < np.sqrt((signal(0x12345678) ** 2).sum() / sheet().skin.sum() / 2) < 1.1


def test_what_lies_on_the_sheet_lies_on_a_face_and_is_laid_out_again(scene: Scene) -> None:
    pattern = signal(7)[0]
    points = scene.portrait.points
    picture = lay_back(pattern[..., None], points, scene.portrait.picture.size)[..., 0]
    again = lay_out(picture, points)
    skin = sheet().skin > 0
    assert np.corrcoef(again[skin], pattern[skin])[0, 1] > 0.9


def test_the_mark_is_on_the_skin_alone_and_too_weak_to_see(
    scene: Scene, marked: Frames, plain: Frames
) -> None:
    """Above 42 dB even over the marked skin by itself; elsewhere no pixel differs."""
    box = scene.portrait.box
    changed = np.stack(marked[::2]).astype(np.float32) - np.stack(plain)
    touched = np.abs(changed).max(axis=(0, 3)) > 0
    rows, columns = np.nonzero(touched)
    face = np.stack([scene.retarget(frame)[:, :2] for frame in FRAMES])
    low, high = face.min(axis=(0, 1)), face.max(axis=(0, 1))
    assert low[0] - 2 < columns.min() and columns.max() < high[0] + 2
    assert low[1] - 2 < rows.min() and rows.max() < high[1] + 2
    assert touched.sum() < 0.3 * box.width * box.height
    skin = changed[:, touched]
    assert 10 * np.log10(255**2 / (skin**2).mean()) > 42
    assert np.abs(skin).max() <= 6
    # From frame to frame it changes by far less than one step.
    steps = np.diff(skin[..., 0].mean(axis=-1))
    assert np.abs(steps).max() < 0.2


def test_a_frame_is_marked_the_same_whatever_was_made_before(scene: Scene, marked: Frames) -> None:
    again = rendered(scene, FRAMES[12])
    assert np.array_equal(again, marked[12])


def test_a_marked_second_names_its_portrait(
    scene: Scene, marked: Frames, plain: Frames, tmp_path: Path
) -> None:
    payload = payload_of(scene.portrait.picture.sha256)
    assert f"{payload:08x}" == scene.portrait.picture.sha256[:8]
    found = report(tmp_path, marked)
    assert (found.payload, found.digits) == (payload, scene.portrait.picture.sha256[:8])
    assert report(tmp_path, marked, crf=28).payload == payload
    curve = np.round(255 * np.minimum(1, np.arange(256) / 255 * 1.1) ** 0.8).astype(np.uint8)
    half = [cv2.resize(curve[f[30:-30, 30:-30]], (290, 290)) for f in marked]
    assert report(tmp_path, half).payload == payload
    unmarked = report(tmp_path, plain, rate=13)
    assert (unmarked.payload, unmarked.found, unmarked.digits) == (None, 0, "")


def test_the_strength_is_a_choice_and_off_is_one(scene: Scene) -> None:
    assert scene.skin_mark
    half = skin_mark(scene.portrait, 0.5, scene.skin_mark.rate, (256, 256))
    assert half
    assert np.allclose(half.planes * 2, scene.skin_mark.planes, atol=1e-4)
    assert skin_mark(scene.portrait, 0, scene.skin_mark.rate, (256, 256)) is None
    for wrong in (-0.1, 1.5):
        with pytest.raises(InputError, match=r"give 0 \(off\) to 1"):
            skin_mark(scene.portrait, wrong, scene.skin_mark.rate, (256, 256))
