# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed at any moment: what has a name is whole, and the next run goes on.

LIKENESS_KILLS sets how often each is killed; by default a few times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inference.demo import PORTRAIT, TRACK
from tests.movies import read_clip, write_movie

pytestmark = pytest.mark.footage

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("LIKENESS_KILLS", "3"))


def start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "inference", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def kill_after(seconds: float, *arguments: object) -> bool:
    """Was the run still going when it was killed?"""
    process = start(*arguments)
    time.sleep(seconds)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return running


def whole_time(*arguments: object) -> float:
    began = time.monotonic()
    assert start(*arguments).wait() == 0
    return time.monotonic() - began


def files(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern))}


def test_frames_are_whole_whenever_a_synthesis_is_killed(tmp_path: Path) -> None:
    def job(out: Path, gain: float = 1.0) -> tuple[object, ...]:
        return (
            "synthesize", "--portrait", PORTRAIT, "--track", TRACK, "--out", out, "--neutral", "12",
            "--frames", "0-8", "--matte", "--gain-mouth", gain,
        )  # fmt: skip

    whole = {}
    for gain in (1.0, 0.5):
        took = whole_time(*job(tmp_path / f"whole{gain}", gain))
        whole[gain] = files(tmp_path / f"whole{gain}", "*_*.png")
    assert len(whole[1.0]) == 18
    rng, out = random.Random(7), tmp_path / "out"
    killed = 0
    for turn in range(KILLS):
        gain = (1.0, 0.5)[turn // 2 % 2]  # now and then other frames are wanted
        killed += kill_after(took * rng.uniform(0.3, 1.0), *job(out, gain))
        for name, data in files(out, "*_*.png").items():
            assert data in (whole[1.0][name], whole[0.5][name]), f"{name} is torn, turn {turn}"
    for gain in (1.0, 0.5):
        assert start(*job(out, gain)).wait() == 0
        assert files(out, "*_*.png") == whole[gain]
        assert not list(out.glob("*.part"))
    assert killed >= KILLS // 2, "most of them hit a run at work"


def test_a_track_is_whole_or_not_there_whenever_a_capture_is_killed(
    tmp_path: Path, footage: Path
) -> None:
    clip = write_movie(tmp_path / "clip.mp4", read_clip(footage / "clips/v215_ls1_0.mp4", count=24))
    job = ("capture", clip, "--out", tmp_path / "t.track.npz")
    took = whole_time(*job)
    track = (tmp_path / "t.track.npz").read_bytes()
    rng = random.Random(8)
    for turn in range(KILLS):
        out = tmp_path / f"{turn}.track.npz"
        # Most towards the end, where the track gets its name.
        kill_after(took * rng.uniform(0.7, 1.05), *job[:3], out)
        assert not out.exists() or out.read_bytes() == track
    assert start(*job[:3], tmp_path / "0.track.npz").wait() == 0
    assert (tmp_path / "0.track.npz").read_bytes() == track
