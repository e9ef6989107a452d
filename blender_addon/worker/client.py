# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the worker process: jobs go in as JSON lines, events come back, nothing waits.

No bpy here. Threads only read the process's pipes and fill a queue; whoever owns the client calls
`drain` from one thread, a few times a second. An event is the worker's JSON object, see the
worker's own description; the client adds error events for jobs whose process ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import InputError
from .events import ENDINGS, LONGEST_LINE, checked, parse_line
from .events import Event as Event

# How long a cancelled job may go on until its process is ended: a network's run cannot be asked.
CANCEL_SECONDS = 5.0
_LOG_LINES = 50
_RESULT_LINES = 20


@dataclass(frozen=True)
class Launch:
    """How to start a process: its command, its environment and the folder that it runs in."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path | None = None


class Process:
    """A child process whose output lines land in a queue as (process, line); None at its end."""

    def __init__(
        self,
        launch: Launch,
        arrived: SimpleQueue[tuple[Process, str | None]],
        one_stream: bool = False,
    ) -> None:
        # A console window would flash up on Windows.
        hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        try:
            self._popen = subprocess.Popen(
                launch.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if one_stream else subprocess.PIPE,
                env=dict(launch.environment),
                cwd=launch.folder,
                encoding="utf-8",
                errors="replace",
                creationflags=hidden,
            )
        except OSError as error:
            raise InputError(
                f"{launch.command[0]}: this Python could not be started "
                f"({error.strerror or error}); choose another in the add-on's preferences"
            ) from None
        self.log: deque[str] = deque(maxlen=_LOG_LINES)
        self.ending = False
        self.heard = False  # has it said anything? One that did not is not started again
        self._threads = (
            threading.Thread(target=self._read, args=(arrived,), daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        )
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def alive(self) -> bool:
        """Is the process there, not merely about to be noticed as gone?"""
        return self._popen.poll() is None

    def send(self, line: str) -> None:
        """Write one line to its stdin; that a process is gone is reported by its end."""
        assert self._popen.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._popen.stdin.write(line + "\n")
            self._popen.stdin.flush()

    def close(self) -> None:
        """Let it end by itself: its stdin is closed."""
        self.ending = True
        assert self._popen.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._popen.stdin.close()

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(OSError):
            self._popen.kill()

    def end(self, seconds: float = 1.0) -> None:
        """End it and its threads: kindly, then not. Takes about `seconds` at most."""
        self.close()
        with contextlib.suppress(OSError):
            self._popen.terminate()
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(seconds)
        # Threads that outlive Blender's Python crash it.
        for thread in self._threads:
            thread.join(seconds)

    def last_words(self) -> str:
        """How it ended: its exit code or signal, and the last line of its log."""
        code = self._popen.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = [line.strip() for line in self.log if line.strip()]
        return f"{how}: {said[-1][:200]}" if said else how

    def _read(self, arrived: SimpleQueue[tuple[Process, str | None]]) -> None:
        assert self._popen.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while line := self._popen.stdout.readline(LONGEST_LINE):
                arrived.put((self, line))
        arrived.put((self, None))

    def _read_log(self) -> None:
        if self._popen.stderr is None:  # one stream
            return
        with contextlib.suppress(OSError, ValueError):
            for line in self._popen.stderr:
                self.log.append(line)


@dataclass
class _Running:
    """A job that has not ended. line: what the worker was sent, "" for a command.

    heard: the worker has answered. begun: it is at work. deadline: when a cancelled one is
    ended by force.
    """

    process: Process
    line: str = ""
    heard: bool = False
    begun: bool = False
    deadline: float | None = None

    @property
    def is_command(self) -> bool:
        return not self.line


class Client:
    """Jobs and commands in child processes. Call it from one thread.

    launch: tells how to start the worker; called when a job finds none running, and may raise
    InputError. clock: seconds, for tests.
    """

    def __init__(
        self, launch: Callable[[], Launch], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._launch = launch
        self._clock = clock
        self._arrived: SimpleQueue[tuple[Process, str | None]] = SimpleQueue()
        self._made: list[Event] = []
        self._worker: Process | None = None
        self._running: dict[str, _Running] = {}
        self._lines: dict[str, deque[str]] = {}
        self._last_use = clock()

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The ids of the jobs that have not ended, in the order in which they came."""
        return tuple(self._running)

    @property
    def worker_pid(self) -> int | None:
        """The worker's process, None while there is none."""
        return self._worker.pid if self._worker and self._worker.alive() else None

    def submit(self, name: str, job: Mapping[str, Any]) -> None:
        """Queue a job under an id of its own. Starts the worker where none runs.

        Raises InputError when it cannot be started.
        """
        assert name not in self._running
        self._last_use = self._clock()
        line = json.dumps({**job, "id": name})
        worker = self._started()
        self._running[name] = _Running(worker, line)
        worker.send(line)

    def command(self, name: str, launch: Launch) -> None:
        """Run a command in a process of its own; its lines are events {"event": "line", "line"}.

        It ends with a done event whose result is {"lines": [its last lines]}, or an error event.
        Raises InputError when it cannot be started.
        """
        assert name not in self._running
        self._last_use = self._clock()
        # A command tells its progress on stderr, as commands do.
        process = Process(launch, self._arrived, one_stream=True)
        process.close()
        self._running[name] = _Running(process)
        self._lines[name] = deque(maxlen=_RESULT_LINES)
        self._made.append({"event": "started", "id": name})

    def cancel(self, name: str) -> None:
        """End a job: one that waits at once, one at work at its next frame or, after
        CANCEL_SECONDS, with its process. Unknown ids are passed over.
        """
        running = self._running.get(name)
        if running is None or running.deadline is not None:
            return
        if running.is_command:
            running.deadline = self._clock()
            running.process.kill()
            return
        message = {"id": f"cancel {name}", "do": "cancel", "job": name}
        running.process.send(json.dumps(message))
        if running.begun:
            running.deadline = self._clock() + CANCEL_SECONDS
        else:
            # It waits behind another one, which must not be ended with it.
            del self._running[name]
            self._made.append({"event": "cancelled", "id": name, "message": "cancelled"})

    def drain(self, most: int = 64) -> list[Event]:
        """At most `most` events that came since the last call, in their order. Never waits."""
        for running in list(self._running.values()):
            if running.deadline is not None and self._clock() > running.deadline:
                running.process.kill()
        events, self._made = self._made, []
        for _ in range(most):
            try:
                process, line = self._arrived.get_nowait()
            except Empty:
                break
            if line is None:
                events += self._ended(process)
            else:
                events += self._event(process, line)
        if events:
            self._last_use = self._clock()
        return events

    def stop_if_idle(self, seconds: float) -> bool:
        """Let a worker without jobs go once it was not used for `seconds`; did it?"""
        worker = self._worker
        if worker is None or worker.ending or self._running:
            return False
        if self._clock() - self._last_use < seconds:
            return False
        worker.close()
        return True

    def stop(self) -> None:
        """End every process, now. Jobs that had not ended get no event any more."""
        processes = {running.process for running in self._running.values()}
        if self._worker is not None:
            processes.add(self._worker)
        self._running.clear()
        self._lines.clear()
        self._made.clear()
        self._worker = None
        for process in processes:
            process.end()
        with contextlib.suppress(Empty):
            while True:
                self._arrived.get_nowait()

    def _started(self) -> Process:
        """The worker, started where none serves."""
        worker = self._worker
        if worker is None or worker.ending or not worker.alive():
            worker = self._worker = Process(self._launch(), self._arrived)
        return worker

    def _event(self, process: Process, line: str) -> list[Event]:
        for name, running in self._running.items():
            if running.process is process and running.is_command:
                self._lines[name].append(line.rstrip())
                return [{"event": "line", "id": name, "line": line.rstrip()}]
        said = parse_line(line)
        if said is None:
            return []  # a library that talks
        process.heard = True
        event = checked(said)
        if event is None or event["id"] not in self._running:
            return []
        running = self._running[event["id"]]
        running.heard = True
        running.begun = running.begun or event["event"] in ("started", "progress")
        if event["event"] in ENDINGS:
            del self._running[event["id"]]
        return [event]

    def _ended(self, process: Process) -> list[Event]:
        """What the end of a process means for its jobs, asked for or not."""
        if process is self._worker:
            self._worker = None
        lost = [name for name, running in self._running.items() if running.process is process]
        if process.heard:
            # It ended between two jobs, just before the next came: that one was never seen.
            lost = [name for name in lost if not self._sent_again(name)]
        words = process.last_words() if lost else ""
        events: list[Event] = []
        for name in lost:
            running = self._running.pop(name)
            lines = list(self._lines.pop(name, ()))
            if running.deadline is not None:
                events.append({"event": "cancelled", "id": name, "message": "cancelled"})
            elif running.is_command and words.partition(":")[0] == "exit code 0":
                events.append({"event": "done", "id": name, "result": {"lines": lines}})
            elif running.is_command:
                said = words.partition(": ")[2] or (lines[-1] if lines else words)
                said = said.removeprefix("error: ")  # the panel shows that it is one
                events.append({"event": "error", "id": name, "kind": "input", "message": said})
            else:
                events.append(
                    {
                        "event": "error",
                        "id": name,
                        "kind": "failure",
                        "message": f"the worker ended in the middle ({words}); "
                        "start the job again, what was finished is kept",
                    }
                )
        return events

    def _sent_again(self, name: str) -> bool:
        """Give a job that its worker never took to another one."""
        running = self._running[name]
        if running.is_command or running.heard or running.deadline is not None:
            return False
        try:
            running.process = self._started()
        except InputError:
            return False
        running.process.send(running.line)
        return True


def python_environment(
    inherited: Mapping[str, str], paths: Sequence[Path], extra: Mapping[str, str]
) -> dict[str, str]:
    """A child's environment: this one's, with `paths` alone before the Python's own packages."""
    # Blender's and a person's own settings of these would put other packages first.
    dropped = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONOPTIMIZE")
    kept = {key: value for key, value in inherited.items() if key not in dropped}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        **extra,
    }
