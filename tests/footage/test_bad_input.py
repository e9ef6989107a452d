# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake is answered with one clear line, the right exit code, and nothing half-written.

All of it goes through the command line; of each kind some in a process of its own, as a person
starts it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.errors import LikenessError
from inference.generator.model import model_path
from inference.pictures import read_picture
from inference.portrait import open_portrait
from inference.track import load_track, save_track
from tests.conftest import RunCli
from tests.footage.refusals import SIDECARS, assert_refused, files_in, synthesized
from tests.movies import Picture, cut_file, on_canvas, read_clip, write_movie

pytestmark = pytest.mark.footage

ANNA, BEA, CARL = "clips/v215_ls1_0.mp4", "clips/v136_aoc_0.mp4", "clips/v100_trump_0.mp4"


@pytest.fixture(scope="module")
def anna(footage: Path) -> list[Picture]:
    return read_clip(footage / ANNA, count=50)


@pytest.fixture
def portrait(samples: Path) -> Path:
    return samples / "eileen_collins.png"


@pytest.fixture
def track(samples: Path) -> Path:
    return samples / "weekly_address.track.npz"


def save_picture(path: Path, rgb: Picture) -> Path:
    cv2.imencode(path.suffix, np.ascontiguousarray(rgb[..., ::-1]))[1].tofile(path)
    return path


# Footage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"This is no video.\n" * 100], ids=["empty", "text"])
def test_footage_that_is_no_video(tmp_path: Path, run_process: RunCli, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    out = tmp_path / "out" / "a.track.npz"
    assert_refused(run_process("capture", path, "--out", out), path, "not a video")
    assert files_in(out.parent) == []


def test_footage_that_is_missing_or_a_folder(tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "out" / "a.track.npz"
    missing = tmp_path / "nobody.mp4"
    assert_refused(run_cli("capture", missing, "--out", out), missing, "no such file")
    assert_refused(run_cli("capture", tmp_path, "--out", out), tmp_path, "folder")
    assert files_in(tmp_path) == []


def test_an_mp4_whose_index_was_cut_off(
    tmp_path: Path, run_cli: RunCli, anna: list[Picture]
) -> None:
    path = cut_file(write_movie(tmp_path / "cut.mp4", anna), 0.8)
    out = tmp_path / "out" / "a.track.npz"
    assert_refused(run_cli("capture", path, "--out", out), path, "truncated")
    assert files_in(out.parent) == []


def test_an_mp4_whose_pictures_were_cut_off(
    tmp_path: Path, run_cli: RunCli, anna: list[Picture]
) -> None:
    """It opens, and breaks off in the middle: the line says what can be had, and that works."""
    movie = write_movie(tmp_path / "cut.mp4", anna, b_frames=2, faststart=True)
    path = cut_file(movie, 0.6)
    out = tmp_path / "out" / "a.track.npz"
    refused = run_cli("capture", path, "--out", out)
    assert_refused(refused, path, "breaks off", "of 50", "the frames 0-")
    assert files_in(out.parent) == []
    advice = refused.stderr.rsplit("the frames ", 1)[1].strip()
    done = run_cli("capture", path, "--out", out, "--frames", advice)
    assert done.code == 0 and done.error_lines == []
    kept = load_track(out)
    assert len(kept) == int(advice.split("-")[1]) + 1 and kept.valid.all()


def test_a_video_without_a_face(tmp_path: Path, run_cli: RunCli, anna: list[Picture]) -> None:
    path = write_movie(tmp_path / "nobody.mp4", [frame[:40, :40] for frame in anna[:12]])
    out = tmp_path / "out" / "a.track.npz"
    assert_refused(run_cli("capture", path, "--out", out), path, "no face")
    assert files_in(out.parent) == []


def test_a_face_in_one_frame_is_enough_for_head_frames(
    tmp_path: Path, run_cli: RunCli, anna: list[Picture], portrait: Path
) -> None:
    blank = np.full_like(anna[0], 90)
    clip = write_movie(tmp_path / "once.mp4", [blank] * 3 + [anna[3]] + [blank] * 3)
    out = tmp_path / "once.track.npz"
    captured = run_cli("capture", clip, "--out", out)
    assert captured.code == 0 and captured.error_lines == []
    assert load_track(out).valid.tolist() == [index == 3 for index in range(7)]
    frames = tmp_path / "frames"
    done = run_cli("synthesize", "--portrait", portrait, "--track", out, "--out", frames)
    assert done.code == 0 and done.error_lines == [] and "6 gaps" in done.stdout
    made = [f"head_{i:06d}.png" for i in range(7)]
    assert files_in(frames) == sorted([*SIDECARS, *made])


def test_a_face_number_that_the_clip_does_not_have(
    tmp_path: Path, run_cli: RunCli, footage: Path
) -> None:
    out = tmp_path / "a.track.npz"
    for number in ("2", "0", "-1"):
        done = run_cli(
            "capture", footage / BEA, "--out", out, f"--face={number}", "--frames", "0-2"
        )
        assert_refused(done, footage / BEA, f"no face {number}", "faces are 1")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("text", ["5", "5-", "-5", "a-b", "1-2-3", ""])
def test_frames_that_are_no_range(
    tmp_path: Path, run_cli: RunCli, footage: Path, track: Path, portrait: Path, text: str
) -> None:
    out = tmp_path / "a.track.npz"
    capture = run_cli("capture", footage / ANNA, "--out", out, f"--frames={text}")
    assert_refused(capture, "--frames", f"'{text}' is not a range")
    assert files_in(tmp_path) == []


def test_frames_outside_of_the_clip_or_track(
    tmp_path: Path, run_cli: RunCli, footage: Path, track: Path, portrait: Path
) -> None:
    out = tmp_path / "a.track.npz"
    clip = footage / "sample" / "s_grid_male_ccby4.mp4"
    backwards = run_cli("capture", clip, "--out", out, "--frames", "9-3")
    assert_refused(backwards, clip, "no frames 9-3")
    beyond = run_cli("capture", clip, "--out", out, "--frames", "75-80")
    assert_refused(beyond, clip, "ends before frame 75")
    given = ("--portrait", portrait, "--track", track, "--out", tmp_path / "frames", "--frames")
    for text in ("9-3", "239-240", "500-600"):
        assert_refused(run_cli("synthesize", *given, text), track, "0 to 239", text)
    assert files_in(tmp_path) == []


def test_a_track_must_be_named_as_one(tmp_path: Path, run_cli: RunCli, footage: Path) -> None:
    for name in ("a.npz", "a.track", "track"):
        done = run_cli("capture", footage / ANNA, "--out", tmp_path / name)
        assert_refused(done, tmp_path / name, ".track.npz")
    assert files_in(tmp_path) == []


def test_an_option_that_is_missing_or_unknown(run_process: RunCli, footage: Path) -> None:
    assert_refused(run_process("capture", footage / ANNA), "--out")
    assert_refused(
        run_process("capture", footage / ANNA, "--out", "a.track.npz", "--loud"), "--loud"
    )
    assert_refused(run_process("dance"), "dance")
    assert_refused(run_process())


# Portraits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such file"),
        ("a folder", "cannot be read"),
        ("text", "not a picture"),
        ("cut", "not a picture"),
        ("16 pixels", "16 x 16 pixels"),
        ("no face", "no face"),
    ],
)
def test_a_portrait_that_cannot_be_used(
    tmp_path: Path, run_cli: RunCli, portrait: Path, track: Path, kind: str, words: str
) -> None:
    pixels = read_picture(portrait).rgb8()
    path = tmp_path / "portrait é.png"
    if kind == "a folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("Mona Lisa", encoding="utf-8")
    elif kind == "cut":
        shutil.copy(portrait, path)
        cut_file(path, 0.99)
    elif kind == "16 pixels":
        save_picture(path, pixels[60:76, 200:216])
    elif kind == "no face":
        save_picture(path, pixels[300:500, 300:500])
    out = tmp_path / "frames"
    assert_refused(synthesized(run_cli, out, path, track), path, words)
    assert not out.exists()


