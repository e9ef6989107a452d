# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension from its built and installed zip: worker, jobs, preferences, on and off again."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest

from tests.blender.processes import ROOT
from tests.conftest import made_once

pytestmark = [pytest.mark.own_process, pytest.mark.blender]  # the add-on is there twice otherwise

NAME = "bl_ext.user_default.likeness"
PICTURE = ROOT / "inference" / "samples" / "eileen_collins.png"
FOUND = ("DONE", "DONE", "1 face")


@pytest.fixture(scope="module")
def installed(blender: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The small zip, built and installed; its cache is the extension's own place."""
    (zip_file,) = made_once("zip", _build).glob("*.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LIKENESS_CACHE")
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        bpy.ops.preferences.addon_enable(module="bl_pkg")
        bpy.ops.extensions.package_install_files(
            filepath=str(zip_file), repo="user_default", enable_on_install=True
        )
        assert NAME in bpy.context.preferences.addons
        yield
        part("worker.pump").stop()


def _build(out: Path) -> None:
    script = ROOT / "blender_addon" / "packaging" / "extension.py"
    python = os.environ["LIKENESS_PYTHON"]
    subprocess.run(
        [python, str(script), "--runtime", "none", "--out", str(out)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )


def part(name: str) -> Any:
    """A module of the installed add-on."""
    return importlib.import_module(f"{NAME}.{name}")


@pytest.fixture
def scene(installed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The scene of an empty file; `test` is a step's job in small: it counts faces onto it."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)  # the add-on stays on

    def apply(_context: Any, scene: Any, ticket: Any, result: dict[str, Any]) -> str:
        if ticket.notes.get("gone"):
            raise part("errors").InputError(f"the strip '{ticket.notes['gone']}' is gone")
        if ticket.notes.get("fault"):
            raise ZeroDivisionError("a fault of ours")
        scene["faces"] = len(result["faces"])
        return f"{len(result['faces'])} face"

    jobs = part("worker.jobs")
    monkeypatch.setitem(jobs.KINDS, "test", jobs.Kind("Find faces", apply))
    yield bpy.context.scene
    if part("worker.pump").busy():
        part("worker.pump").stop()


@pytest.fixture
def faces(tmp_path: Path) -> dict[str, Any]:
    """A request that takes a moment."""
    out = tmp_path / "späce 日本"
    out.mkdir()
    return {"do": "faces", "picture": str(PICTURE), "out": str(out)}


def ticks(until: Callable[[], Any], seconds: float = 60) -> None:
    """What the timer does in a window."""
    limit = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < limit, "it never came"
        assert part("worker.pump").tick() > 0
        time.sleep(0.01)


def states(scene: Any) -> list[tuple[str, str, str]]:
    """Of each job on the list what is kept of it, what it is now, and what it said."""
    state = part("worker.jobs").state
    return [(item.state, state(item), item.message) for item in scene.likeness_jobs]


def test_registering_twice_leaves_one_and_unregistering_none(
    scene: Any, faces: dict[str, Any]
) -> None:
    """And it works afterwards."""
    package = importlib.import_module(NAME)
    first = _traces()
    assert "LIKENESS_OT_check_runtime" in first["classes"]
    assert first["keys"] == 1
    assert "likeness_jobs" in first["scene"]
    package.register()
    package.register()
    assert _traces() == first
    package.unregister()
    package.unregister()
    off = _traces()
    package.register()
    assert off == {"classes": [], "handlers": 0, "keys": 0, "scene": [], "timer": False}
    assert _traces() == first
    part("worker.jobs").start(bpy.context, "test", faces)
    assert states(scene) == [FOUND]


def _traces() -> dict[str, Any]:
    """What the add-on has left in Blender."""
    lists = (getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers))
    handlers = [each for some in lists if isinstance(some, list) for each in some]
    keys = bpy.context.window_manager.keyconfigs.addon
    return {
        "classes": sorted(
            name
            for name in dir(bpy.types)
            if getattr(getattr(bpy.types, name), "__module__", "").startswith(NAME)
        ),
        "handlers": sum(1 for each in handlers if each.__module__.startswith(NAME)),
        "keys": sum(
            item.idname.startswith("likeness.")
            for keymap in (keys.keymaps if keys else ())
            for item in keymap.keymap_items
        ),
        "scene": sorted(
            each.identifier
            for each in bpy.types.Scene.bl_rna.properties
            if "likeness" in each.identifier
        ),
        "timer": bpy.app.timers.is_registered(part("worker.pump").tick),
    }


def test_the_check_says_ten_lines(scene: Any) -> None:
    assert bpy.ops.likeness.check_runtime() == {"FINISHED"}
    lines = part("worker.status").CHECK.lines
    assert len(lines) == 10
    text = "\n".join(lines)
    for word in (
        "Python: 3.",
        "onnxruntime 1.",
        "Ran on: ",
        "ms a frame",
        "Model draft: warp-draft",
        "the sample's face was found",
        "GPU memory",
    ):
        assert word in text, word
    assert text.count(" pixels, trained\n") == 2
    assert "WRONG" not in text


@pytest.mark.parametrize(
    ("request_", "notes", "words"),
    [
        ({"do": "faces", "picture": "/no such.png"}, {}, "there is no such file"),
        ({}, {"gone": "Portrait"}, "the strip 'Portrait' is gone"),
        ({}, {"fault": True}, "Find faces: ZeroDivisionError: a fault of ours"),
        ({"do": "dance"}, {}, "there is no job 'dance'"),
    ],
)
def test_what_goes_wrong_is_one_line_and_no_crash(
    scene: Any, faces: dict[str, Any], request_: dict[str, Any], notes: dict[str, Any], words: str
) -> None:
    """On the list, and in the operator's report."""
    jobs, errors = part("worker.jobs"), part("errors")
    with pytest.raises((errors.InputError, errors.JobError)) as caught:
        jobs.start(bpy.context, "test", {**faces, **request_}, notes)
    said = str(caught.value)
    assert words in said and "\n" not in said
    assert states(scene) == [("FAILED", "FAILED", said)]


def test_a_command_of_its_python_is_a_job(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As personalizing is: what it prints is its result, its last line what went wrong."""
    jobs, errors = part("worker.jobs"), part("errors")

    def apply(_context: Any, _scene: Any, _ticket: Any, result: dict[str, Any]) -> str:
        return " ".join(result["lines"])

    monkeypatch.setitem(jobs.KINDS, "test", jobs.Kind("Command", apply))
    jobs.start(bpy.context, "test", {"command": ["-c", "print('one'); print('two')"]})
    with pytest.raises(errors.JobError, match="no room"):
        jobs.start(bpy.context, "test", {"command": ["-c", "raise SystemExit('error: no room')"]})
    assert states(scene) == [("DONE", "DONE", "one two"), ("FAILED", "FAILED", "no room")]


def test_a_killed_worker_costs_its_job_and_nothing_else(scene: Any, faces: dict[str, Any]) -> None:
    """The job says so; the next one starts another."""
    jobs, pump = part("worker.jobs"), part("worker.pump")
    pump.stop()  # so that the job waits for a worker's start
    name = jobs.begin(scene, "test", faces, {})
    ticks(lambda: jobs.progress(scene.likeness_jobs[name]).text == "starting")
    first = pump.worker_pid()
    os.kill(first, signal.SIGKILL)
    ticks(lambda: scene.likeness_jobs[name].state != "RUNNING")
    ((state, _, message),) = states(scene)
    assert state == "FAILED"
    assert "the worker ended in the middle (signal 9" in message
    assert bpy.ops.likeness.job_again(job=name) == {"FINISHED"}
    assert states(scene) == [FOUND]
    assert pump.worker_pid() != first and scene["faces"] == 1


def test_a_cancelled_job_leaves_the_others_alone(scene: Any, faces: dict[str, Any]) -> None:
    """A waiting job is cancelled by its cross; the one before it ends well."""
    jobs = part("worker.jobs")
    first = jobs.begin(scene, "test", faces, {})
    second = jobs.begin(scene, "test", faces, {})
    assert len(jobs.running(scene)) == 2
    bpy.ops.likeness.job_cancel(job=second)
    ticks(lambda: not jobs.running(scene))
    assert [scene.likeness_jobs[name].state for name in (first, second)] == ["DONE", "CANCELLED"]
    bpy.ops.likeness.jobs_clear()
    assert not scene.likeness_jobs


def test_undo_takes_a_result_back_and_ends_an_undone_job(
    scene: Any, faces: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undo takes a result back, redo brings it again; an undone start ends its job."""
    jobs, pump = part("worker.jobs"), part("worker.pump")

    def now() -> Any:
        return bpy.data.scenes[0]

    monkeypatch.setattr(jobs, "inline", lambda: False)  # as in a window
    bpy.ops.ed.undo_push(message="before")
    jobs.begin(now(), "test", faces, {})
    bpy.ops.ed.undo_push(message="started")
    ticks(lambda: "faces" in now())
    assert states(now()) == [FOUND]
    bpy.ops.ed.undo()
    # The job ran before the undo: it runs no more, and the list says so.
    assert "faces" not in now() and states(now()) == [("RUNNING", "PENDING", "")]
    bpy.ops.ed.redo()
    assert now()["faces"] == 1 and states(now()) == [FOUND]

    bpy.ops.ed.undo_push(message="before the second")
    other = jobs.begin(now(), "test", faces, {})
    bpy.ops.ed.undo_push(message="second started")
    bpy.ops.ed.undo()
    assert now().likeness_jobs.get(other) is None
    ticks(lambda: not pump.busy() and not jobs.overview())
    assert len(now().likeness_jobs) == 1


def test_a_file_saved_while_a_job_runs_opens_and_says_so(
    scene: Any, faces: dict[str, Any], tmp_path: Path
) -> None:
    """Late events reach nobody."""
    jobs, pump = part("worker.jobs"), part("worker.pump")
    jobs.start(bpy.context, "test", faces)
    jobs.begin(bpy.context.scene, "test", faces, {})
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "x.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "x.blend"))
    done, interrupted = states(bpy.context.scene)
    assert done == FOUND
    assert interrupted[:2] == ("FAILED", "FAILED") and "start it again" in interrupted[2]
    ticks(lambda: not pump.busy())
    jobs.start(bpy.context, "test", faces)
    assert states(bpy.context.scene) == [done, interrupted, FOUND]


def test_nothing_is_applied_while_a_file_is_saved(scene: Any, faces: dict[str, Any]) -> None:
    """Between save_pre and save_post; and a listener's fault stops no tick."""
    jobs, pump = part("worker.jobs"), part("worker.pump")
    told: list[Any] = []

    def fault(event: Any) -> None:
        told.append(event)
        raise ZeroDivisionError("a listener's fault")

    jobs.begin(scene, "test", faces, {})
    pump.submit(faces, fault)
    pump._save_begins()
    made, limit = Path(faces["out"]), time.monotonic() + 60
    while not any(made.iterdir()):
        assert time.monotonic() < limit, "the worker made nothing"
        pump.tick()
        time.sleep(0.02)
    for _ in range(50):  # a second, in which the worker says that it has ended
        pump.tick()
        time.sleep(0.02)
    assert not told and states(scene) == [("RUNNING", "RUNNING", "")]
    pump._save_ends()
    ticks(lambda: not pump.busy() and not jobs.running(scene))
    assert told and states(scene) == [FOUND]


def test_a_file_opens_where_nothing_can_run(
    scene: Any, faces: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens with its jobs, and one line says what to do."""
    part("worker.jobs").start(bpy.context, "test", faces)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "x.blend"))
    monkeypatch.delenv("LIKENESS_PYTHON")
    monkeypatch.setattr(part("worker.runtime"), "_in_environment", lambda folder: None)
    monkeypatch.setattr(part("worker.runtime"), "_pointers", list)
    preferences = bpy.context.preferences.addons[NAME].preferences
    before, preferences.where = preferences.where, "ENVIRONMENT"
    part("worker.pump").stop()
    try:
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "x.blend"))
        assert states(bpy.context.scene) == [FOUND]
        job = bpy.context.scene.likeness_jobs[0].name
        for operator, how in (
            (bpy.ops.likeness.check_runtime, {}),
            (bpy.ops.likeness.job_again, {"job": job}),
        ):
            with pytest.raises(RuntimeError, match="no environment of Likeness was found") as said:
                operator(**how)
            assert "Traceback" not in str(said.value)
    finally:
        preferences.where = before


def test_cleaning_the_cache_spares_everything_else(scene: Any, tmp_path: Path) -> None:
    cache = part("storage.cache")
    bpy.ops.likeness.cache_clean()
    made = cache.cache_folder("test", "a")
    record = {"likeness_folder": 1, "holds": "head frames", "files": [r"head_\d{6}\.png"]}
    (made / "likeness.json").write_text(json.dumps(record), encoding="utf-8")
    (made / "head_000001.png").write_bytes(bytes(3 << 20))
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert cache.cache_size() >= 3 << 20
    bpy.ops.likeness.cache_clean()
    assert cache.cache_size() == 0
    assert (tmp_path / "mine.txt").exists()
    where = str(cache.cache_folder()).replace("\\", "/")
    assert ".user/user_default/likeness" in where
