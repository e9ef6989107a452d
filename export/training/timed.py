# SPDX-License-Identifier: GPL-3.0-or-later
"""Train for a given time on a machine that is borrowed, and bring home what it gave.

`run` never takes longer than it was given: training and export are processes of their own that
are ended when their time is over, and results are written from the newest checkpoint, dearest
first. It goes on from what an earlier run left on the same machine, or from its results.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from export.data.parts import is_parts, unpack
from export.training.results import (
    CHECKPOINT,
    join_results,
    pack_results,
    read_checkpoint,
    restored,
    slim,
)
from inference.errors import InputError, LikenessError
from inference.files import written_whole

ROOT = Path(__file__).resolve().parents[2]
LOG, GRID = "log.jsonl", "grid.png"
_PACKING = 10.0  # seconds kept at the very end for writing the pieces
_SHORTEST = 15.0  # seconds of training below which a run is not worth its start
_FAREWELL = 5.0  # seconds that a process has to end by itself


@dataclass(frozen=True)
class Run:
    """What is asked for. data: a prepared folder, or one of parts. out: of the results.

    minutes: from beginning to end, everything in it. reserve: seconds of them for validation,
    the last checkpoint and the export. start_up: seconds before training's own clock begins, for
    imports, the data and the first person's vectors. work: what stays there from run to run.
    start: a checkpoint, or a folder of results, to begin with where `work` holds nothing newer.
    options: further ones of `python -m export train`. plan: minutes of all runs together, over
    which the rates fall and the adversary joins; less than what is trained: this run's end.
    """

    data: Path
    out: Path
    minutes: float
    work: Path
    tier: str
    start: Path | None = None
    reserve: float = 60.0
    start_up: float = 30.0
    options: tuple[str, ...] = ()
    plan: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """pieces: the files to bring home. left_out: what found no room, or could not be made.

    step, minutes: of the checkpoint among them. failed: the training broke off by itself.
    """

    pieces: list[Path]
    left_out: list[str]
    step: int
    minutes: float
    failed: bool


def run(job: Run, began: float | None = None) -> Outcome:
    """Train, export and pack, all within the job's minutes. began: `time.monotonic()` of the start.

    Raises InputError for what cannot be used, LikenessError when no checkpoint came of it.
    """
    began = time.monotonic() if began is None else began
    end = began + 60 * job.minutes
    data = job.data
    if is_parts(data):
        data = job.work / "data"
        unpack(job.data, data)
        _say(f"unpacked in {time.monotonic() - began:.1f} s")
    trained = job.work / f"train-{job.tier}"
    _place_start(job, trained)
    newest = _newest(trained)
    spent = _minutes_of(newest) if newest else 0.0

    room = end - job.reserve - job.start_up - time.monotonic()
    if room < _SHORTEST:
        raise InputError(f"{job.minutes:g} minutes leave {max(room, 0):.0f} s for training; give "
                         "more, or a smaller --reserve")  # fmt: skip
    command = [
        sys.executable, "-m", "export", "train", "--data", str(data), "--out", str(trained),
        "--tier", job.tier, "--checkpoint-minutes", "3", *job.options,
        "--minutes", f"{max(job.plan, spent + room / 60):.4f}",
        "--stop-at", f"{time.time() + room + job.start_up:.1f}",
    ]  # fmt: skip
    _say(f"training for {room:.0f} s, after {spent:.2f} minutes before")
    # Half of the reserve is for its last validation and checkpoint.
    code = _call(command, end - job.reserve / 2)
    newest = _newest(trained)
    if newest is None:
        why = "its time was over" if code is None else f"it ended with code {code}"
        raise LikenessError(f"{trained}: the training wrote no checkpoint: {why}; see above")
    failed = code not in (0, None)
    if failed:
        _say(f"the training ended with code {code}; the newest checkpoint is kept")
    outcome = _bring_home(job, trained, newest, end, failed)
    _say(f"{time.monotonic() - began:.1f} of {60 * job.minutes:.0f} s used")
    return outcome


def resume_from(folder: Path, out: Path) -> Path:
    """Make a checkpoint that training goes on from of a folder of results. Returns its path."""
    made = {path.name: path for path in join_results(folder, out)}
    if CHECKPOINT not in made:
        raise InputError(f"{folder}: its results hold no checkpoint")
    return place_checkpoint(made[CHECKPOINT], out)


def place_checkpoint(path: Path, folder: Path) -> Path:
    """Put a checkpoint, slim or not, where `train --out folder` finds it as its newest."""
    content = restored(read_checkpoint(path))
    resume = content.get("resume")
    if not isinstance(resume, dict) or "step" not in resume:
        raise InputError(f"{path}: holds weights alone; training cannot go on from it")
    placed = folder / f"checkpoint-{int(resume['step']):07d}.pt"
    with written_whole(placed) as part:
        torch.save(content, part)
    return placed


def _place_start(job: Run, trained: Path) -> None:
    if job.start is None:
        return
    if job.start.is_dir():
        unpacked = job.work / "start"
        shutil.rmtree(unpacked, ignore_errors=True)
        path = resume_from(job.start, unpacked)
    else:
        path = job.start
    there = _newest(trained)
    if there is not None and _step_of(there) >= _step_of(path):
        _say(f"{there} is as new as {job.start}; going on from it")
        return
    place_checkpoint(path, trained)


def _bring_home(job: Run, trained: Path, newest: Path, end: float, failed: bool) -> Outcome:
    made = job.work / "results"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    content = read_checkpoint(newest)
    torch.save(slim(content), made / CHECKPOINT)
    files = {CHECKPOINT: made / CHECKPOINT}
    missing = []
    if (trained / LOG).is_file():
        files[LOG] = trained / LOG
    grids = sorted(trained.glob("grid-*.png"))
    if grids:
        files[GRID] = grids[-1]
    model = made / "model.onnx"
    command = [
        sys.executable, "-m", "export", "onnx", "--generator", "warp", "--tier", job.tier,
        "--checkpoint", str(newest), "--out", str(model),
    ]  # fmt: skip
    if _call(command, end - _PACKING) == 0:
        for path in sorted(made.glob("model*.onnx")):
            files[path.name] = path
    else:
        missing.append("model.onnx")
        _say("there was no time for the export; make it at home from the checkpoint")
    pieces, left_out = pack_results(files, job.out)
    resume = content["resume"]
    return Outcome(
        pieces, missing + left_out, int(resume["step"]), float(resume["minutes"]), failed
    )


def _call(command: Sequence[str], until: float) -> int | None:
    """Run a command until a time by the clock; its code, or None when it had to be ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return child.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        # Its whole group: loaders are processes of their own.
        os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_FAREWELL)
        return None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _newest(folder: Path) -> Path | None:
    found = sorted(folder.glob("checkpoint-*.pt"))
    return found[-1] if found else None


def _minutes_of(path: Path) -> float:
    return float(_resume_of(path)["minutes"])


def _step_of(path: Path) -> int:
    return int(_resume_of(path)["step"])


def _resume_of(path: Path) -> dict[str, Any]:
    resume = read_checkpoint(path).get("resume")
    if not isinstance(resume, dict) or not {"step", "minutes"} <= resume.keys():
        raise InputError(f"{path}: holds weights alone; training cannot go on from it")
    return resume


def _say(text: str) -> None:
    print(f"run: {text}", flush=True)
