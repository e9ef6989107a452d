# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker answers every line, whatever it is made of, and ends when its input does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.timeout(120)

GOOD = b'{"id": "good", "do": "capture", "footage": "/none/a.mp4", "out": "%s"}\n'
LINES = {
    "no UTF-8": b'{"id": "\xff\xfe"}\n',
    "deep": b"[" * 20_000 + b"\n",
    "deep in a field": b'{"id": "x", "do": "capture", "footage": ' + b'{"a":' * 20_000 + b"\n",
    "half a character as id": b'{"id": "\\ud800", "do": "dance"}\n',
    "half a character as field": b'{"id": "x", "do": "stop", "\\ud800": 1}\n',
    "half a character in a path": b'{"id": "x", "do": "faces", "picture": "\\ud800", "out": "o"}\n',
    "nothing in a path": b'{"id": "x", "do": "faces", "picture": "a\\u0000b", "out": "o"}\n',
    "a long number": b'{"id": "x", "do": "layers", "portrait": "p", "out": "o", '
                     b'"portrait_face": ' + b"9" * 400 + b"}\n",
    "a long number as one with a point": b'{"id": "x", "do": "performance", "track": "t", '
                                         b'"out": "o", "lens": ' + b"9" * 400 + b"}\n",
    "a very long number": b'{"id": "x", "do": "stop", "a": ' + b"9" * 10_000 + b"}\n",
    "no number": b'{"id": "x", "do": "performance", "track": "t", "out": "o", "lens": NaN}\n',
    "infinity": b'{"id": "x", "do": "performance", "track": "t", "out": "o", "lens": Infinity}\n',
    "a large exponent": b'{"id": "x", "do": "performance", "track": "t", "out": "o", '
                        b'"lens": 1e999}\n',
    "an unknown tier": b'{"id": "x", "do": "check", "tier": "\\u001b[31m"}\n',
    "null": b"null\n",
    "a null byte": b"\0\n",
}  # fmt: skip


def serve(data: bytes, *options: str) -> tuple[list[dict[str, Any]], int]:
    """The events and the exit code of a worker that is given these lines."""
    done = subprocess.run(
        [sys.executable, "-m", "inference", "worker", *options], input=data, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


@pytest.mark.parametrize("options", [(), ("--end-with-input",)], ids=["plain", "with its input"])
def test_every_line_is_answered_and_the_worker_ends_with_its_input(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    out = os.fsencode(tmp_path / "a.track.npz")
    events, code = serve(b"".join(LINES.values()) + GOOD % out, *options)
    assert code == 0 and events[-1] == {"event": "stopped"}
    errors = [event for event in events if event["event"] == "error"]
    # With its input's end what is still queued is cancelled, which is an answer too.
    ended = [event for event in events if event["event"] in ("error", "cancelled")]
    assert len(ended) == len(LINES) + 1, events
    assert all(event["kind"] == "input" for event in errors), errors
    assert all(event["message"].isprintable() for event in errors)
    assert any(event.get("id") == "good" and event["event"] == "queued" for event in events)


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_answered_by_an_error_alone(name: str) -> None:
    from io import BytesIO, StringIO

    from inference.worker import run_worker

    events = StringIO()
    assert run_worker(BytesIO(LINES[name]), events) == 0
    said = [json.loads(line) for line in events.getvalue().splitlines()]
    kinds = [event["event"] for event in said if event["event"] not in ("queued", "started")]
    assert kinds == ["ready", "error", "stopped"]


def test_a_path_that_is_no_text_fails_its_job_alone(tmp_path: Path) -> None:
    lines = b'{"id": "1", "do": "faces", "picture": "/none/\\udcff.png", "out": "%s"}\n'
    events, code = serve((lines + lines.replace(b'"1"', b'"2"')) % ((os.fsencode(tmp_path),) * 2))
    errors = [event for event in events if event["event"] == "error"]
    assert code == 0 and [event["id"] for event in errors] == ["1", "2"]
    assert all("/none/\\udcff.png: there is no such file" in event["message"] for event in errors)


def test_a_line_of_a_hundred_megabytes_takes_no_memory() -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "inference", "worker"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert worker.stdin and worker.stdout
    try:
        assert b"ready" in worker.stdout.readline()
        before = resident(worker.pid)
        for _ in range(100):
            worker.stdin.write(b"x" * 1_000_000)
        worker.stdin.write(b"\n")
        worker.stdin.flush()
        event = json.loads(worker.stdout.readline())
        assert event["event"] == "error" and "bytes" in event["message"]
        assert resident(worker.pid) - before < 20_000_000
        worker.stdin.close()
        assert b"stopped" in worker.stdout.readline()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()


def resident(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_it_ends_when_nobody_reads_its_events(tmp_path: Path) -> None:
    from io import StringIO

    from inference.worker import run_worker

    class Gone(StringIO):
        def write(self, text: str) -> int:
            if "ready" not in text:
                raise BrokenPipeError
            return super().write(text)

    read, write = os.pipe()
    with os.fdopen(read, "rb") as lines, os.fdopen(write, "wb") as asks:
        ended = threading.Thread(target=run_worker, args=(lines, Gone()), daemon=True)
        ended.start()
        asks.write(b'{"id": "1", "do": "dance"}\n')
        asks.flush()
        ended.join(20)
        assert not ended.is_alive()
