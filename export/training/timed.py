# SPDX-License-Identifier: GPL-3.0-or-later
"""Train for a given time on a machine that is borrowed, and bring home what it gave.

`run` never takes longer than it was given: training and export are processes of their own that
are ended when their time is over, and results are written from the newest checkpoint, the most
important first. It goes on from what an earlier run left on the same machine, or from its results.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from export.data.layout import PREPARED
from export.data.parts import is_parts, unpack
from export.folders import alone, check_folder, writing
from export.training.folder import (
    CHECKPOINT,
    EMBEDDER,
    GRID,
    LOG,
    MODEL,
    TRAINING,
    checkpoint_name,
    checkpoints,
    is_checkpoint,
)
from export.training.results import (
    RESULTS,
    join_results,
    load_checkpoint,
    pack_results,
    read_checkpoint,
    read_results,
    restored,
    slim,
)
from inference.errors import InputError, LikenessError
from inference.files import written_whole
from inference.outputs import FolderKind, OwnedFolder, refuse_inputs

ROOT = Path(__file__).resolve().parents[2]
_PACKING = 10.0  # seconds kept at the very end for writing the pieces
_SHORTEST = 15.0  # seconds of training below which a run is not worth its start
_TO_END = 5.0  # seconds that a process has to end by itself


_MADE = FolderKind(
    "what a training run brings home",
    tuple(re.escape(name) for name in (CHECKPOINT, MODEL, EMBEDDER)),
    lambda folder: is_checkpoint(folder / CHECKPOINT),
)


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

    Raises InputError for what cannot be used, for a folder that is not ours and for one that
    another run works in; LikenessError when no checkpoint came of it.
    """
    began = time.monotonic() if began is None else began
    given = [job.data, *([job.start] if job.start else [])]
    refuse_inputs([job.out, job.work], given)
    refuse_inputs([job.out], [job.work])
    check_folder(job.out, RESULTS)
    check_folder(_trained(job), TRAINING, given)
    check_folder(job.work / "results", _MADE, given)
    if is_parts(job.data):
        check_folder(job.work / "data", PREPARED, given)
    with alone(job.work, "what a training keeps"):
        return _run(job, began)


def _trained(job: Run) -> Path:
    return job.work / f"train-{job.tier}"


def _run(job: Run, began: float) -> Outcome:
    end = began + 60 * job.minutes
    data = job.data
    if is_parts(data):
        data = job.work / "data"
        unpack(job.data, data)
        _say(f"unpacked in {time.monotonic() - began:.1f} s")
    trained = _trained(job)
    _place_start(job, trained)
    newest = _newest(trained)
    spent = _minutes_of(newest) if newest else 0.0

    room = end - job.reserve - job.start_up - time.monotonic()
    if room < _SHORTEST:
        raise InputError(
            f"{job.minutes:g} minutes leave {max(room, 0):.0f} s for training; give "
            "more, or a smaller --reserve"
        )
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
    outcome = _gather(job, trained, newest, end, failed)
    _say(f"{time.monotonic() - began:.1f} of {60 * job.minutes:.0f} s used")
    return outcome


def resume_from(folder: Path, out: Path) -> Path:
    """Make a run that training goes on from of a folder of results. Returns its checkpoint.

    Raises InputError when the results are not whole, or when `out` is not ours or a run that has
    come further.
    """
    check_folder(out, TRAINING, [folder])
    results = read_results(folder)
    content = _start_of(folder, results)
    with writing(out, TRAINING, [folder]) as owned:
        there = _newest(out)
        if there is not None and _step_of(there) > int(content["resume"]["step"]):
            raise InputError(
                f"{there}: this run has come further than {folder}; choose another folder"
            )
        join_results(results, owned)
        return _place(content, owned)


def place_checkpoint(path: Path, folder: Path) -> Path:
    """Put a checkpoint, slim or not, where `train --out folder` finds it as its newest."""
    content = restored(read_checkpoint(path))
    _resume_of(content, path)
    with writing(folder, TRAINING, [path]) as owned:
        return _place(content, owned)


def _place(content: dict[str, Any], folder: OwnedFolder) -> Path:
    placed = folder.file(checkpoint_name(int(content["resume"]["step"])))
    with written_whole(placed) as part:
        torch.save(content, part)
    return placed


def _start_of(folder: Path, results: dict[str, bytes]) -> dict[str, Any]:
    """The checkpoint in a folder of results, as training goes on from it."""
    if CHECKPOINT not in results:
        raise InputError(f"{folder}: its results hold no checkpoint")
    content = restored(load_checkpoint(io.BytesIO(results[CHECKPOINT]), folder))
    _resume_of(content, folder)
    return content


def _place_start(job: Run, trained: Path) -> None:
    if job.start is None:
        return
    if job.start.is_dir():
        content = _start_of(job.start, read_results(job.start))
    else:
        content = restored(read_checkpoint(job.start))
    there = _newest(trained)
    if there is not None and _step_of(there) >= int(_resume_of(content, job.start)["step"]):
        _say(f"{there} is as new as {job.start}; going on from it")
        return
    with writing(trained, TRAINING, [job.start]) as owned:
        _place(content, owned)


def _gather(job: Run, trained: Path, newest: Path, end: float, failed: bool) -> Outcome:
    with writing(job.work / "results", _MADE, [newest]) as folder:
        for older in folder.files():
            older.unlink()
        return _pack(job, trained, newest, end, failed, folder)


def _pack(
    job: Run, trained: Path, newest: Path, end: float, failed: bool, folder: OwnedFolder
) -> Outcome:
    content = read_checkpoint(newest)
    files = {CHECKPOINT: folder.file(CHECKPOINT)}
    with written_whole(files[CHECKPOINT]) as part:
        torch.save(slim(content), part)
    missing = []
    if (trained / LOG).is_file():
        files[LOG] = trained / LOG
    grids = sorted(trained.glob("grid-*.png"))
    if grids:
        files[GRID] = grids[-1]
    model = folder.file(MODEL)
    command = [
        sys.executable, "-m", "export", "onnx", "--generator", "warp", "--tier", job.tier,
        "--checkpoint", str(newest), "--out", str(model),
    ]  # fmt: skip
    if _call(command, end - _PACKING) == 0:
        files |= {path.name: path for path in folder.files() if path.name in (MODEL, EMBEDDER)}
    else:
        missing.append(MODEL)
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
            child.wait(_TO_END)
        return None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _newest(folder: Path) -> Path | None:
    found = checkpoints(folder)
    return found[-1] if found else None


def _minutes_of(path: Path) -> float:
    return float(_resume_of(read_checkpoint(path), path)["minutes"])


def _step_of(path: Path) -> int:
    return int(_resume_of(read_checkpoint(path), path)["step"])


def _resume_of(content: dict[str, Any], path: Path) -> dict[str, Any]:
    resume = content.get("resume")
    if not isinstance(resume, dict) or not {"step", "minutes"} <= resume.keys():
        raise InputError(f"{path}: holds weights alone; training cannot go on from it")
    return resume


def _say(text: str) -> None:
    print(f"run: {text}", flush=True)
