# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests inside Blender are told as they went: a Blender that crashes or hangs is a failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blender.processes import ROOT
from tests.conftest import INSIDE_VARIABLE

pytestmark = pytest.mark.blender

CONFTEST = """
from tests.blender.conftest import *
from tests.blender.conftest import (
    pytest_generate_tests, pytest_runtest_protocol, pytest_unconfigure
)
"""
TESTS = """
import os, signal, sys, time
import pytest

def test_outside():
    assert "bpy" not in sys.modules

@pytest.mark.only_blender("5.0")
class TestInside:
    def test_passes(self, scene):
        import bpy
        assert bpy.context.scene == scene
        bpy.data.meshes.new("left behind")

    def test_begins_anew(self, scene):
        import bpy
        assert not bpy.data.meshes

    def test_fails(self, scene):
        print("said before")
        assert scene.name == "another"

    def test_ends_as_if_all_were_well(self, scene):
        os._exit(0)

    def test_crashes(self, scene):
        print("about to crash", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)

    @pytest.mark.timeout(3)
    def test_hangs(self, scene):
        time.sleep(600)

    def test_comes_after_all_that(self, scene):
        sys.seen_before = True

    def test_is_skipped(self, scene):
        pytest.skip("not here")
"""

THEN = """
import sys
import pytest

def test_another_file():
    pass

@pytest.mark.only_blender("5.0")
def test_has_the_same_process(scene):
    assert sys.seen_before
"""
ALONE = """
import sys
import pytest

pytestmark = [pytest.mark.own_process, pytest.mark.only_blender("5.0")]

def test_has_its_own_process(scene):
    assert not hasattr(sys, "seen_before")
    sys.seen_here = True

def test_shares_it(scene):
    assert sys.seen_here
"""


def test_every_test_has_its_true_outcome(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_some.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "test_then.py").write_text(THEN, encoding="utf-8")
    (tmp_path / "test_with_own.py").write_text(ALONE, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    mine = {INSIDE_VARIABLE, "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"}
    environment = {name: value for name, value in os.environ.items() if name not in mine}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-rfs", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip
    found = dict(re.findall(r"::test_(\w+)(?:\[5.0\])? (\w+)", done.stdout))
    assert found == {
        "outside": "PASSED",
        "passes": "PASSED",
        "begins_anew": "PASSED",
        "fails": "FAILED",
        "ends_as_if_all_were_well": "FAILED",
        "crashes": "FAILED",
        "hangs": "FAILED",
        "comes_after_all_that": "PASSED",
        "is_skipped": "SKIPPED",
        "another_file": "PASSED",
        "has_the_same_process": "PASSED",
        "has_its_own_process": "PASSED",
        "shares_it": "PASSED",
    }, done.stdout + done.stderr
    assert "4 failed, 8 passed, 1 skipped" in done.stdout
    for words in (
        "said before",
        "assert 'Scene' == 'another'",
        "Blender 5.0 ended in the middle (exit code 0)",
        "Blender 5.0 ended in the middle (exit code -11)",
        "about to crash",
        "Blender 5.0 was stopped: Timeout",
        "not here",
    ):
        assert words in done.stdout, words
