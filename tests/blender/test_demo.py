# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, end to end: what the demo leaves is what it promises, in both Blenders."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.capture.video import open_footage
from inference.composite import lay_over
from inference.demo import PORTRAIT, TRACK, run_demo
from inference.errors import InputError
from inference.pictures import read_picture
from inference.portrait import open_portrait
from inference.track import load_track, save_track
from tests.blender.processes import ROOT, VERSIONS, absent, python_of

FIRST, LAST = 94, 105  # of the sample's performance, which has 240 frames
FRAME = 6  # of those, zero-based; the head is turned and the mouth is open

# `python -m inference demo`, its performance being shorter.
COMMAND = """
import sys
from pathlib import Path
from inference import cli, demo
demo.TRACK = Path(sys.argv[1])
sys.exit(cli.main(["demo", "--out", sys.argv[2], "--tier", "draft"]))
"""


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the sample's performance."""
    whole = load_track(TRACK)
    part = slice(FIRST, LAST + 1)
    assert not whole.cuts
    path = tmp_path_factory.mktemp("track") / "part.track.npz"
    save_track(replace(whole, points=whole.points[part], valid=whole.valid[part]), path)
    return path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, track: Path) -> Path:
    """The demo's folder, made once."""
    out = tmp_path_factory.mktemp("demo") / "späce 日本"
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, str(track), str(out)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (out / "said.txt").write_text(done.stdout, encoding="utf-8")
    return out


def test_the_movie_is_as_long_and_as_fast_as_the_performance(demo: Path, track: Path) -> None:
    performance = load_track(track)
    movie = open_footage(demo / "demo.mp4")
    assert movie.rate == performance.rate
    assert movie.count == len(performance) == LAST + 1 - FIRST
    assert movie.size == (512, 512)


def test_the_table_names_every_stage_and_what_it_ran_on(demo: Path) -> None:
    said = (demo / "said.txt").read_text(encoding="utf-8")
    for stage in ("warp", "network", "composite", "write", "strips and movie"):
        assert stage in said
    assert "ONNX Runtime, cpu" in said or "ONNX Runtime, cuda" in said
    sheet = read_picture(demo / "contact.png").rgb8()
    assert sheet.shape[1] == 2 * sheet.shape[0], "six moments beside, three rows"


@pytest.mark.blender
@pytest.mark.parametrize("version", VERSIONS)
def test_the_blend_file_renders_the_head_over_the_portrait(
    demo: Path, tmp_path: Path, version: str
) -> None:
    rendered = tmp_path / "frame.png"
    _render(version, demo / "demo.blend", rendered)
    portrait = open_portrait(PORTRAIT)
    layer = cv2.imread(str(demo / "head" / f"head_{FRAME:06d}.png"), cv2.IMREAD_UNCHANGED)
    alpha = layer[..., 3].astype(np.float32) / 255
    expected, _ = lay_over(portrait, cv2.cvtColor(layer, cv2.COLOR_BGRA2RGB), alpha)
    found = read_picture(rendered).rgb8()
    assert found.shape == expected.shape
    clear = np.ones(found.shape[:2], bool)
    clear[300:, 300:] = False  # the driver's corner
    difference = np.abs(found.astype(int) - expected)[clear]
    assert difference.mean() < 0.5
    # The driver really is in its corner, and the head really moved.
    corner = np.abs(found.astype(int) - portrait.picture.rgb8())[300:, 300:]
    assert corner.mean() > 10
    box = portrait.box
    head = np.s_[max(0, box.y) : box.y + box.height, box.x : box.x + box.width]
    moved = np.abs(expected.astype(int) - portrait.picture.rgb8())
    assert moved[head].mean() > 5


def test_a_blend_file_that_was_edited_since_is_not_replaced(demo: Path, tmp_path: Path) -> None:
    for name in ("likeness.json", "made.json", "demo.blend"):
        (tmp_path / name).write_bytes((demo / name).read_bytes())
    with (tmp_path / "demo.blend").open("ab") as file:
        file.write(b"edited")
    edited = (tmp_path / "demo.blend").read_bytes()
    with pytest.raises(InputError, match=r"demo\.blend: may have been edited"):
        run_demo(tmp_path, None, None, "draft")
    assert (tmp_path / "demo.blend").read_bytes() == edited
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "demo.blend",
        "likeness.json",
        "made.json",
    ]


def _render(version: str, blend: Path, still: Path) -> None:
    """FRAME of a .blend, in a Blender of its own, without the add-on."""
    if not (python := python_of(version)):
        pytest.skip(absent(version))
    script = (
        "import bpy, os\n"
        f"assert '%d.%d' % bpy.app.version[:2] == {version!r}\n"
        f"bpy.ops.wm.open_mainfile(filepath={str(blend)!r}, load_ui=False)\n"
        "scene = bpy.data.scenes['Likeness']\n"
        f"from blender_addon.sequencer import output\n"
        f"from pathlib import Path\n"
        f"output.render_still(scene, Path({str(still)!r}), {FRAME + 1})\n"
        "os._exit(0)"  # Blender 4.5 as a library may hang when Python ends
    )
    done = subprocess.run(
        [python, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
