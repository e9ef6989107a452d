# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker as Blender sees it: a process that takes JSON lines and never dies of them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.demo import PORTRAIT, TRACK

ROOT = Path(__file__).parents[2]


class Worker:
    """A worker process and its events."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "inference", "worker", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            encoding="utf-8",
        )

    def send(self, message: object) -> None:
        assert self.process.stdin
        text = message if isinstance(message, str) else json.dumps(message)
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def event(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the worker closed its events"
        return json.loads(line)

    def until(self, *kinds: str) -> dict[str, Any]:
        while (event := self.event())["event"] not in kinds:
            pass
        return event


@pytest.fixture
def worker() -> Iterator[Worker]:
    served = Worker()
    assert served.event()["event"] == "ready"
    yield served
    served.process.kill()
    served.process.wait()


def synthesis(name: str, out: Path, **more: object) -> dict[str, object]:
    return {
        "id": name,
        "do": "synthesize",
        "portrait": [str(PORTRAIT)],
        "track": str(TRACK),
        "out": str(out),
        **more,
    }


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("not json", "not JSON"),
        ("[1, 2]", "not an object"),
        ({"do": "stop"}, 'a text "id"'),
        ({"id": "x", "do": "dance"}, "no job 'dance'"),
        ({"id": "x", "do": "capture", "footage": "a.mp4"}, "needs the field 'out'"),
        ({"id": "x", "do": "capture", "footage": 3, "out": "b"}, "must be a path"),
        ({"id": "x", "do": "capture", "footage": "a", "out": "b", "hue": 1}, "no field 'hue'"),
        ({"id": "x", "do": "capture", "footage": "a", "out": "b", "frames": [1]}, "2 entries"),
        ({"id": "x", "do": "capture", "footage": "a", "out": "b", "face": True}, "whole number"),
        ({"id": "x", "do": "synthesize", "portrait": [], "track": "t", "out": "o"}, "empty list"),
        ({"id": "x", "do": "synthesize", "portrait": ["p"], "out": "o", "gains": 2}, "an object"),
        (
            {"id": "x", "do": "synthesize", "portrait": ["p"], "out": "o", "gains": {"nose": 1}},
            "no field 'nose'; it has pose",
        ),
        (
            {"id": "x", "do": "synthesize", "portrait": ["p"], "out": "o", "neutralize": 1},
            "true or false",
        ),
        ({"id": "x", "do": "performance", "track": "t"}, "needs the field 'out'"),
        ({"id": "x", "do": "cancel", "job": "nobody"}, "no queued or running job"),
    ],
)
def test_a_wrong_line_is_answered_and_survived(worker: Worker, message: object, words: str) -> None:
    worker.send(message)
    event = worker.event()
    assert (event["event"], event["kind"]) == ("error", "input")
    assert words in event["message"]
    worker.send({"id": "end", "do": "stop"})
    assert worker.event() == {"event": "stopped"}
    assert worker.process.wait(20) == 0


def test_jobs_queue_report_and_finish_in_order(worker: Worker, tmp_path: Path) -> None:
    worker.send(synthesis("one", tmp_path / "späce 日本", frames=[0, 5]))
    worker.send(synthesis("two", tmp_path / "two", frames=[0, 3]))
    worker.send({"id": "end", "do": "stop"})
    events = []
    while (event := worker.event())["event"] != "stopped":
        events.append(event)
    done = [event["id"] for event in events if event["event"] == "done"]
    assert done == ["one", "two"]
    progress = [e for e in events if e["event"] == "progress" and e["id"] == "one"]
    assert progress[-1]["done"] == progress[-1]["total"] == 6
    assert progress[-1]["left_s"] == 0
    assert all(event["rate"] > 0 for event in progress)
    result = next(e for e in events if e["event"] == "done" and e["id"] == "one")["result"]
    assert (result["made"], result["provider"]) == (6, "cpu") or result["provider"] == "cuda"
    assert len(list((tmp_path / "späce 日本").glob("head_*.png"))) == 6


def test_cancel_ends_the_running_job_at_once_and_the_queue_goes_on(
    worker: Worker, tmp_path: Path
) -> None:
    worker.send(synthesis("long", tmp_path / "long"))
    worker.send(synthesis("queued", tmp_path / "queued"))
    worker.send(synthesis("next", tmp_path / "next", frames=[0, 1]))
    while worker.until("progress").get("stage"):  # the portrait's matte and plate come first
        pass
    worker.send({"id": "c1", "do": "cancel", "job": "queued"})
    worker.send({"id": "c2", "do": "cancel", "job": "long"})
    asked = time.monotonic()
    assert worker.until("cancelled")["id"] == "long"
    assert time.monotonic() - asked < 3
    made = len(list((tmp_path / "long").glob("head_*.png")))
    assert 0 < made < 240
    assert worker.until("cancelled")["id"] == "queued"
    assert not (tmp_path / "queued").exists()
    assert worker.until("done", "error")["event"] == "done"


@pytest.fixture
def no_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, for a worker that starts after this."""
    monkeypatch.setenv("LIKENESS_CACHE", str(tmp_path / "cache"))


