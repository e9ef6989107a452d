# SPDX-License-Identifier: GPL-3.0-or-later
"""Training for a given time: it ends in time, brings results home, and goes on from them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from export.cli import main
from export.data.parts import pack
from export.training import feed, timed
from export.training import train as loop
from export.training.results import read_checkpoint
from export.training.timed import Outcome, Run, resume_from, run
from inference.errors import InputError, LikenessError
from tests.strangers import plant

QUICK = (
    "--batch", "2", "--crop", "64", "--workers", "0", "--threads", "1", "--log-every", "1",
    "--most-sources", "1", "--adversary-from", "1",
)  # fmt: skip

pytestmark = pytest.mark.footage


@pytest.fixture(scope="module")
def parts(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("parts") / "parts"
    pack(data, out)
    return out


@pytest.fixture(scope="module")
def first(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Outcome]:
    """Two steps and what came of them, in processes that have no MediaPipe and no bpy.

    The borrowed machine has none: tracks are prepared beforehand.
    """
    folder = tmp_path_factory.mktemp("first")
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('mediapipe', 'bpy'):\n"
        "            raise ImportError('blocked: ' + name)\n"
        "sys.meta_path.insert(0, Blocked())\n",
        encoding="utf-8",
    )
    python = _script(
        folder / "python",
        f'PYTHONPATH="{folder}:$PYTHONPATH" exec "{sys.executable}" "$@"\n',
    )
    few = (*QUICK, "--steps", "2")
    job = Run(parts, folder / "out", 3, folder / "work", "draft", reserve=45, options=few)
    work = [job.work / name for name in ("", "results", "start", "data", "train-draft")]
    strangers = [plant(place) for place in (job.out, *work)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "executable", str(python))
        outcome = run(job)
    for planted in strangers:
        planted.check()
    return job, outcome


def test_it_brings_home_what_a_run_goes_on_from(first: tuple[Run, Outcome], tmp_path: Path) -> None:
    job, outcome = first
    assert not outcome.failed
    assert (outcome.step, outcome.left_out) == (2, [])
    assert all(path.stat().st_size <= 15_000_000 for path in outcome.pieces)
    strangers = plant(tmp_path / "home")
    checkpoint = resume_from(job.out, tmp_path / "home")
    assert read_checkpoint(checkpoint)["resume"]["step"] == 2
    assert (tmp_path / "home" / "log.jsonl").is_file()
    assert (tmp_path / "home" / "grid.png").is_file()
    strangers.check()


def test_on_another_machine_it_goes_on_from_the_pieces_until_its_time_is_over(
    first: tuple[Run, Outcome], parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, by a clock that jumps to the end after a step."""
    job, outcome = first
    asked: list[float] = []

    def clock() -> float:
        asked.append(time.time() + (600 if asked else 0))
        return asked[-1]

    def call(command: list[str], until: float) -> int:
        assert command[1:3] == ["-m", "export"] and until > time.monotonic()
        return main(command[3:])

    monkeypatch.setattr(timed, "_call", call)
    monkeypatch.setattr(loop, "time", SimpleNamespace(time=clock, monotonic=time.monotonic))
    monkeypatch.setattr(feed, "_VALIDATION_EPISODES", 2)
    again = Run(
        parts, tmp_path / "out", 3, tmp_path / "work", "draft", start=job.out, options=QUICK
    )
    second = run(again)
    assert not second.failed
    assert len(asked) == 2 and second.step == outcome.step + 1
    assert second.minutes > outcome.minutes
    after = read_checkpoint(resume_from(again.out, tmp_path / "home"))
    assert after["resume"]["step"] == second.step


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


def _script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}", encoding="utf-8")
    path.chmod(0o755)
    return path
