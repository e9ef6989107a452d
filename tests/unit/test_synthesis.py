# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesis with the shipped models: sharp where still, exact in chunks, whole after any end."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.composite import confine, feather
from inference.demo import PORTRAIT, TRACK
from inference.errors import Cancelled, InputError
from inference.frames import encode_frame
from inference.generator.model import GeneratorOutput, load_generator
from inference.job_motion import open_motion
from inference.jobs import PerformanceJob, SynthesizeJob
from inference.landmarks import OVAL
from inference.layers.plate import find_hole
from inference.layers.trimap import make_face
from inference.performance.face.canonical import control_index
from inference.performance.retargeting.gains import Gains
from inference.performance.retargeting.retarget import retarget_motion, retarget_relative
from inference.performance.taking.performance import load_performance, save_performance
from inference.performance_job import run_performance
from inference.pictures import read_picture
from inference.portrait import Portrait, open_portrait
from inference.render import StageClock, render_frame
from inference.scene import build_scene
from inference.synthesis import synthesize
from inference.track import LandmarkTrack, load_track, save_track

ROOT = Path(__file__).parents[2]


def own_track(path: Path, points: np.ndarray, size: tuple[int, int]) -> Path:
    """A track whose only frame is the portrait's own landmarks."""
    track = LandmarkTrack(points[None], np.ones(1, bool), Fraction(25), size)
    save_track(track, path)
    return path


def feathered(portrait: Portrait) -> np.ndarray:
    """The head layer's own alpha in the whole picture (H, W)."""
    left, top, right, bottom = portrait.visible()
    box, whole = portrait.box, np.zeros(portrait.picture.rgb.shape[:2], np.float32)
    here = np.s_[box.y + top : box.y + bottom, box.x + left : box.x + right]
    whole[here] = feather(portrait)[top:bottom, left:right]
    return whole


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(((a.astype(float) - b.astype(float)) ** 2).mean())
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def test_untrained_models_equal_the_pure_warp(untrained: Path) -> None:
    """Whatever the picture, an untrained network leaves the warped portrait as it is."""
    generator = load_generator(untrained, "cpu")
    assert (generator.training, generator.tier) == ("untrained", "draft")
    picture = np.random.default_rng(1).random((11, generator.size, generator.size), np.float32)
    answer = generator.run(picture)
    assert np.abs(answer.flow).max() == 0
    np.testing.assert_allclose(answer.colour, np.moveaxis(picture[:3], 0, -1), atol=1e-6)
    np.testing.assert_allclose(answer.alpha, 0.9, atol=1e-3)


def test_a_large_portrait_stays_as_sharp_as_it_was(tmp_path: Path) -> None:
    """3000 pixels: untouched outside the crop (> 45 dB), its own pixels inside (> 40 dB)."""
    small = read_picture(PORTRAIT).rgb8()
    large = cv2.resize(small, (3000, 3000), interpolation=cv2.INTER_CUBIC).astype(int)
    # Detail of one pixel, which any resampling would soften.
    large += np.random.default_rng(0).integers(-12, 13, large.shape)
    path = tmp_path / "large.png"
    path.write_bytes(encode_frame(np.clip(large, 0, 255).astype(np.uint8), None, "png"))
    portrait = open_portrait(path)
    track = own_track(tmp_path / "own.track.npz", portrait.points, portrait.picture.size)
    job = SynthesizeJob((path,), track, tmp_path / "out", layer="full", transfer="absolute")
    result = synthesize(job)
    assert result.made == 1
    made = read_picture(tmp_path / "out" / "full_000000.png").rgb8()
    box = portrait.box
    inside = np.zeros(made.shape[:2], bool)
    inside[max(0, box.y) : box.y + box.height, max(0, box.x) : box.x + box.width] = True
    before = portrait.picture.rgb8()
    assert psnr(made[~inside], before[~inside]) > 45
    assert psnr(made[inside], before[inside]) > 40