def test_a_portrait_with_three_faces_asks_for_a_number(
    tmp_path: Path, run_cli: RunCli, footage: Path, track: Path
) -> None:
    faces = [read_clip(footage / name, count=1)[0] for name in (ANNA, BEA, CARL)]
    placed = [(face, (10 + 265 * i, 20)) for i, face in enumerate(faces)]
    path = save_picture(tmp_path / "three.png", on_canvas((800, 300), placed))
    out = tmp_path / "frames"
    asked = synthesized(run_cli, out, path, track)
    assert_refused(asked, path, "3 faces", "from left to right, 1 to 3")
    wrong = synthesized(run_cli, out, path, track, "--portrait-face", 4, "--frames", "0-1")
    assert_refused(wrong, path, "no face 4", "has 3")
    assert not out.exists()

    done = synthesized(run_cli, out, path, track, "--portrait-face", 2, "--frames", "0-1")
    assert done.code == 0 and done.error_lines == []
    x, y, width, height = json.loads((out / "head.json").read_text(encoding="utf-8"))["box"]
    middle = open_portrait(path, 2).points[:, :2].mean(axis=0)
    assert x < middle[0] < x + width and y < middle[1] < y + height
    assert abs(x + width / 2 - (10 + 265 + 128)) < 30, "the crop lies around the second face"


# Tracks ----------------------------------------------------------------------------------------


