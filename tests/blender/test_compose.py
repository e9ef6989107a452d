# SPDX-License-Identifier: GPL-3.0-or-later
"""The .blend, the movie and the still that `python -m blender_addon.compose` makes."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.compose import main
from blender_addon.sequencer import output
from tests.blender import material
from tests.blender.compose_cli import compose

pytestmark = pytest.mark.blender

SIZE, BOX = (321, 241), (100, 41, 121, 141)
ITS_OWN = pytest.mark.only_blender("5.0")  # whose compose it is

Compose = Callable[..., str]


@pytest.fixture
def composed(blender: str, capfd: pytest.CaptureFixture[str]) -> Compose:
    """`composed(made, folder, "--movie", path)`: the command line, in this Blender; its stderr."""

    def run(made: material.Material, folder: Path, *more: object) -> str:
        arguments = ("--head", made.folder, "--blend", folder / "x.blend", *more)
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        assert code == 0, said.err
        assert not list(folder.glob("*.part*"))
        return said.err

    return run


@ITS_OWN
def test_the_movie_has_the_tracks_rate_and_the_portraits_size(
    composed: Compose, tmp_path: Path
) -> None:
    made = material.write_material(tmp_path / "head", SIZE, BOX, count=12)
    composed(made, tmp_path, "--movie", tmp_path / "x.mp4")
    frames, rate = _movie(tmp_path / "x.mp4")
    assert rate == pytest.approx(30000 / 1001, abs=1e-4)
    assert len(frames) == 12
    assert frames[0].shape == (240, 320, 3)
    wanted = np.stack([picture[1:, :320] for picture in made.expected])
    for k, frame in enumerate(frames):
        # In grey: H.264 halves the colour's resolution, and OpenCV takes BT.709 for BT.601.
        off = np.abs(frame.mean(axis=2) - wanted.mean(axis=3)).mean(axis=(1, 2))
        assert off.argmin() == k and off[k] < 4.5


@ITS_OWN
@pytest.mark.parametrize(
    ("size", "limit", "wanted"),
    [((321, 241), 200, (198, 148)), ((240, 641), 320, (116, 314)), ((320, 240), 0, (320, 240))],
)
def test_the_movie_is_no_larger_than_asked(
    composed: Compose, tmp_path: Path, size: tuple[int, int], limit: int, wanted: tuple[int, int]
) -> None:
    box = (20, 41, 100 + size[0] % 2, 100 + size[1] % 2)
    made = material.write_material(tmp_path / "head", size, box, rate=(25, 1))
    composed(made, tmp_path, "--movie", tmp_path / "x.mp4", "--max-size", limit)
    frames, rate = _movie(tmp_path / "x.mp4")
    assert rate == 25
    assert (frames[0].shape[1], frames[0].shape[0]) == wanted


@ITS_OWN
@pytest.mark.parametrize("rate", [(24000, 1001), (25, 2), (12, 1), (60000, 1001)])
def test_every_rate_is_kept(composed: Compose, tmp_path: Path, rate: tuple[int, int]) -> None:
    made = material.write_material(tmp_path / "head", (64, 48), (8, 8, 32, 32), rate=rate)
    composed(made, tmp_path, "--movie", tmp_path / "x.mp4")
    assert _movie(tmp_path / "x.mp4")[1] == pytest.approx(rate[0] / rate[1], rel=1e-5)


@ITS_OWN
@pytest.mark.parametrize("driver_rate", [25, 50, 15, 30])
def test_the_driver_is_small_and_in_time(
    composed: Compose, tmp_path: Path, driver_rate: int
) -> None:
    made = material.write_material(tmp_path / "head", (320, 240), (0, 0, 120, 120), 40, (25, 1))
    driver = tmp_path / "drïver clip.avi"
    _write_clip(driver, driver_rate, round(40 / 25 * driver_rate))
    composed(made, tmp_path, "--driver", driver, "--movie", tmp_path / "x.mp4")
    frames, _ = _movie(tmp_path / "x.mp4")
    assert len(frames) == 40
    for k, frame in enumerate(frames):
        shown = frame[195:220, 240:300].mean() / 3  # the clip's index is its brightness / 3
        assert abs(shown - k * driver_rate / 25) <= 0.9
    # The clip is 96 x 64: 24% of the height, its aspect kept, a margin of 2% of the shorter side.
    even = np.abs(frames[39] - frames[39][210, 270]).max(axis=2) < 12
    rows, columns = (np.flatnonzero(even.mean(axis=axis) > 0.2) for axis in (1, 0))
    assert np.abs(np.array([rows[0], rows[-1]]) - (178, 235)).max() <= 2
    assert np.abs(np.array([columns[0], columns[-1]]) - (229, 315)).max() <= 2


@ITS_OWN
@pytest.mark.parametrize("named", ["folder", "pattern"])
def test_the_driver_may_be_pictures(composed: Compose, tmp_path: Path, named: str) -> None:
    made = material.write_material(tmp_path / "head", (320, 240), (0, 0, 80, 80), 12)
    (tmp_path / "driver").mkdir()
    for k in range(12):
        material.save(tmp_path / "driver" / f"d{k}.png", np.full((64, 96, 3), 20 * k, np.uint8))
    driver = tmp_path / "driver" if named == "folder" else tmp_path / "driver" / "d%d.png"
    composed(made, tmp_path, "--driver", driver, "--movie", tmp_path / "x.mp4")
    frames, _ = _movie(tmp_path / "x.mp4")
    for k, frame in enumerate(frames):
        assert frame[195:220, 240:300].mean() == pytest.approx(20 * k, abs=4)


def test_the_blend_opens_everywhere_and_its_folder_can_be_moved(
    blender: str, tmp_path: Path
) -> None:
    made = material.write_material(tmp_path / "là bas" / "head ü", SIZE, BOX, first=5)
    driver = tmp_path / "là bas" / "driver 日本.avi"
    _write_clip(driver, 15, 8)
    done = compose(
        "--head", made.folder, "--blend", tmp_path / "là bas" / "x.blend", "--driver", driver
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    moved = tmp_path / "elsewhere {1} #2"
    shutil.move(tmp_path / "là bas", moved)
    bpy.ops.wm.open_mainfile(filepath=str(moved / "x.blend"), load_ui=False)
    scene = bpy.data.scenes["Likeness"]
    render, view = scene.render, scene.view_settings

    # Index 5 of the track lies at frame 6; the driver begins with index 0.
    assert (scene.frame_start, scene.frame_end) == (6, 8)
    assert render.fps == 30 and render.fps_base == pytest.approx(1.001)
    assert (render.resolution_x, render.resolution_y) == (320, 240)
    assert render.resolution_percentage == 100
    assert (view.view_transform, view.look) == ("Standard", "None")
    assert render.image_settings.file_format == "FFMPEG"
    assert (render.ffmpeg.format, render.ffmpeg.codec) == ("MPEG4", "H264")
    strips = {strip.name: strip for strip in versions.strips(scene.sequence_editor)}
    portrait, head = strips["Likeness portrait"], strips["Likeness head"]
    assert [element.filename for element in portrait.elements] == ["portrait é.png"]
    assert versions.span(portrait) == versions.span(head) == (6, 9)
    files = [element.filename for element in head.elements]
    assert files == [f"head_{k:06d}.png" for k in (5, 6, 7)]
    assert head.blend_type == "ALPHA_OVER" and head.alpha_mode == "STRAIGHT"
    assert head.directory.startswith("//head") and portrait.directory.startswith("//head")
    clip, speed = strips["Likeness driver"], strips["Likeness driver in time"]
    assert clip.filepath == "//driver 日本.avi"
    assert versions.span(clip) == versions.span(speed) == (1, 17)
    assert portrait.channel < head.channel < clip.channel < speed.channel
    output.render_still(scene, tmp_path / "shot.png", 7)
    shot = material.load(tmp_path / "shot.png")
    assert np.abs(shot - made.expected[1][1:, :320])[:, :200].max() <= 2


@ITS_OWN
def test_missing_frames_are_named_and_hold_the_one_before(
    composed: Compose, tmp_path: Path
) -> None:
    made = material.write_material(tmp_path / "head", (320, 240), (80, 40, 160, 160), 4)
    (made.folder / "head_000002.png").unlink()
    for frame, shown in ((3, 1), (4, 3)):
        shot = tmp_path / str(frame) / "x.png"
        shot.parent.mkdir()
        said = composed(made, shot.parent, "--still", shot, "--frame", frame)
        assert "1 of 4 head frames are missing, the first is head_000002.png" in said
        assert np.abs(material.load(shot) - made.expected[shown]).max() <= 2


def test_a_disk_that_fills_up_leaves_no_movie(tmp_path: Path) -> None:
    made = material.write_material(tmp_path / "head", (640, 480), (80, 40, 160, 160), 40)
    (tmp_path / "x.mp4").write_bytes(b"the movie of before")
    record = {"likeness_folder": 1, "holds": "a demonstration", "files": [r"x\.mp4"]}
    (tmp_path / "likeness.json").write_text(json.dumps(record), encoding="utf-8")

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = compose(
        "--head",
        made.folder,
        "--blend",
        tmp_path / "x.blend",
        "--movie",
        tmp_path / "x.mp4",
        preexec_fn=small_disk,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {tmp_path / 'x.mp4'}: only ")
    assert (tmp_path / "x.mp4").read_bytes() == b"the movie of before"
    assert not list(tmp_path.glob("*.part*"))


def test_strangers_files_are_not_replaced(tmp_path: Path) -> None:
    made = material.write_material(tmp_path / "head", (320, 240), (80, 40, 160, 160))
    victim = tmp_path / "victim.blend"
    victim.write_bytes(b"mine")
    (tmp_path / "link.blend").symlink_to(tmp_path / "elsewhere.blend")
    for name, words in (("victim", "is there already"), ("link", "is a link")):
        done = compose("--head", made.folder, "--blend", tmp_path / f"{name}.blend")
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1
    assert victim.read_bytes() == b"mine" and not (tmp_path / "elsewhere.blend").exists()


@ITS_OWN
def test_what_cannot_be_used_is_one_line(
    blender: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = material.write_material(tmp_path / "head", SIZE, BOX)
    (tmp_path / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42 and no more")
    (tmp_path / "empty").mkdir()
    shutil.copytree(made.folder, tmp_path / "other")
    material.save(tmp_path / "other" / "head_000000.png", np.zeros((20, 30, 4), np.uint8))
    shutil.copytree(made.folder, tmp_path / "broken")
    (tmp_path / "broken" / "head_000000.png").write_bytes(b"no picture")
    head, blend = ("--head", made.folder), ("--blend", tmp_path / "x.blend")
    for arguments, message in (
        ((*head, *blend, "--driver", tmp_path / "broken.mp4"), "cannot read this movie"),
        ((*head, *blend, "--driver", tmp_path / "none.mp4"), "no such movie"),
        ((*head, *blend, "--driver", tmp_path / "empty"), "no pictures there"),
        ((*head, *blend, "--still", tmp_path / "x.png", "--frame", 4), "frames are 1 to 3"),
        ((*head, *blend, "--movie", tmp_path / "x.mov"), "must end with .mp4"),
        ((*head, "--blend", tmp_path / "none" / "x.blend"), "not a folder that can be written to"),
        (("--head", tmp_path / "other", *blend), "30 x 20 pixels, but head.json says 121 x 141"),
        (("--head", tmp_path / "broken", *blend), "cannot read this picture"),
        (("--head", tmp_path / "empty", *blend), "no head.json here"),
    ):
        assert main([str(argument) for argument in arguments]) == 2, arguments
        said = capfd.readouterr()
        assert message in said.err
        assert said.err.startswith("error: ") and said.err.count("\n") == 1
        assert said.out == ""
        assert not (tmp_path / "x.blend").exists()


def test_a_portrait_that_blender_reads_otherwise(tmp_path: Path) -> None:
    made = material.write_material(tmp_path / "head", (320, 240), (80, 40, 160, 160))
    material.save(made.folder / "portrait é.png", material.picture(240, 320))
    done = compose("--head", made.folder, "--blend", tmp_path / "x.blend")
    assert done.returncode == 2
    assert "Blender reads 240 x 320 pixels, the head frames were made for 320 x 240" in done.stderr


def _movie(path: Path) -> tuple[list[np.ndarray], float]:
    """All pictures, (H, W, 3) float64 RGB, and the rate."""
    capture = cv2.VideoCapture(str(path))
    frames: list[np.ndarray] = []
    while True:
        good, frame = capture.read()
        if not good:
            return frames, capture.get(cv2.CAP_PROP_FPS)
        frames.append(frame[..., ::-1].astype(np.float64))


def _write_clip(path: Path, rate: int, count: int) -> None:
    """A clip of 96 x 64; the brightness of picture k is 3 k, so at most 85 pictures."""
    # OpenCV does not write to every non-ASCII path: beside, then renamed.
    plain = path.parent / "clip.avi"
    writer = cv2.VideoWriter(str(plain), cv2.VideoWriter.fourcc(*"MJPG"), rate, (96, 64))
    for k in range(count):
        writer.write(np.full((64, 96, 3), 3 * k, np.uint8))
    writer.release()
    plain.rename(path)