def test_the_head_layer_fades_to_nothing_at_the_crop_s_edge() -> None:
    portrait = open_portrait(PORTRAIT)
    alpha = feather(portrait)
    left, top, right, bottom = portrait.visible()
    assert alpha[(bottom - top) // 2, (right - left) // 2] == 1
    for edge in (alpha[:, 0], alpha[:, -1], alpha[-1]):
        assert edge.max() < 0.05
    # This crop reaches above the picture: nothing there, and no fading at the picture's own edge.
    assert top > 0
    assert alpha[:top].max() == 0
    assert alpha[top, alpha.shape[1] // 2] == 1


def test_a_trained_answer_shows_in_the_frame(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Where alpha is nought, the network's colour is the frame's; elsewhere nothing changes."""
    track = load_track(TRACK)
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path, provider="cpu", mark=0)
    scene = build_scene(job, track)
    size = scene.generator.size

    class Painter:
        def __init__(self, paints: bool) -> None:
            self.size = size
            self.paints = paints

        def run(self, picture: np.ndarray, identity: np.ndarray) -> GeneratorOutput:
            alpha = np.full((size, size), 0.9, np.float32)
            colour = np.ascontiguousarray(np.moveaxis(picture[:3], 0, -1))
            if self.paints:
                alpha[100:140, 100:140] = 0
                colour[100:140, 100:140] = (1, 0, 0)
            flow = np.zeros((size // 4, size // 4, 2), np.float32)
            return GeneratorOutput(flow, colour, alpha, alpha)

    painted, plain = (
        render_frame(replace(scene, generator=Painter(paints)), 0, StageClock())[0]  # type: ignore[arg-type]
        for paints in (True, False)
    )
    zoom = painted.shape[0] / size
    low, high = int(108 * zoom), int(132 * zoom)
    patch = painted[low:high, low:high].reshape(-1, 3).astype(int)
    assert np.abs(patch - (255, 0, 0)).max() <= 2
    outside = np.ones(painted.shape[:2], bool)
    outside[int(96 * zoom) : int(144 * zoom), int(96 * zoom) : int(144 * zoom)] = False
    assert np.abs(painted[outside].astype(int) - plain[outside]).max() <= 1


def test_a_head_that_has_moved_leaves_no_strand_behind(tmp_path: Path) -> None:
    portrait = open_portrait(PORTRAIT)
    down = np.array([0, 0.1 * np.ptp(portrait.points[:, 1]), 0], np.float32)
    points = np.stack([portrait.points, portrait.points + down])
    track = tmp_path / "moved.track.npz"
    seen = np.ones(2, bool)
    save_track(LandmarkTrack(points, seen, Fraction(25), portrait.picture.size), track)
    job = SynthesizeJob((PORTRAIT,), track, tmp_path, neutral=0, provider="cpu")
    full, person = (
        build_scene(replace(job, layer=layer), load_track(track)) for layer in ("full", "person")
    )
    assert full.ground is not None
    layers, face = full.ground.layers, make_face(portrait.points[list(OVAL), :2])
    alpha = render_frame(person, 1, StageClock())[1]
    hole, cover = find_hole(layers.alpha, face)
    rim = hole & (cover < 0.5)
    shown = rim & (alpha == 0) & (feathered(portrait) == 1)
    assert shown.sum() > 200
    made = render_frame(full, 1, StageClock())[0]
    off = np.abs(made[shown].astype(int) - layers.plate[shown])
    print(off.max(), off.mean())
    assert off.max() <= 1


def test_hair_and_background_stay_the_warp_s() -> None:
    """An answer that would paint everything reaches the face alone."""
    size = 256
    points = open_portrait(PORTRAIT).crop_points()[:, :2] * size / open_portrait(PORTRAIT).box.width
    everything = GeneratorOutput(
        np.ones((64, 64, 2), np.float32),
        np.ones((size, size, 3), np.float32),
        np.zeros((size, size), np.float32),
        np.ones((size, size), np.float32),
    )
    kept = confine(everything, points)
    nose, chin = points[4].astype(int), points[152].astype(int)
    assert kept.alpha[nose[1], nose[0]] == 0
    assert kept.flow[nose[1] // 4, nose[0] // 4].min() == 1
    hair = points[10].astype(int) - (0, 12)
    for x, y in (hair, chin + (0, 8), (5, 5), (250, 128)):
        assert kept.alpha[y, x] == 1
        assert not kept.flow[y // 4, x // 4].any()


def frames_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("head_*.png"))}


def test_chunks_give_the_same_bytes_as_one_run(tmp_path: Path) -> None:
    whole = SynthesizeJob((PORTRAIT,), TRACK, tmp_path / "whole", frames=(0, 11))
    synthesize(whole)
    for frames in ((8, 11), (0, 3), (4, 7)):
        synthesize(replace(whole, out=tmp_path / "chunks", frames=frames))
    assert len(frames_of(tmp_path / "whole")) == 12
    assert frames_of(tmp_path / "chunks") == frames_of(tmp_path / "whole")


def test_only_missing_frames_are_made_and_another_job_s_are_replaced(tmp_path: Path) -> None:
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path, frames=(0, 3))
    assert synthesize(job).made == 4
    (tmp_path / "head_000002.png").unlink()
    again = synthesize(job)
    assert (again.made, again.kept) == (1, 3)
    other = synthesize(replace(job, neutral=5))
    assert (other.made, other.kept) == (4, 0)


def test_only_frames_whose_own_landmarks_changed_are_made_again(tmp_path: Path) -> None:
    track = load_track(TRACK)
    path = tmp_path / "driver.track.npz"
    save_track(track, path)
    job = SynthesizeJob((PORTRAIT,), path, tmp_path / "out", neutral=12, frames=(0, 5))
    assert synthesize(job).made == 6
    before = frames_of(job.out)
    edited = replace(track, points=track.points.copy())
    edited.points[3, 300:] += np.float32(2)
    save_track(edited, path)
    again = synthesize(job)
    assert (again.made, again.kept) == (1, 5)
    after = frames_of(job.out)
    assert [name for name in before if before[name] != after[name]] == ["head_000003.png"]
    save_track(track, path)
    assert synthesize(job).made == 1
    assert frames_of(job.out) == before


def test_a_frame_that_nothing_vouches_for_is_made_again(tmp_path: Path) -> None:
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path, frames=(0, 2))
    synthesize(job)
    before = frames_of(tmp_path)
    # As if a kill had come after the marks were set and before any frame was made.
    (tmp_path / "head_000001.png").unlink()
    assert (synthesize(job).made, frames_of(tmp_path)) == (1, before)
    (tmp_path / "head_000002.png").write_bytes(b"from elsewhere")
    (tmp_path / "frames.marks").write_bytes((tmp_path / "frames.marks").read_bytes()[:64])
    assert (synthesize(job).made, frames_of(tmp_path)) == (1, before)


def test_frames_beyond_a_shorter_take_go(tmp_path: Path) -> None:
    track = load_track(TRACK)
    path = tmp_path / "driver.track.npz"
    save_track(track, path)
    job = SynthesizeJob((PORTRAIT,), path, tmp_path / "out", neutral=1, frames=(0, 4))
    synthesize(job)
    save_track(replace(track, points=track.points[:3], valid=track.valid[:3]), path)
    result = synthesize(replace(job, frames=None))
    assert (result.made, result.kept) == (0, 3)
    assert len(frames_of(job.out)) == 3


def test_a_performance_is_performed_as_its_track_and_an_edited_curve_makes_its_frames_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "driver.performance.npz"
    recorded = run_performance(PerformanceJob(TRACK, path))
    assert (recorded.frames, recorded.gaps, len(recorded.neutral)) == (240, 0, 5)
    job = SynthesizeJob((PORTRAIT,), None, tmp_path / "out", frames=(100, 105), performance=path)
    _, motion = open_motion(job)
    by_track = retarget_relative(open_portrait(PORTRAIT).points, load_track(TRACK))
    by_curves = retarget_motion(open_portrait(PORTRAIT).points, motion)
    for frame in (0, 60, 150):
        assert np.abs(by_track(frame) - by_curves(frame))[:, :2].max() < 0.3
    assert synthesize(job).made == 6
    performance = load_performance(path)
    performance.controls[102:104, control_index("jaw_open")] += 0.3
    save_performance(performance, tmp_path / "plain.performance.npz")
    with np.load(path) as old, np.load(tmp_path / "plain.performance.npz") as new:
        np.savez(path, **{**{name: old[name] for name in old.files}, "controls": new["controls"]})
    again = synthesize(job)
    assert (again.made, again.kept) == (2, 4)


def test_a_job_names_one_motion(tmp_path: Path) -> None:
    for track, performance in ((None, None), (TRACK, TRACK)):
        job = SynthesizeJob((PORTRAIT,), track, tmp_path, performance=performance)
        with pytest.raises(InputError, match="one of the two"):
            synthesize(job)


def test_cancel_keeps_whole_frames(tmp_path: Path) -> None:
    seen: list[int] = []
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path)
    with pytest.raises(Cancelled):
        synthesize(job, lambda done, total: seen.append(done), lambda: len(seen) >= 3)
    made = frames_of(tmp_path)
    assert 3 <= len(made) <= 8
    assert all(data.endswith(b"IEND\xaeB`\x82") for data in made.values())
    assert not list(tmp_path.glob("*.part"))


def test_a_killed_run_leaves_whole_frames_and_the_next_goes_on(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "inference", "synthesize", "--portrait", str(PORTRAIT),
        "--track", str(TRACK), "--out", str(tmp_path), "--frames", "0-39",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(frames_of(tmp_path)) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = frames_of(tmp_path)
    assert 5 <= len(killed) < 40
    assert all(data.endswith(b"IEND\xaeB`\x82") for data in killed.values())
    # As if the kill had come in the middle of a write.
    (tmp_path / "head_000039.png.0123456789ab.part").write_bytes(b"\x89PNG torn")
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path, frames=(0, 39), preview=True)
    result = synthesize(job)
    assert result.kept == len(killed)
    assert result.made == 40 - len(killed)
    assert {name: frames_of(tmp_path)[name] for name in killed} == killed
    assert not list(tmp_path.glob("*.part"))


def test_the_sidecar_says_where_the_frames_go(tmp_path: Path) -> None:
    synthesize(SynthesizeJob((PORTRAIT,), TRACK, tmp_path, frames=(0, 0), preview=True))
    placement = json.loads((tmp_path / "head.json").read_text(encoding="utf-8"))
    portrait = open_portrait(PORTRAIT)
    box = portrait.box
    assert placement["box"] == [box.x, box.y, box.width, box.height]
    assert placement["mark"] == {"strength": 1.0, "payload": portrait.picture.sha256[:8]}
    assert placement["portrait_size"] == [512, 512]
    assert placement["rate"] == [25, 1]
    assert placement["count"] == 240
    assert placement["pattern"] % 0 == "head_000000.png"
    assert (box.width % 2, box.height % 2) == (0, 0), "the parity of the picture's sides"


@pytest.mark.parametrize("form", ["png", "png16", "exr"])
def test_every_format_holds_the_same_picture(tmp_path: Path, form: str) -> None:
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path / "png", frames=(30, 30))
    synthesize(job)
    synthesize(replace(job, out=tmp_path / form, format=form))
    expected = cv2.imread(str(tmp_path / "png" / "head_000030.png"), cv2.IMREAD_UNCHANGED)
    if form == "exr":
        os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
    path = next((tmp_path / form).glob("head_000030.*"))
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found.dtype == {"png": np.uint8, "png16": np.uint16, "exr": np.float32}[form]
    if form == "png16":
        found = found / 257
    elif form == "exr":
        alpha = found[..., 3:]
        linear = found[..., :3] / np.maximum(alpha, 1e-4)
        srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
        found = np.concatenate([srgb, alpha], axis=-1) * 255
    solid = expected[..., 3] > 64
    assert np.abs(found[solid] - expected[solid].astype(float)).max() < 1.5


def test_several_pictures_lend_their_open_mouth(tmp_path: Path) -> None:
    """A second picture of the person with the mouth open fills the inside with its own pixels."""
    shut = open_portrait(PORTRAIT)
    track = load_track(TRACK)
    wide = int(np.argmax(np.linalg.norm(track.points[:, 13] - track.points[:, 14], axis=1)))
    opened = tmp_path / "open.png"
    rgb = shut.picture.rgb8().copy()
    scene = build_scene(SynthesizeJob((PORTRAIT,), TRACK, tmp_path, layer="full"), track)
    made, _ = render_frame(scene, wide, StageClock())
    rgb[:] = made
    mouth = scene.retarget(wide)[[13, 14], :2].mean(axis=0).astype(int)
    rgb[mouth[1] - 1 : mouth[1] + 3, mouth[0] - 4 : mouth[0] + 5] = (40, 200, 40)
    opened.write_bytes(encode_frame(rgb, None, "png"))
    both = SynthesizeJob((PORTRAIT, opened), TRACK, tmp_path, layer="full")
    borrowed, _ = render_frame(build_scene(both, track), wide, StageClock())
    green = borrowed[mouth[1] - 1 : mouth[1] + 3, mouth[0] - 4 : mouth[0] + 5].astype(int)
    assert (green[..., 1] - green[..., 0]).mean() > 30


@pytest.mark.parametrize(
    "change",
    [
        {"transfer": "sideways"},
        {"layer": "hat"},
        {"format": "gif"},
        {"tier": "royal"},
        {"provider": "abacus"},
        {"frames": (5, 4)},
        {"frames": (0, 240)},
        {"neutral": 4000},
        {"gains": Gains(mouth=3)},
        {"smooth_pose": 1.5},
    ],
)
def test_a_choice_that_does_not_exist_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    job = replace(SynthesizeJob((PORTRAIT,), TRACK, tmp_path / "out"), **change)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        synthesize(job)
    assert not frames_of(tmp_path / "out")


def test_frames_made_one_by_one_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path / "many", frames=(95, 97))
    synthesize(job)
    monkeypatch.setattr("inference.synthesis._LARGE", 0)  # as for a crop of millions of pixels
    synthesize(replace(job, out=tmp_path / "single"))
    for index in range(95, 98):
        many, single = (tmp_path / name / f"head_{index:06d}.png" for name in ("many", "single"))
        assert many.read_bytes() == single.read_bytes()


def test_a_matte_lies_on_the_face_and_does_not_make_frames_anew(tmp_path: Path) -> None:
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path, frames=(0, 2))
    assert synthesize(job).made == 3
    times = [(tmp_path / f"head_{k:06d}.png").stat().st_mtime_ns for k in range(3)]
    with_matte = replace(job, matte="face")
    assert synthesize(with_matte).made == 3  # the mattes alone
    assert times == [(tmp_path / f"head_{k:06d}.png").stat().st_mtime_ns for k in range(3)]
    assert synthesize(with_matte).kept == 3
    assert json.loads((tmp_path / "head.json").read_text())["matte"] == "matte_%06d.png"

    scene = build_scene(with_matte, load_track(TRACK))
    box = scene.portrait.box
    matte = cv2.imread(str(tmp_path / "matte_000002.png"), cv2.IMREAD_UNCHANGED)
    assert matte.dtype == np.uint8 and matte.shape == (box.height, box.width)
    points = scene.retarget(2)[:, :2] - (box.x, box.y)
    nose, (left, top), (right, bottom) = points[1], points.min(0), points.max(0)
    assert matte[int(nose[1]), int(nose[0])] == 255
    assert np.unique(matte).size > 50  # a soft edge
    slack = 2 * int(np.ceil(box.width / scene.generator.size))  # two pixels of the network's
    matte[int(top) - slack : int(bottom) + slack, int(left) - slack : int(right) + slack] = 0
    assert not matte.any()  # nothing beyond the face

    (tmp_path / "matte_000001.png").unlink()
    assert synthesize(with_matte).made == 1
    assert synthesize(replace(with_matte, gains=Gains(pose=0.5))).made == 3
    synthesize(replace(job, tier="draft", feather=0.1))
    assert not list(tmp_path.glob("matte_*"))  # those of other frames go