def rewritten(path: Path, source: Path, **changes: object) -> Path:
    """A track file with some of its arrays changed."""
    with np.load(source) as data:
        content = {key: data[key] for key in data.files}
    np.savez_compressed(path, **{**content, **changes})
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"topology": "mediapipe-468-0"}, "topology is 'mediapipe-468-0'"),
        ({"points": np.zeros((0, 478, 3), np.float32), "valid": np.zeros(0, bool)}, "empty"),
        ({"valid": np.zeros(240, bool)}, "empty"),
        ({"points": np.full((240, 478, 3), np.nan, np.float32)}, "not numbers"),
        ({"valid": np.ones(240), "points": np.ones((240, 478, 3))}, "type float64, not"),
        ({"points": np.array(["a", "b"])}, "points has the shape (2,)"),
        ({"cuts": np.array([3, 900])}, "cuts"),
        ({"cuts": np.array([[3, 4]])}, "cuts is no row of whole numbers"),
    ],
    ids=["topology", "no frames", "no face", "nan", "float64", "text", "far cut", "odd cut"],
)
def test_a_track_that_cannot_be_used(
    tmp_path: Path,
    run_cli: RunCli,
    portrait: Path,
    track: Path,
    changes: dict[str, object],
    words: str,
) -> None:
    wrong = rewritten(tmp_path / "wrong.track.npz", track, **changes)
    out = tmp_path / "frames"
    assert_refused(synthesized(run_cli, out, portrait, wrong), wrong, words)
    assert not out.exists()


def test_a_track_with_one_value_that_is_no_number(
    tmp_path: Path, run_cli: RunCli, portrait: Path, track: Path
) -> None:
    good = load_track(track)
    points = good.points.copy()
    points[100, 50, 1] = np.nan
    wrong = tmp_path / "nan.track.npz"
    save_track(replace(good, points=points), wrong)
    refused = synthesized(run_cli, tmp_path / "frames", portrait, wrong)
    assert_refused(refused, wrong, "not numbers")


@pytest.mark.parametrize("kind", ["missing", "empty file", "cut", "an array", "a picture"])
def test_a_file_that_is_no_whole_track(
    tmp_path: Path, run_cli: RunCli, portrait: Path, track: Path, kind: str
) -> None:
    path = tmp_path / "a.track.npz"
    if kind == "empty file":
        path.touch()
    elif kind == "cut":
        shutil.copy(track, path)
        cut_file(path, 0.9)
    elif kind == "an array":
        with path.open("wb") as file:
            np.save(file, np.zeros((4, 478, 3), np.float32))
    elif kind == "a picture":
        shutil.copy(portrait, path)
    words = "no such track" if kind == "missing" else "damaged"
    out = tmp_path / "frames"
    assert_refused(synthesized(run_cli, out, portrait, path), path, words)
    assert not out.exists()


def test_a_wrong_byte_anywhere_in_a_track_never_shows_more_than_a_line(
    tmp_path: Path, track: Path, rng: np.random.Generator
) -> None:
    """Bytes of the zip's own headers may be wrong without harm; all else must be noticed."""
    short = load_track(track)
    path = tmp_path / "a.track.npz"
    save_track(replace(short, points=short.points[:2], valid=short.valid[:2]), path)
    good, refused = path.read_bytes(), 0
    for where in rng.integers(0, len(good), 150):
        wrong = bytearray(good)
        wrong[where] ^= int(rng.integers(1, 256))
        path.write_bytes(wrong)
        try:
            load_track(path)
        except LikenessError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            refused += 1
    assert refused > 100


# Models ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "cut"])
def test_a_file_that_is_no_onnx_model(
    tmp_path: Path, run_cli: RunCli, portrait: Path, track: Path, kind: str
) -> None:
    path = tmp_path / "model.onnx"
    if kind == "text":
        path.write_text("not an ONNX model\n" * 50, encoding="utf-8")
    elif kind == "empty":
        path.touch()
    elif kind == "cut":
        shutil.copy(model_path("draft"), path)
        cut_file(path, 0.5)
    words = "no such model" if kind == "missing" else "not an ONNX model"
    out = tmp_path / "frames"
    refused = synthesized(run_cli, out, portrait, track, "--model", path, "--frames", "0-1")
    assert_refused(refused, path, words)
    assert not out.exists()


def test_a_real_onnx_model_that_is_no_generator(
    tmp_path: Path, run_cli: RunCli, portrait: Path, track: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["picture"], ["colour"])], "other",
        [value("picture", onnx.TensorProto.FLOAT, [1])],
        [value("colour", onnx.TensorProto.FLOAT, [1])],
    )  # fmt: skip
    opset = [onnx.helper.make_opsetid("", 18)]
    path = tmp_path / "other.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    out = tmp_path / "frames"
    refused = synthesized(run_cli, out, portrait, track, "--model", path, "--frames", "0-1")
    assert_refused(refused, path, "not a Likeness generator")
    assert not out.exists()


def test_a_generator_for_another_topology(
    tmp_path: Path, run_cli: RunCli, portrait: Path, track: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(model_path("draft"))
    for entry in model.metadata_props:
        if entry.key == "likeness.topology":
            entry.value = "mediapipe-468-0"
    path = tmp_path / "old.onnx"
    onnx.save(model, path)
    out = tmp_path / "frames"
    refused = synthesized(run_cli, out, portrait, track, "--model", path, "--frames", "0-1")
    assert_refused(refused, path, "topology 'mediapipe-468-0'")
    assert not out.exists()
