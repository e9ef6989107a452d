# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any moment, a command leaves whole files, and run again ends as if never killed.

LIKENESS_KILLS=100 kills each command so often (default: a few).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inference.frames import encode_frame
from inference.jobs import SynthesizeJob
from inference.render import StageClock, render_frame
from inference.scene import build_scene
from inference.track import load_track

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "inference" / "samples"
KILLS = os.environ.get("LIKENESS_KILLS", "")

pytestmark = [
    pytest.mark.footage,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="works are forked, which Windows cannot"),
]


def kill(script: str, kills: str, *given: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name(script)), *map(str, given), kills, "7"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert f"{kills} of {kills} kills" in done.stdout
    print(done.stdout)


def test_prepared_footage_is_whole_after_kills_and_goes_on(footage: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("s_mona_lisa_pd.jpg", "s_astronaut_nasa_pd.jpg", "s_obama_official_pd.jpg"):
        shutil.copy(footage / "sample" / name, source / name)
    (source / "broken.jpg").write_text("not a picture", encoding="utf-8")
    kill("killed_prepare.py", KILLS or "12", source, tmp_path / "base")


def test_a_personalization_is_whole_after_kills_and_goes_on(tmp_path: Path) -> None:
    portrait, moved = SAMPLES / "eileen_collins.png", tmp_path / "moved.png"
    track = load_track(SAMPLES / "weekly_address.track.npz")
    scene = build_scene(SynthesizeJob((portrait,), SAMPLES, tmp_path, layer="full"), track)
    picture, _ = render_frame(scene, 110, StageClock())
    moved.write_bytes(encode_frame(picture, None, "png"))
    kill("killed_personalize.py", KILLS or "3", portrait, moved, tmp_path / "base")
