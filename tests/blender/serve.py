# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest inside Blender: runs the tests that are named on stdin, one at a time, and reports each.

    python -m tests.blender.serve DESCRIPTOR [pytest's arguments]

Each line on stdin is JSON, [id of a test, id of the test that follows it here or null]; its reports
go to the descriptor as JSON, a line each, then null. Ends with stdin.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TextIO

import pytest

# Who counts, prints, distributes and stops what hangs is the pytest outside.
_PLAIN = ["-s", "-o", "addopts=", "--import-mode=importlib"]
for _plugin in ("terminal", "cacheprovider", "xdist", "timeout"):
    _PLAIN += ["-p", f"no:{_plugin}"]


class _Server:
    """The plugin that takes the place of pytest's own loop over all tests."""

    def __init__(self, commands: TextIO, reports: TextIO) -> None:
        self._commands, self._reports = commands, reports

    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            print(report.longrepr, file=sys.stderr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:  # a file that cannot be imported
            return True
        items = {item.nodeid: item for item in session.items}
        for line in self._commands:
            test, following = json.loads(line)
            item = items[test]
            # What is the session's stays set up when another process's tests come in between.
            elsewhere = (each for each in session.items if each.path != item.path)
            nextitem = items[following] if following else next(elsewhere, None)
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
            self._say(None)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._say(
            self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        )

    def _say(self, what: object) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._reports.write(json.dumps(what, default=str) + "\n")
        self._reports.flush()


def main() -> None:
    descriptor, *arguments = sys.argv[1:]
    os.set_inheritable(int(descriptor), False)
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    reports = os.fdopen(int(descriptor), "w", encoding="utf-8")
    plugin = _Server(commands, reports)
    code = pytest.main([*_PLAIN, *arguments], [plugin])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender 4.5 as a library may hang when Python ends


if __name__ == "__main__":
    main()
