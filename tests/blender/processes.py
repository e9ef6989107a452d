# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tests in Blender processes of their own and brings their reports back (see serve.py)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.conftest import INSIDE_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
# Each names the Python whose bpy is that Blender; 5.2's is by choice, so its absence is no skip.
VARIABLES = {"4.5": "LIKENESS_BLENDER_45", "5.2": "LIKENESS_BLENDER_52"}
VERSIONS = ("5.0", "4.5", *(["5.2"] if os.environ.get(VARIABLES["5.2"]) else []))
_OUTPUT_CHARACTERS = 10_000


def python_of(version: str) -> str:
    """The Python that has this Blender as a module; "" where none is named."""
    return sys.executable if version == "5.0" else os.environ.get(VARIABLES[version], "")


def absent(version: str) -> str:
    """Why there is no such Python."""
    return f"{VARIABLES[version]} does not name a Python with bpy {version}"


class BlenderProcess:
    """One Blender of that version, which runs tests of these files."""

    def __init__(self, config: pytest.Config, version: str, files: Iterable[Path]) -> None:
        self.version, self._config = version, config
        self._failed = False
        self._folder = Path(tempfile.mkdtemp(prefix="likeness-blender-"))
        self._log = (self._folder / "output.txt").open("w+b")
        (self._folder / "user").mkdir()
        theirs = os.pipe()
        command = [
            python_of(version), "-u", "-m", "tests.blender.serve", str(theirs[1]),
            *map(str, sorted(files)), f"--basetemp={self._folder / 'tmp'}",
            f"--rootdir={config.rootpath}",
        ]  # fmt: skip
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), INSIDE_VARIABLE: version,
            "LIKENESS_PYTHON": sys.executable,
            "BLENDER_USER_RESOURCES": str(self._folder / "user"),
        }  # fmt: skip
        self._process = subprocess.Popen(
            command,
            cwd=config.rootpath,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[theirs[1]],
            text=True,
            encoding="utf-8",
        )
        os.close(theirs[1])
        self._reports = os.fdopen(theirs[0], encoding="utf-8")

    def run(self, item: pytest.Item, following: pytest.Item | None) -> Iterator[pytest.TestReport]:
        """The reports of a test. A Blender that ends or hangs in the middle is a failure."""
        begin = self._written()
        order = json.dumps([item.nodeid, following and following.nodeid])
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()
            for line in self._reports:
                raw = json.loads(line)
                if raw is None:
                    return
                yield self._report(raw, begin)
            how = f"ended in the middle (exit code {self._process.wait()})"
        except BrokenPipeError:
            how = f"ended before the test (exit code {self._process.wait()})"
        except pytest.fail.Exception as late:  # raised by pytest-timeout's alarm
            self._process.kill()
            self._process.wait()
            how = f"was stopped: {late}"
        self._failed = True
        yield pytest.TestReport(
            item.nodeid,
            item.location,
            {},
            "failed",
            f"Blender {self.version} {how}\n{self._output(begin)}",
            "call",
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the process, killed where it does not end; its files stay if a test failed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(30)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._reports.close()
        self._log.close()
        if not self._failed:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _report(self, raw: dict[str, object], begin: int) -> pytest.TestReport:
        for name in ("location", "longrepr"):  # JSON has made lists of tuples
            if isinstance(value := raw[name], list):
                raw[name] = tuple(value)
        report = self._config.hook.pytest_report_from_serializable(config=self._config, data=raw)
        assert isinstance(report, pytest.TestReport)
        if report.failed:
            self._failed = True
            report.sections.append((f"output of Blender {self.version}", self._output(begin)))
        return report

    def _written(self) -> int:
        return (self._folder / "output.txt").stat().st_size

    def _output(self, begin: int) -> str:
        with (self._folder / "output.txt").open("rb") as stream:
            stream.seek(begin)
            text = stream.read().decode("utf-8", "replace")
        return text[-_OUTPUT_CHARACTERS:]
