# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation as a whole: read the clips, make and measure their frames, gather by person."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.data.clips import ClipFile
from export.data.workers import start_worker
from export.evaluation.clips import EvaluationClip, clips_to_evaluate, read_clip
from export.evaluation.score import (
    ClipResult,
    RealClip,
    describe_real,
    measure_cross,
    measure_self,
)
from inference.errors import InputError, LikenessError
from inference.generator.model import Generator, load_generator
from inference.generator.person import open_person
from inference.progress import Progress

if TYPE_CHECKING:
    from export.evaluation.people import Personalizing


@dataclass(frozen=True)
class _Task:
    """What a process does: a function and its arguments, and how much of the work that is."""

    do: Callable[..., Any]
    arguments: tuple[Any, ...]
    size: int = 1


_Run = Callable[[list[_Task], Progress | None], Iterator[tuple[_Task, Any]]]


@dataclass(frozen=True)
class Evaluated:
    """All that a report is made of. left_out: (file, reason) of clips that cannot be used."""

    model: Generator
    held_back: bool
    shots: tuple[int, ...]
    own: list[ClipResult]
    cross: list[ClipResult]
    real: list[RealClip]
    left_out: list[tuple[str, str]]


def evaluate(
    folder: Path,
    shots: Sequence[int],
    model: str | Path,
    targets: int = 32,
    provider: str = "auto",
    processes: int | None = None,
    reading: Progress | None = None,
    measuring: Progress | None = None,
    personalizing: Personalizing | None = None,
    fitting: Progress | None = None,
) -> Evaluated:
    """Evaluate a generator on the clips of a folder.

    shots: how many sources, each a run of its own. model: a tier or an ONNX file. targets: frames
    of each clip. personalizing: also measure generators that are fine-tuned on the sources; cross
    and with one source those on the most of them. reading, measuring, fitting: called with how
    many clips, frames and people are done, from 0 on.
    Raises InputError when there is no clip, no face in any, or no such model.
    """
    generator = load_generator(model, provider)
    files, held_back = clips_to_evaluate(folder)
    count = processes or min(os.cpu_count() or 1, len(files))
    with _processes(count) as run:
        read, left_out = [], []
        tasks = [_Task(_read, (file, max(shots), targets)) for file in files]
        for task, answer in run(tasks, reading):
            if isinstance(answer, str):
                left_out.append((task.arguments[0].name, answer))
            else:
                read.append(answer)
        if not read:
            raise InputError(
                f"{folder}: none of its {len(files)} clips can be used; the first: "
                f"{min(left_out)[1]}"
            )
        clips = sorted((clip for clip, _ in read), key=lambda clip: clip.name)
        people: dict[tuple[str, int], Path] = {}
        if personalizing is not None:
            from export.evaluation.people import personalized_on  # brings torch

            how = replace(personalizing, threads=max(1, (os.cpu_count() or 1) // count))
            # Of one picture nothing is learnt: there the person of the most moves that picture.
            learnt = [n for n in shots if n > 1] or [1]
            tasks = [_Task(personalized_on, (clip, n, how)) for n in learnt for clip in clips]
            for task, made in run(tasks, fitting):
                people[task.arguments[0].name, task.arguments[1]] = made
            people |= {(clip.name, 1): people[clip.name, max(shots)] for clip in clips}
        using = (str(model), provider)
        tasks = [
            _Task(_self, (clip, n, *using, people.get((clip.name, n))), len(clip.targets))
            for clip in clips
            for n in shots
        ]
        tasks += [
            _Task(
                _cross,
                (driver, person, *using, people.get((person.name, max(shots)))),
                len(driver.targets),
            )
            for driver, person in _pairs(clips)
        ]
        results = [answer for _, answer in run(tasks, measuring)]
    results.sort(key=lambda result: result.clip)
    return Evaluated(
        generator,
        held_back,
        tuple(shots),
        [result for result in results if result.shots],
        [result for result in results if not result.shots],
        sorted((real for _, real in read), key=lambda real: real.clip),
        sorted(left_out),
    )


def _pairs(clips: list[EvaluationClip]) -> Iterator[tuple[EvaluationClip, EvaluationClip]]:
    """Each clip with the next person's first one; nobody to drive when there is one person."""
    people = sorted({clip.person for clip in clips})
    for clip in clips:
        following = people[(people.index(clip.person) + 1) % len(people)]
        if following != clip.person:
            yield clip, next(other for other in clips if other.person == following)


def _read(file: ClipFile, sources: int, targets: int) -> tuple[EvaluationClip, RealClip] | str:
    try:
        clip = read_clip(file, sources, targets)
    except LikenessError as error:
        return str(error)
    return clip, describe_real(clip)


def _self(
    clip: EvaluationClip, shots: int, model: str, provider: str, person: Path | None
) -> ClipResult:
    return measure_self(clip, shots, _generator(model, provider), _personal(person, provider))


def _cross(
    driver: EvaluationClip, person: EvaluationClip, model: str, provider: str, made: Path | None
) -> ClipResult:
    return measure_cross(driver, person, _generator(model, provider), _personal(made, provider))


def _personal(folder: Path | None, provider: str) -> Generator | None:
    return None if folder is None else load_generator(open_person(folder).model, provider)


@cache
def _generator(model: str, provider: str) -> Generator:
    """Each process loads the model once."""
    return load_generator(model, provider)


@contextmanager
def _processes(count: int) -> Iterator[_Run]:
    """`run(tasks, progress)` in `count` processes: each task with its answer as they come."""
    # Spawned, not forked: MediaPipe's threads do not survive a fork.
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_start)

    def run(tasks: list[_Task], progress: Progress | None) -> Iterator[tuple[_Task, Any]]:
        total, done = sum(task.size for task in tasks), 0
        if progress:
            progress(0, total)
        waiting = {pool.submit(task.do, *task.arguments): task for task in tasks}
        for future in as_completed(waiting):
            task = waiting[future]
            done += task.size
            if progress:
                progress(done, total)
            yield task, future.result()

    try:
        yield run
    except BrokenProcessPool:
        raise LikenessError(
            "a process of the evaluation died, of a damaged clip or for want of memory; run it "
            "again with --processes 1, or on fewer clips"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it and ends the run
    start_worker()
