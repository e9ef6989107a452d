# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension from its built and installed zip, in both Blenders: worker, jobs, preferences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blender_addon.packaging import extension
from tests.blender.processes import VARIABLE_45

pytestmark = pytest.mark.blender

INSIDE = Path(__file__).with_name("inside_extension.py")
Scene = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def small_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extension.build(["none"], [], tmp_path_factory.mktemp("zip"))[0]


@pytest.fixture(params=["this", "4.5"])
def scene(request: pytest.FixtureRequest, small_zip: Path, tmp_path: Path) -> Scene:
    """Goes through a scene of inside_extension.py in a Blender of its own; its report."""
    python = sys.executable if request.param == "this" else os.environ.get(VARIABLE_45, "")
    if not python:
        pytest.skip(f"{VARIABLE_45} does not name a Python with bpy 4.5")
    (tmp_path / "blender").mkdir()
    folder = tmp_path / "späce 日本"
    folder.mkdir()

    def run(name: str) -> dict[str, Any]:
        done = subprocess.run(
            [python, str(INSIDE), str(small_zip), str(folder), name],
            env={
                **os.environ,
                "BLENDER_USER_RESOURCES": str(tmp_path / "blender"),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
                "LIKENESS_PYTHON": sys.executable,
                "LIKENESS_CACHE": "",  # its own place is what is tested
            },
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        facts: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        assert facts["version"][:2] == ([4, 5] if request.param == "4.5" else [5, 0])
        return facts

    return run


def test_registering_twice_leaves_one_and_unregistering_none(scene: Scene) -> None:
    facts = scene("registering")
    assert "LIKENESS_OT_check_runtime" in facts["first"]["classes"]
    assert facts["first"]["keys"] == 1
    assert "likeness_jobs" in facts["first"]["scene"]
    assert facts["again"] == facts["first"]
    assert facts["off"] == {"classes": [], "handlers": 0, "keys": 0, "scene": [], "timer": False}
    assert facts["on"] == facts["first"]
    assert facts["states"] == [["DONE", "DONE", "1 face"]]


def test_the_check_says_ten_lines(scene: Scene) -> None:
    facts = scene("check")
    assert facts["answer"] == ["FINISHED"]
    assert len(facts["lines"]) == 10
    text = "\n".join(facts["lines"])
    for word in (
        "Python: 3.", "onnxruntime 1.", "Ran on: ", "ms a frame", "Model draft: warp-draft",
        "the sample's face was found", "GPU memory",
    ):  # fmt: skip
        assert word in text, word
    assert text.count(" pixels, trained\n") == 2
    assert "WRONG" not in text


def test_what_goes_wrong_is_one_line_and_no_crash(scene: Scene) -> None:
    facts = scene("refusals")
    wanted = (
        "there is no such file",
        "the strip 'Portrait' is gone",
        "Find faces: ZeroDivisionError: a fault of ours",
        "there is no job 'dance'",
    )
    assert len(facts["said"]) == len(wanted)
    for said, state, word in zip(facts["said"], facts["states"], wanted, strict=True):
        assert word in said and "\n" not in said
        assert state == ["FAILED", "FAILED", said]


def test_a_killed_worker_costs_its_job_and_nothing_else(scene: Scene) -> None:
    facts = scene("killed")
    ((state, _, message),) = facts["dead"]
    assert state == "FAILED"
    assert "the worker ended in the middle (signal 9" in message
    assert facts["again"] == ["FINISHED"]
    assert facts["states"] == [["DONE", "DONE", "1 face"]]
    assert (facts["other"], facts["faces"]) == (True, 1)


def test_a_cancelled_job_leaves_the_others_alone(scene: Scene) -> None:
    facts = scene("cancelled")
    assert facts["running"] == 2
    assert facts["ended"] == ["DONE", "CANCELLED"]
    assert facts["left"] == 0


def test_undo_takes_a_result_back_and_ends_an_undone_job(scene: Scene) -> None:
    facts = scene("undone")
    done = [["DONE", "DONE", "1 face"]]
    assert facts["applied"] == done
    # The job ran before the undo: it runs no more, and the list says so.
    assert facts["taken_back"] == [False, [["RUNNING", "PENDING", ""]]]
    assert facts["brought"] == [1, done]
    assert facts["gone"]
    assert facts["left"] == 1


def test_a_file_saved_while_a_job_runs_opens_and_says_so(scene: Scene) -> None:
    facts = scene("reopened")
    done, interrupted = facts["opened"]
    assert done == ["DONE", "DONE", "1 face"]
    assert interrupted[:2] == ["FAILED", "FAILED"]
    assert "start it again" in interrupted[2]
    assert facts["after"] == [done, interrupted, done]


def test_nothing_is_applied_while_a_file_is_saved(scene: Scene) -> None:
    facts = scene("held")
    assert facts["during"] == [["RUNNING", "RUNNING", ""]]
    assert facts["after"] == [["DONE", "DONE", "1 face"]]


def test_a_file_opens_where_nothing_can_run(scene: Scene) -> None:
    facts = scene("without_runtime")
    assert facts["opened"] == [["DONE", "DONE", "1 face"]]
    assert len(facts["said"]) == 2
    for said in facts["said"]:
        assert "no environment of Likeness was found" in said
        assert "Traceback" not in said


def test_cleaning_the_cache_spares_everything_else(scene: Scene) -> None:
    facts = scene("cache")
    assert facts["before"] >= 3 << 20
    assert facts["after"] == 0
    assert facts["mine"]
    assert ".user/user_default/likeness" in facts["where"].replace("\\", "/")
