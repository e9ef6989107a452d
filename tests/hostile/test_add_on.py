# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender reads itself: recordings, the canonical face, and the worker's lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blender_addon.errors import InputError
from blender_addon.storage import canonical, recordings
from blender_addon.worker.events import checked, parse_line
from tests.hostile.material import Material, event_lines
from tests.hostile.mutations import npy, zipped
from tests.hostile.test_inputs import header

pytestmark = pytest.mark.timeout(60)

READERS = {
    "track": recordings.load_track, "performance": recordings.load_performance,
    "face": canonical.read_face,
}  # fmt: skip


@pytest.mark.parametrize("kind", READERS)
def test_what_is_whole_is_read_and_a_pipe_is_not_waited_for(
    kind: str, material: Material, tmp_path: Path
) -> None:
    read: Callable[[Path], Any] = READERS[kind]
    path = tmp_path / "whole.npz"
    path.write_bytes(zipped({n: npy(a) for n, a in getattr(material, kind).items()}))
    assert read(path)
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path / "pipe.npz")


@pytest.mark.parametrize("kind", ["track", "performance"])
@pytest.mark.parametrize(
    ("name", "data"),
    [("rate", npy(np.array([1, 0]))), ("rate", npy(np.array([2**62, 1]))),
     ("size", npy(np.array([np.inf, 1]))), ("size", npy(np.array([-1, 1]))),
     ("cuts", npy(np.array("a"))), ("valid", header("(10000000,)", "|b1")),
     ("source", header("()", "<U999999999"))],
)  # fmt: skip
def test_a_recording_with_a_wrong_array_is_refused(
    kind: str, name: str, data: bytes, material: Material, tmp_path: Path
) -> None:
    members = {n: npy(a) for n, a in getattr(material, kind).items()} | {name: data}
    path = tmp_path / "wrong.npz"
    path.write_bytes(zipped(members))
    with pytest.raises(InputError, match=r"wrong\.npz"):
        READERS[kind](path)


def test_every_event_of_the_worker_is_understood() -> None:
    for event in event_lines():
        if event["event"] != "ready":
            assert checked(event) == event


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "null", "[1]", '"text"', "\udcff", ""],
    ids=range(8),
)
def test_a_line_that_is_no_event_is_passed_over(line: str) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize(
    "change",
    [{"id": ["1"]}, {"id": {}}, {"id": None}, {"event": ["done"]}, {"event": "dances"},
     {"done": "1"}, {"total": None}, {"rate": True}, {"left_s": float("nan")}, {"done": 10**30}],
    ids=str,
)  # fmt: skip
def test_progress_with_a_wrong_field_is_passed_over(change: dict[str, Any]) -> None:
    event = next(event for event in event_lines() if event["event"] == "progress")
    line = json.dumps({**event, **change})
    assert checked(parse_line(line) or {}) is None


@pytest.mark.parametrize(
    "event",
    [
        {"event": "done", "id": "1"},
        {"event": "error", "id": "1"},
        {"event": "done", "id": "1", "result": [1]},
    ],
    ids=str,
)
def test_an_end_that_is_not_understood_is_an_end_all_the_same(event: dict[str, Any]) -> None:
    said = checked(event)
    assert said is not None
    assert (said["event"], said["kind"], said["id"]) == ("error", "failure", "1")
    assert "does not understand" in said["message"]