def test_preparing_is_told_and_can_be_cancelled(
    no_layers: None, worker: Worker, tmp_path: Path
) -> None:
    worker.send({"id": "look", "do": "layers", "portrait": str(PORTRAIT), "out": str(tmp_path)})
    worker.send(synthesis("frames", tmp_path / "frames", frames=[0, 1]))
    event = worker.until("progress")
    assert (event["id"], event["stage"], event["total"]) == ("look", "preparing", 100)
    worker.send({"id": "c", "do": "cancel", "job": "look"})
    asked = time.monotonic()
    assert worker.until("cancelled", "done")["event"] == "cancelled"
    assert time.monotonic() - asked < 10
    assert not (tmp_path / "matte.png").exists()
    stages = []
    while (event := worker.event())["event"] != "done":
        stages += [event.get("stage")] if event["event"] == "progress" else []
    assert stages[0] == "preparing" and stages[-1] is None
    assert sorted(stages, key=lambda stage: stage is None) == stages
    worker.send({"id": "look", "do": "layers", "portrait": str(PORTRAIT), "out": str(tmp_path)})
    result = worker.until("done", "error")["result"]
    assert Path(result["matte"]).is_file() and Path(result["plate"]).is_file()
    assert (result["words"], result["fallback"]) == ("", "")


def test_a_job_that_fails_says_why_in_one_line_and_the_next_runs(
    worker: Worker, tmp_path: Path
) -> None:
    worker.send(synthesis("bad", tmp_path / "bad", track=str(tmp_path / "missing.track.npz")))
    worker.send(synthesis("good", tmp_path / "good", frames=[0, 0]))
    error = worker.until("error")
    assert (error["id"], error["kind"]) == ("bad", "input")
    assert "missing.track.npz" in error["message"]
    assert "\n" not in error["message"]
    assert worker.until("done")["id"] == "good"


def test_a_performance_is_made_and_performed(worker: Worker, tmp_path: Path) -> None:
    out = tmp_path / "a.performance.npz"
    worker.send(
        {
            "id": "1",
            "do": "performance",
            "track": str(TRACK),
            "out": str(out),
            "smooth_pose": 0.5,
            "fill": 4,
        }
    )
    made = worker.until("done", "error")
    assert made["event"] == "done", made
    assert (made["result"]["frames"], made["result"]["gaps"]) == (240, 0)
    assert len(made["result"]["neutral"]) == 5
    job = synthesis("2", tmp_path / "head", performance=str(out), gains={"mouth": 1.5, "gaze": 0})
    worker.send({**job, "track": None, "frames": [0, 1], "neutralize": True})
    done = worker.until("done", "error")
    assert done["event"] == "done", done
    assert done["result"]["made"] == 2


def test_it_ends_when_its_client_goes_away(worker: Worker) -> None:
    assert worker.process.stdin
    worker.process.stdin.close()
    assert worker.process.wait(20) == 0


def test_it_gives_way_to_the_program_that_waits_for_it(worker: Worker) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) == own
    served = Worker("--end-with-input")
    try:
        assert served.event()["event"] == "ready"
        assert os.getpriority(os.PRIO_PROCESS, served.process.pid) > own
    finally:
        served.process.kill()
        served.process.wait()
