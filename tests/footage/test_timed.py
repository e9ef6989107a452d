# SPDX-License-Identifier: GPL-3.0-or-later
"""Training for a given time: it ends in time, brings results home, and goes on from them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from export.data.parts import pack
from export.training import timed
from export.training.results import read_checkpoint
from export.training.timed import Run, resume_from, run
from inference.errors import InputError, LikenessError
from tests.strangers import plant

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    "--batch",
    "2",
    "--crop",
    "64",
    "--workers",
    "0",
    "--threads",
    "1",
    "--log-every",
    "1",
    "--most-sources",
    "1",
    "--adversary-from",
    "1",
)

pytestmark = pytest.mark.footage


@pytest.fixture(scope="module")
def parts(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("parts") / "parts"
    pack(data, out)
    return out


def test_it_ends_in_time_and_goes_on_from_its_results_on_another_machine(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed, "_SHORTEST", 5.0)
    # Its steps are over before its time is.
    few = (*QUICK, "--steps", "2")
    job = Run(parts, tmp_path / "out", 1.5, tmp_path / "work", "draft", reserve=45, options=few)
    work = [job.work / name for name in ("", "results", "start", "data", "train-draft")]
    strangers = [plant(folder) for folder in (job.out, tmp_path / "home", *work)]
    first = run(job)
    assert not first.failed
    assert (first.step, first.left_out) == (2, [])
    assert all(path.stat().st_size <= 15_000_000 for path in first.pieces)
    checkpoint = resume_from(job.out, tmp_path / "home")
    assert (tmp_path / "home" / "log.jsonl").is_file()
    assert (tmp_path / "home" / "grid.png").is_file()
    for planted in strangers:
        planted.check()
    # Elsewhere, from the pieces alone; here the time is over before the steps are.
    again = Run(parts, tmp_path / "out2", 0.9, tmp_path / "work2", "draft", job.out, 24, 22, QUICK)
    began = time.monotonic()
    second = run(again)
    assert time.monotonic() - began < 54
    assert not second.failed
    assert second.step > first.step
    assert second.minutes > first.minutes
    after = read_checkpoint(resume_from(again.out, tmp_path / "home2"))
    before = read_checkpoint(checkpoint)
    assert after["resume"]["step"] == second.step
    assert before["resume"]["step"] == first.step


def test_a_training_that_hangs_is_ended_and_said_so(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed, "_SHORTEST", 0.0)
    monkeypatch.setattr(timed, "_TO_END", 0.5)
    hangs = _script(tmp_path / "hangs", "trap '' TERM\nsleep 60\n")
    monkeypatch.setattr(sys, "executable", str(hangs))
    job = Run(parts, tmp_path / "out", 0.1, tmp_path / "work", "draft", reserve=3, start_up=0)
    began = time.monotonic()
    with pytest.raises(LikenessError, match="its time was over"):
        run(job)
    assert time.monotonic() - began < 10


def test_too_little_time_is_said_before_it_is_spent(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="for training"):
        run(Run(parts, tmp_path / "out", 0.5, tmp_path / "work", "draft", reserve=60))


def test_nothing_on_the_way_needs_mediapipe(parts: Path, tmp_path: Path) -> None:
    """The borrowed machine has none: tracks are prepared beforehand."""
    data, out = tmp_path / "data", tmp_path / "train"
    commands = (
        ["unpack", parts, "--out", data],
        ["train", "--data", data, "--out", out, "--steps", "1", "--minutes", "3", *QUICK],
    )
    script = tmp_path / "blocked.py"
    script.write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('mediapipe', 'bpy'):\n"
        "            raise ImportError('blocked: ' + name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from export.cli import main\n"
        "import export.training.timed, export.training.resident, export.training.cli\n"
        f"for command in {[list(map(str, command)) for command in commands]}:\n"
        "    assert main(command) == 0, command\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(out.glob("checkpoint-*.pt"))


def _script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}", encoding="utf-8")
    path.chmod(0o755)
    return path
