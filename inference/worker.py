# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker: jobs come in on stdin, events go out on stdout, one JSON object a line.

In:  {"id": "7", "do": "capture" | "performance" | "synthesize" | "faces" | "check" | "cancel" |
      "stop", ...}
     The other keys are the fields of `inference.jobs`' dataclasses; "id" is any text.
     The "match" of "synthesize" is "off", "portrait" or a picture's path.
Out: {"event": "ready", "version": 1, "pid": n}
     {"event": "queued" | "started", "id": "7"}
     {"event": "progress", "id": "7", "done": n, "total": n, "rate": frames a second,
      "left_s": seconds}
     {"event": "done", "id": "7", "result": {...}}
     {"event": "cancelled", "id": "7", "message": "..."}
     {"event": "error", "id": "7" or null, "kind": "input" | "failure", "message": "one line"}
     {"event": "stopped"}
Jobs run one after the other in the order in which they came; "cancel" acts at once. A line that
is no valid job gives an error event and the worker lives on. It ends at "stop" or when stdin
closes, after what is queued; with --end-with-input a closed stdin cancels what is queued, so that
no work outlives a program that died. stderr is a log for people.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from queue import Queue
from typing import Any, TextIO

from inference.capture.capture import Captured, run_capture
from inference.check import Checked, check_runtime
from inference.errors import Cancelled, InputError, LikenessError
from inference.face_list import FaceList, list_faces
from inference.jobs import (
    CancelJob,
    CaptureJob,
    CheckJob,
    FacesJob,
    Job,
    PerformanceJob,
    StopJob,
    SynthesizeJob,
    parse_job,
)
from inference.progress import progress_meter
from inference.synthesis import Synthesized, synthesize

VERSION = 1

_GIVEN_WAY = 5  # niceness: a third of an ordinary process's share where cores are scarce
_BELOW_NORMAL = 0x4000  # Windows' priority class

Emit = Callable[..., None]
Work = CaptureJob | PerformanceJob | SynthesizeJob | FacesJob | CheckJob


def run_worker(stdin: TextIO, stdout: TextIO, end_with_input: bool = False) -> int:
    """Serve jobs until stdin ends or a stop job comes. Returns the exit code, 0.

    end_with_input: a stdin that ends without a stop job also cancels what is queued or runs.
    """
    emit = _emitter(stdout)
    queue: Queue[tuple[str, Work] | None] = Queue()
    cancelled: set[str] = set()
    unfinished: set[str] = set()

    def read() -> None:
        for line in stdin:
            if line.strip() and not _accept(line, queue, unfinished, cancelled, emit):
                break
        else:
            if end_with_input:
                cancelled.update(tuple(unfinished))
        queue.put(None)

    emit("ready", version=VERSION, pid=os.getpid())
    threading.Thread(target=read, daemon=True).start()
    while (item := queue.get()) is not None:
        name, job = item
        _run(name, job, partial(cancelled.__contains__, name), emit)
        unfinished.discard(name)
        cancelled.discard(name)
    emit("stopped")
    return 0


def give_way() -> None:
    """Let the program that started this process come first: its window waits for the same cores."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL)
    else:
        os.nice(_GIVEN_WAY)


def _accept(
    line: str,
    queue: Queue[tuple[str, Work] | None],
    unfinished: set[str],
    cancelled: set[str],
    emit: Emit,
) -> bool:
    """Queue or answer one line of input; False when it was the last."""
    name: str | None = None
    try:
        message = _parse(line)
        name = message.pop("id")
        job: Job = parse_job(message)
        if isinstance(job, StopJob):
            return False
        if isinstance(job, CancelJob):
            if job.job not in unfinished:
                raise InputError(f"there is no queued or running job '{job.job}' to cancel")
            cancelled.add(job.job)
        elif name in unfinished:
            raise InputError(f"a job '{name}' is queued or running already; use another id")
        else:
            unfinished.add(name)
            emit("queued", id=name)
            queue.put((name, job))
    except InputError as error:
        emit("error", id=name, kind="input", message=str(error))
    return True


def _parse(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        raise InputError("a line of input is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("id"), str):
        raise InputError('a line of input is not an object with a text "id"')
    return message


def _run(
    name: str,
    job: Work,
    cancelled: Callable[[], bool],
    emit: Emit,
) -> None:
    """Run one job and turn whatever comes of it into events."""
    meter = progress_meter(
        lambda done, total, rate, left: emit(
            "progress", id=name, done=done, total=total, rate=round(rate, 2), left_s=round(left, 1)
        )
    )
    try:
        if cancelled():
            raise Cancelled("cancelled before it began")
        emit("started", id=name)
        if isinstance(job, CaptureJob):
            result = _captured(run_capture(job, meter, cancelled))
        elif isinstance(job, PerformanceJob):
            result = _recorded(job)
        elif isinstance(job, FacesJob):
            result = _listed(list_faces(job, cancelled))
        elif isinstance(job, CheckJob):
            result = _checked(check_runtime(job, cancelled))
        else:
            result = _synthesized(synthesize(job, meter, cancelled))
        emit("done", id=name, result=result)
    except Cancelled as error:
        emit("cancelled", id=name, message=str(error))
    except LikenessError as error:
        kind = "input" if isinstance(error, InputError) else "failure"
        emit("error", id=name, kind=kind, message=str(error))
    except Exception as error:
        # A fault of ours: the log gets the trace, the artist one line, and the worker lives on.
        import traceback

        traceback.print_exc(file=sys.stderr)
        emit("error", id=name, kind="failure", message=f"{type(error).__name__}: {error}")


def _captured(result: Captured) -> dict[str, Any]:
    return {
        "frames": len(result.track),
        "gaps": int((~result.track.valid).sum()),
        "cuts": list(result.track.cuts),
        "face": result.face,
        "faces": list(result.faces),
    }


def _recorded(job: PerformanceJob) -> dict[str, Any]:
    from inference.performance.record import run_performance

    result = run_performance(job)
    return {
        "frames": result.frames,
        "gaps": result.gaps,
        "filled": result.filled,
        "neutral": list(result.neutral),
    }


def _listed(result: FaceList) -> dict[str, Any]:
    return {
        "picture": str(result.picture),
        "size": list(result.size),
        "sha256": result.sha256,
        "faces": [
            {
                "number": face.number,
                "box": list(face.box),
                "crop": list(face.crop),
                "thumbnail": str(face.thumbnail),
                "points": str(face.points),
            }
            for face in result.faces
        ],
    }


def _checked(result: Checked) -> dict[str, Any]:
    return {
        "lines": list(result.lines),
        "provider": result.provider,
        "reason": result.reason,
        "ms": result.ms,
    }


def _synthesized(result: Synthesized) -> dict[str, Any]:
    return {
        "made": result.made,
        "kept": result.kept,
        "gaps": result.gaps,
        "provider": result.provider,
        "reason": result.reason,
    }


def _emitter(stdout: TextIO) -> Emit:
    lock = threading.Lock()

    def emit(event: str, **values: object) -> None:
        with lock:
            stdout.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")
            stdout.flush()

    return emit
