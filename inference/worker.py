# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker: jobs come in on stdin, events go out on stdout, one JSON object a line.

In:  {"id": "7", "do": "capture" | "performance" | "speech" | "synthesize" | "layers" | "teeth" |
      "faces" | "sign" | "verify" | "check" | "cancel" | "stop", ...}
     The other keys are the fields of `inference.jobs`' dataclasses; "id" is any text.
     The "match" of "synthesize" is "off", "portrait" or a picture's path.
Out: {"event": "ready", "version": 1, "pid": n}
     {"event": "queued" | "started", "id": "7"}
     {"event": "progress", "id": "7", "done": n, "total": n, "rate": frames a second,
      "left_s": seconds}; with "stage": "preparing" the n are steps, to 100, of the portrait's
      matte and plate, before the first frame
     {"event": "done", "id": "7", "result": {...}}
     {"event": "cancelled", "id": "7", "message": "..."}
     {"event": "error", "id": "7" or null, "kind": "input" | "failure", "message": "one line"}
     {"event": "stopped"}
Jobs run one after the other in the order in which they came; "cancel" acts at once. A line that
is no valid job, whatever bytes it is made of, gives an error event and the worker lives on; so does
one of more than a mebibyte. It ends at "stop" or when stdin closes, after what is queued; with
--end-with-input a closed stdin cancels what is queued, so that no work outlives a program that
died. Events are ASCII: names that are no text come as JSON's escapes, and messages hold nothing but
what a terminal prints. stderr is a log for people.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import Queue
from typing import Any, BinaryIO, TextIO

from inference.capture.capture import Captured, run_capture
from inference.check import Checked, check_runtime
from inference.delivery.sign import sign
from inference.delivery.verify import verify
from inference.errors import Cancelled, InputError, LikenessError, of_system, one_line
from inference.face_list import FaceList, list_faces
from inference.inputs import parse_json
from inference.jobs import (
    CancelJob,
    CaptureJob,
    CheckJob,
    FacesJob,
    Job,
    LayersJob,
    PerformanceJob,
    SignJob,
    SpeechJob,
    StopJob,
    TeethJob,
    VerifyJob,
    Work,
    parse_job,
)
from inference.layers_job import WrittenLayers, write_layers
from inference.progress import Progress, progress_meter
from inference.speech.speech import Spoken, run_speech
from inference.synthesis import Synthesized, synthesize
from inference.teeth_job import write_template

VERSION = 1

_LONGEST_LINE = 1 << 20  # bytes; a job of 32 long paths has a tenth of it
_MOST_JOBS = 1000  # queued or running

_GIVEN_WAY = 5  # niceness: a third of an ordinary process's share where cores are scarce
_BELOW_NORMAL = 0x4000  # Windows' priority class

Emit = Callable[..., None]


class _NobodyListensError(Exception):
    """The other end of stdout is gone, and with it whoever wanted the work."""


def run_worker(stdin: BinaryIO, stdout: TextIO, end_with_input: bool = False) -> int:
    """Serve jobs until stdin ends or a stop job comes. Returns the exit code, 0.

    end_with_input: a stdin that ends without a stop job also cancels what is queued or runs.
    """
    try:
        _serve(stdin, stdout, end_with_input)
    except _NobodyListensError:
        print("worker: nobody reads the events any more", file=sys.stderr)
    return 0


def _serve(stdin: BinaryIO, stdout: TextIO, end_with_input: bool) -> None:
    emit = _emitter(stdout)
    queue: Queue[tuple[str, Work] | None] = Queue()
    cancelled: set[str] = set()
    unfinished: set[str] = set()

    def read() -> None:
        try:
            for line in _lines(stdin):
                if not _accept(line, queue, unfinished, cancelled, emit):
                    break
            else:
                if end_with_input:
                    cancelled.update(tuple(unfinished))
        except _NobodyListensError:
            cancelled.update(tuple(unfinished))
        finally:
            queue.put(None)  # whatever happens here, the worker ends

    emit("ready", version=VERSION, pid=os.getpid())
    threading.Thread(target=read, daemon=True).start()
    while (item := queue.get()) is not None:
        name, job = item
        _run(name, job, partial(cancelled.__contains__, name), emit)
        unfinished.discard(name)
        cancelled.discard(name)
    emit("stopped")


