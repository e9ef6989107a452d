# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's client against the real worker, and against processes that die, hang or chatter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blender_addon.errors import InputError
from blender_addon.worker.client import CANCEL_SECONDS, Client, Launch, python_environment
from tests.conftest import ROOT

Start = Callable[..., Client]
# Answers every job at once, but those named "hang"; says something on stdout that is no event.
TALKER = """
import json, sys
print("a library talks", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    print(json.dumps({"event": "queued", "id": job["id"]}), flush=True)
    if job["do"] == "hang":
        print(json.dumps({"event": "started", "id": job["id"]}), flush=True)
    if job["do"] == "die":
        print("the last straw", file=sys.stderr, flush=True)
        sys.exit(3)
    if job["do"] not in ("hang", "cancel"):
        print(json.dumps({"event": "done", "id": job["id"], "result": job}), flush=True)
"""


def launch(*arguments: str) -> Launch:
    return Launch((sys.executable, *arguments), python_environment(os.environ, [ROOT], {}))


@pytest.fixture
def start() -> Iterator[Start]:
    """Makes clients of a Python started with these arguments, and ends their processes."""
    made: list[Client] = []

    def make(*arguments: str, **how: Any) -> Client:
        made.append(Client(lambda: launch(*arguments), **how))
        return made[-1]

    yield make
    for client in made:
        client.stop()


def ending(client: Client, name: str, seconds: float = 60) -> dict[str, Any]:
    """Drain until the job has ended; its last event."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        for event in client.drain():
            if event["id"] == name and event["event"] in ("done", "error", "cancelled"):
                return event
        time.sleep(0.01)
    raise AssertionError(f"{name} did not end")


def heard(client: Client, name: str, event: str) -> None:
    """Drain until the job has said this."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        if any((each["id"], each["event"]) == (name, event) for each in client.drain(1)):
            return
    raise AssertionError(f"{name} never {event}")


def test_a_job_that_waits_is_cancelled_at_once_and_the_one_at_work_stays(start: Start) -> None:
    now = [0.0]
    client = start("-c", TALKER, clock=lambda: now[0])
    client.submit("a", {"do": "hang"})
    heard(client, "a", "started")
    client.submit("b", {"do": "y"})
    client.cancel("b")
    assert client.unfinished == ("a",)
    now[0] = CANCEL_SECONDS + 1
    time.sleep(0.2)
    assert [e["event"] for e in client.drain() if e["id"] == "b"] == ["cancelled"]
    assert client.worker_pid is not None and client.unfinished == ("a",)


def test_the_real_worker_lists_the_samples_face(
    start: Start, samples: Path, tmp_path: Path
) -> None:
    client = start("-m", "inference", "worker", "--end-with-input")
    picture = samples / "eileen_collins.png"
    client.submit("a", {"do": "faces", "picture": str(picture), "out": str(tmp_path)})
    result = ending(client, "a")["result"]
    assert [face["number"] for face in result["faces"]] == [1]
    assert Path(result["faces"][0]["thumbnail"]).is_file()
    client.submit("b", {"do": "faces", "picture": "/no such.png", "out": str(tmp_path)})
    error = ending(client, "b")
    assert (error["kind"], error["event"]) == ("input", "error")
    assert "/no such.png: there is no such file" in error["message"]


