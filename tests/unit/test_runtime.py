# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the add-on lets the inference run: what is found, in which order, what is said if not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import build
from blender_addon.errors import InputError
from blender_addon.worker import runtime
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no note of this machine's."""
    monkeypatch.delenv(runtime.PYTHON_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(runtime, "_account_home", lambda: tmp_path / "account")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An add-on folder as a zip leaves it, far from any source tree."""
    home = tmp_path / "extensions" / "likeness"
    (home / "shipped" / "inference").mkdir(parents=True)
    monkeypatch.setattr(runtime, "__file__", str(home / "worker" / "runtime.py"))
    return home


def make_python(folder: Path) -> Path:
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return python


def test_in_the_source_tree_its_own_environment_is_found() -> None:
    found = runtime.find_runtime()
    assert found.paths == (ROOT,)
    assert found.kind == "environment"
    assert found.python == ROOT / ".venv" / "bin" / "python"


def test_a_zip_runs_the_code_that_came_with_it(installed: Path, tmp_path: Path) -> None:
    python = make_python(tmp_path / "gpu")
    found = runtime.find_runtime("AUTO", str(tmp_path / "gpu"))
    assert (found.python, found.kind) == (python, "named")
    assert found.paths == (installed / "shipped",)


def test_the_environment_that_build_py_noted_is_found(installed: Path, tmp_path: Path) -> None:
    python = make_python(tmp_path / "elsewhere" / ".venv")
    build.note_environment(str(python))
    assert json.loads(runtime.pointer().read_text(encoding="utf-8")) == {"python": str(python)}
    assert runtime.find_runtime("ENVIRONMENT").python == python
    # Blender was started with another HOME than build.py.
    note = tmp_path / "account" / ".config" / "likeness" / "environment.json"
    note.parent.mkdir(parents=True)
    runtime.pointer().rename(note)
    assert runtime.find_runtime("ENVIRONMENT").python == python
    python.unlink()
    with pytest.raises(InputError, match=r"build\.py demo"):
        runtime.find_runtime("ENVIRONMENT")


def test_the_variable_goes_before_the_preference(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, variable = make_python(tmp_path / "a"), make_python(tmp_path / "b")
    monkeypatch.setenv(runtime.PYTHON_VARIABLE, str(variable))
    assert runtime.find_runtime("AUTO", str(chosen)).python == variable


def test_a_choice_that_is_no_python_is_one_line(installed: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a Python nor") as caught:
        runtime.find_runtime("AUTO", str(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


def test_without_packages_the_person_is_led_to_the_preferences(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    for where in ("AUTO", "BUNDLED"):
        with pytest.raises(InputError, match="open the add-on's preferences") as caught:
            runtime.find_runtime(where)
        assert runtime.in_preferences(str(caught.value)).endswith(": choose above where it runs")


def test_the_bundled_packages_run_on_blenders_own_python(installed: Path) -> None:
    found = runtime.find_runtime("BUNDLED")
    assert found.python == Path(sys.executable)
    assert found.paths[0] == installed / "shipped"
    assert (found.paths[1] / "onnxruntime").is_dir()


def test_blender_itself_is_never_started_as_a_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/blender/blender")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(InputError, match="no Python program of its own"):
        runtime.blender_python()
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / f"python3.{sys.version_info.minor}"
    python.touch()
    assert runtime.blender_python() == python
