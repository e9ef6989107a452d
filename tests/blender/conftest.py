# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that ask for `blender` (or for `scene`, which does) run inside Blender: in every version.

Outside, such a test is handed to a process that has that version's bpy, one for all files; there
the same files are collected again, and the test runs like any other. A file with the mark
`own_process` has a process to itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.blender.processes import VERSIONS, BlenderProcess, absent, python_of
from tests.conftest import INSIDE_VARIABLE

if TYPE_CHECKING:
    from tests.blender.shoot import Shoot

_RUNNING = pytest.StashKey[dict[str, BlenderProcess]]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test inside Blender is one test for each version; inside, for this version alone."""
    if "blender" not in metafunc.fixturenames:
        return
    here = os.environ.get(INSIDE_VARIABLE)
    only = [mark.args[0] for mark in metafunc.definition.iter_markers("only_blender")]
    versions = [
        pytest.param(
            version, marks=() if python_of(version) else pytest.mark.skip(reason=absent(version))
        )
        for version in only or VERSIONS
        if here in (None, version)
    ]
    metafunc.parametrize("blender", versions, indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Outside: has the test run inside, and passes its reports on as if it had run here."""
    if (key := _process_of(item)) is None:
        return None
    running = item.config.stash.setdefault(_RUNNING, {})
    if key not in running or not running[key].alive:
        _end(running, key)
        files = {each.path for each in item.session.items if _process_of(each) == key}
        running[key] = BlenderProcess(item.config, item.callspec.params["blender"], files)
    following = nextitem if nextitem is not None and _process_of(nextitem) == key else None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in running[key].run(item, following):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    if following is None and item.get_closest_marker("own_process"):
        _end(running, key)
    # What tests that ran here have left set up for this one's file, as after any other test.
    item.session._setupstate.teardown_exact(nextitem)
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    running = config.stash.get(_RUNNING, {})
    for key in list(running):
        _end(running, key)


def _process_of(item: pytest.Item) -> str | None:
    """Which process the test runs in; None for a test that runs right here."""
    if INSIDE_VARIABLE in os.environ:
        return None
    if "blender" not in getattr(item, "fixturenames", ()) or item.get_closest_marker("skip"):
        return None
    version = str(item.callspec.params["blender"])
    return f"{item.path} {version}" if item.get_closest_marker("own_process") else version


def _end(running: dict[str, BlenderProcess], key: str) -> None:
    if (process := running.pop(key, None)) is not None:
        process.close()


@pytest.fixture(scope="session")
def blender(request: pytest.FixtureRequest) -> str:
    """This process's Blender: its version, such as "5.0"."""
    import bpy

    version = "{}.{}".format(*bpy.app.version)
    assert version == request.param == os.environ[INSIDE_VARIABLE]
    return version


@pytest.fixture(scope="session")
def add_on(blender: str) -> Iterator[None]:
    """The add-on, registered from the source tree."""
    import blender_addon

    blender_addon.register()
    yield
    blender_addon.unregister()


@pytest.fixture
def scene(add_on: None) -> Iterator[Any]:
    """The scene of an empty file that was never saved."""
    import bpy

    from blender_addon.worker import pump

    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield bpy.context.scene
    if pump.busy():  # of a test that failed in the middle: its job is nobody's
        pump.stop()


@pytest.fixture
def shoot(scene: Any, tmp_path: Path, footage: Path) -> Shoot:
    """The sample's clip and picture, and a folder whose name is not plain."""
    from tests.blender.shoot import Shoot

    folder = tmp_path / "ein Ordner"
    folder.mkdir()
    sample = footage / "sample"
    return Shoot(folder, sample / "s_grid_female_ccby4.mp4", sample / "s_mona_lisa_pd.jpg")