def test_a_worker_whose_program_died_does_not_work_on(samples: Path, tmp_path: Path) -> None:
    job = {
        "id": "a", "do": "synthesize", "portrait": [str(samples / "eileen_collins.png")],
        "track": str(samples / "weekly_address.track.npz"), "out": str(tmp_path / "head"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "inference", "worker", "--end-with-input"],
        input=json.dumps(job) + "\n", cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events[-2:] == ["cancelled", "stopped"]
    assert len(list(tmp_path.glob("head/head_*.png"))) < 20


def test_a_worker_that_is_killed_fails_its_jobs_and_the_next_job_starts_another(
    start: Start,
) -> None:
    client = start("-c", TALKER)
    client.submit("a", {"do": "hang"})
    client.submit("b", {"do": "hang"})
    while not any(event["id"] == "b" for event in client.drain()):
        time.sleep(0.01)
    first = client.worker_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    endings: dict[str, dict[str, Any]] = {}
    limit = time.monotonic() + 20
    while len(endings) < 2 and time.monotonic() < limit:
        endings.update({e["id"]: e for e in client.drain() if e["event"] == "error"})
    assert list(endings) == ["a", "b"]
    for error in endings.values():
        assert "ended in the middle (signal 9)" in error["message"]
    assert client.unfinished == ()
    client.submit("c", {"do": "x"})
    assert ending(client, "c")["event"] == "done"
    assert client.worker_pid not in (None, first)


def test_a_worker_that_died_between_two_jobs_costs_none(start: Start) -> None:
    client = start("-c", TALKER)
    client.submit("a", {"do": "x"})
    ending(client, "a")
    first = client.worker_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    client.submit("b", {"do": "x"})  # before the end was noticed
    assert ending(client, "b")["event"] == "done"


def test_a_worker_that_cannot_even_start_is_one_line(start: Start) -> None:
    client = start("-c", "raise SystemExit('no numpy here')")
    client.submit("a", {"do": "x"})
    error = ending(client, "a")
    assert error["event"] == "error"
    assert "exit code 1: no numpy here" in error["message"]


def test_a_python_that_is_not_there_is_refused() -> None:
    client = Client(lambda: Launch(("/no/python",), {}))
    with pytest.raises(InputError, match="/no/python: this Python could not be started"):
        client.submit("a", {"do": "x"})
    assert client.unfinished == ()


def test_a_job_that_does_not_listen_is_ended_by_force(start: Start) -> None:
    now = [0.0]
    client = start("-c", TALKER, clock=lambda: now[0])
    client.submit("a", {"do": "hang"})
    heard(client, "a", "started")
    client.cancel("a")
    client.cancel("never heard of")
    time.sleep(0.2)
    client.drain()
    assert client.unfinished == ("a",), "it has its time"
    now[0] = CANCEL_SECONDS + 1
    assert ending(client, "a")["event"] == "cancelled"


def test_an_idle_worker_ends_and_one_with_jobs_does_not(start: Start) -> None:
    now = [0.0]
    client = start("-c", TALKER, clock=lambda: now[0])
    client.submit("a", {"do": "hang"})
    now[0] = 1000.0
    assert not client.stop_if_idle(60)
    heard(client, "a", "started")
    client.cancel("a")
    now[0] += CANCEL_SECONDS + 1
    ending(client, "a")
    client.submit("b", {"do": "x"})
    ending(client, "b")
    assert not client.stop_if_idle(60)
    now[0] += 61
    assert client.stop_if_idle(60)
    limit = time.monotonic() + 10
    while client.worker_pid is not None and time.monotonic() < limit:
        client.drain()
        time.sleep(0.01)
    assert client.worker_pid is None


def test_what_libraries_print_is_no_event(start: Start) -> None:
    client = start("-c", TALKER)
    client.submit("a", {"do": "x"})
    assert ending(client, "a")["result"] == {"do": "x", "id": "a"}


def test_a_burst_of_events_comes_in_portions_and_in_order(start: Start) -> None:
    client = start("-c", TALKER)
    for k in range(50):
        client.submit(str(k), {"do": "x"})
    seen: list[str] = []
    limit = time.monotonic() + 20
    while client.unfinished and time.monotonic() < limit:
        portion = client.drain(8)
        assert len(portion) <= 8
        seen += [event["id"] for event in portion if event["event"] == "done"]
    assert seen == [str(k) for k in range(50)]


def test_stopping_leaves_no_process_and_no_thread(start: Start) -> None:
    before = threading.active_count()
    client = start("-c", TALKER)
    client.submit("a", {"do": "hang"})
    pid = client.worker_pid
    assert pid is not None
    client.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert threading.active_count() == before
    assert client.drain() == []


def test_a_commands_lines_are_events_and_its_failure_its_last_word(start: Start) -> None:
    client = start("-c", TALKER)
    client.command("a", launch("-c", "print('one'); print('two')"))
    events: list[dict[str, Any]] = []
    while client.unfinished:
        events += client.drain()
    assert [e["line"] for e in events if e["event"] == "line"] == ["one", "two"]
    assert events[-1]["result"] == {"lines": ["one", "two"]}
    client.command("b", launch("-c", "import sys; sys.exit('likeness: no torch here')"))
    assert ending(client, "b")["message"] == "likeness: no torch here"
    client.command("e", launch("-c", "import sys; sys.exit('error: a.png: no face')"))
    assert ending(client, "e")["message"] == "a.png: no face"
    client.command("c", launch("-c", "import time; time.sleep(60)"))
    client.cancel("c")
    assert ending(client, "c", 10)["event"] == "cancelled"


def test_a_child_sees_the_given_paths_and_none_of_the_persons_own() -> None:
    inherited = {"PYTHONPATH": "/studio", "PYTHONHOME": "/blender", "HOME": "/home/a"}
    made = python_environment(inherited, [Path("/code"), Path("/packages")], {"X": "1"})
    assert made["PYTHONPATH"] == os.pathsep.join(("/code", "/packages"))
    assert "PYTHONHOME" not in made
    assert (made["HOME"], made["X"]) == ("/home/a", "1")


def test_the_client_and_the_search_for_a_runtime_need_no_blender() -> None:
    code = (
        "import sys; sys.modules['bpy'] = None; sys.modules['numpy'] = None\n"
        "import blender_addon.worker.client, blender_addon.worker.runtime"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