def lower_priority() -> None:
    """Let the program that started this process come first: its window waits for the same cores."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL)
    else:
        os.nice(_GIVEN_WAY)


def _lines(stdin: BinaryIO) -> Iterator[bytes | None]:
    """The lines of input that are not blank; None for one that is too long, which is passed over.

    An input that cannot be read any further has ended.
    """
    try:
        while line := stdin.readline(_LONGEST_LINE + 1):
            if len(line) <= _LONGEST_LINE:
                if line.strip():
                    yield line
                continue
            while line and not line.endswith(b"\n"):
                line = stdin.readline(_LONGEST_LINE)
            yield None
    except (OSError, ValueError):
        return


def _accept(
    line: bytes | None,
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
        elif len(unfinished) >= _MOST_JOBS:
            raise InputError(f"{_MOST_JOBS} jobs are queued already; wait until some are done")
        else:
            unfinished.add(name)
            emit("queued", id=name)
            queue.put((name, job))
    except InputError as error:
        emit("error", id=name, kind="input", message=str(error))
    except _NobodyListensError:
        raise
    except Exception as error:
        _fault(error, name, emit)
    return True


def _fault(error: Exception, name: str | None, emit: Emit) -> None:
    """A fault of ours: the log gets the trace, the artist one line, and the worker lives on."""
    import traceback

    traceback.print_exception(error, file=sys.stderr)
    emit("error", id=name, kind="failure", message=f"{type(error).__name__}: {error}")


def _parse(line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise InputError(f"a line of input has more than {_LONGEST_LINE} bytes")
    try:
        message = parse_json(line.decode("utf-8"))
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
    meter = _meter(name, emit)
    preparing = _meter(name, emit, stage="preparing")
    try:
        if cancelled():
            raise Cancelled("cancelled before it began")
        emit("started", id=name)
        if isinstance(job, CaptureJob):
            result = _captured(run_capture(job, meter, cancelled))
        elif isinstance(job, PerformanceJob):
            result = _recorded(job)
        elif isinstance(job, SpeechJob):
            result = _spoken(run_speech(job, meter, cancelled))
        elif isinstance(job, FacesJob):
            result = _listed(list_faces(job, cancelled))
        elif isinstance(job, CheckJob):
            result = _checked(check_runtime(job, cancelled))
        elif isinstance(job, LayersJob):
            result = _layered(write_layers(job, preparing, cancelled))
        elif isinstance(job, SignJob):
            result = {"signed": str(sign(job))}
        elif isinstance(job, VerifyJob):
            result = verify(job.path, meter, cancelled).as_json()
        elif isinstance(job, TeethJob):
            result = {"plate": str(write_template(job))}
        else:
            result = _synthesized(synthesize(job, meter, cancelled, preparing))
        emit("done", id=name, result=result)
    except Cancelled as error:
        emit("cancelled", id=name, message=str(error))
    except (LikenessError, OSError) as error:
        said = of_system(error) if isinstance(error, OSError) else error
        kind = "input" if isinstance(said, InputError) else "failure"
        emit("error", id=name, kind=kind, message=str(said))
    except _NobodyListensError:
        raise
    except Exception as error:
        _fault(error, name, emit)


def _meter(name: str, emit: Emit, **more: str) -> Progress:
    return progress_meter(
        lambda done, total, rate, left: emit(
            "progress",
            id=name,
            done=done,
            total=total,
            rate=round(rate, 2),
            left_s=round(left, 1),
            **more,
        )
    )


def _captured(result: Captured) -> dict[str, Any]:
    return {
        "frames": len(result.track),
        "gaps": int((~result.track.valid).sum()),
        "cuts": list(result.track.cuts),
        "face": result.face,
        "faces": list(result.faces),
        "notes": list(result.notes),
        "sound_leads": round(result.sound_leads, 6),
    }


def _recorded(job: PerformanceJob) -> dict[str, Any]:
    from inference.performance_job import run_performance

    result = run_performance(job)
    return {
        "frames": result.frames,
        "gaps": result.gaps,
        "filled": result.filled,
        "neutral": list(result.neutral),
    }


def _spoken(result: Spoken) -> dict[str, Any]:
    return {
        "frames": len(result.performance),
        "phones": len(result.said.phones),
        "notes": list(result.notes),
    }


def _listed(result: FaceList) -> dict[str, Any]:
    return {
        "picture": str(result.picture),
        "size": list(result.size),
        "sha256": result.sha256,
        "cut_out": result.cut_out,
        "faces": [
            {
                "number": face.number,
                "box": list(face.box),
                "crop": list(face.crop),
                "thumbnail": str(face.thumbnail),
                "points": str(face.points),
                "shows": face.shows,
            }
            for face in result.faces
        ],
    }


def _layered(result: WrittenLayers) -> dict[str, Any]:
    pictures = {"matte": result.matte, "person": result.person, "plate": result.plate}
    return {
        **{name: None if path is None else str(path) for name, path in pictures.items()},
        "words": result.words,
        "fallback": result.fallback,
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
        "words": result.words,
        "out": str(result.out),
    }


def _emitter(stdout: TextIO) -> Emit:
    lock = threading.Lock()

    def emit(event: str, **values: object) -> None:
        if "message" in values:
            values["message"] = one_line(str(values["message"]))
        line = json.dumps({"event": event, **values})
        with lock:
            try:
                stdout.write(line + "\n")
                stdout.flush()
            except OSError:
                raise _NobodyListensError from None

    return emit
