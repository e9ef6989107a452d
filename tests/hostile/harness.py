# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs damaged files past the project in a process that may die, and says what came of it.

A case is told by a seed and a number. It passes when it ends in success or in one line, in time,
within 2 GB, with nothing left under a final name.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import QUIET

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 20.0  # seconds that a case may take
_START = 120.0
_MOST_WAITS = 10  # times LONGEST
_IDLE = 0.2  # seconds of the processor's time: with less in LONGEST, it waits for something


@dataclass
class Outcome:
    """findings: by case number, in words. counts: cases by family."""

    findings: dict[int, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def run_cases(
    seed: int,
    numbers: Iterable[int],
    family: str | None = None,
    told: Callable[[int, str], None] | None = None,
) -> Outcome:
    """Run the cases of these numbers. told: is called with each finding as it is made."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        child = _Child(Path(folder))
        try:
            for number in numbers:
                said, finding = child.ask(f"{seed} {number} {family or ''}")
                outcome.counts[said] += 1
                if finding:
                    outcome.findings[number] = f"{finding}\n{command(seed, number, family)}"
                    if told:
                        told(number, outcome.findings[number])
        finally:
            child.end()
    return outcome


def command(seed: int, number: int, family: str | None = None) -> str:
    """What reproduces a case."""
    only = f" --family {family}" if family else ""
    return f"reproduce: python -m tests.hostile --seed {seed} --only {number}{only}"


def _used(pid: int) -> float:
    """The processor's time that a process has had, in seconds; 0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


class _Child:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._process: subprocess.Popen[str] | None = None

    def ask(self, case: str) -> tuple[str, str | None]:
        """The case's family and what is wrong with it."""
        process = self._process or self._start()
        assert process.stdin
        process.stdin.write(case + "\n")
        process.stdin.flush()
        answer = self._answer(process, LONGEST)
        if answer is None:
            hangs = process.poll() is None
            self.end()
            how = f"hangs for {LONGEST:.0f} s" if hangs else f"ended with {process.returncode}"
            home = self._folder / str(self._count)
            said = (home / "log").read_bytes()[-3000:] + (home / "stacks").read_bytes()[-3000:]
            return "ended", f"{how}\n{said.decode('utf-8', 'replace')}"
        return str(answer["family"]), answer["finding"]  # type: ignore[return-value]

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        self._count += 1
        home = self._folder / str(self._count)
        home.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.child", str(home)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **QUIET, "PYTHONPATH": str(ROOT), "TMPDIR": str(home)},
        )  # fmt: skip
        assert self._answer(self._process, _START), "the process for the cases did not start"
        return self._process

    def _answer(self, process: subprocess.Popen[str], seconds: float) -> dict[str, object] | None:
        """What the process says; None when it has ended, waits for something, or takes too long.

        On a machine with much else to do, time counts that the process itself had: one that gets
        on slowly is given more.
        """
        assert process.stdout
        used = before = _used(process.pid)
        for _ in range(_MOST_WAITS):
            ready, _, _ = select.select([process.stdout], [], [], seconds)
            now = _used(process.pid)
            if ready or now - used > seconds / 2 or now - before < _IDLE:
                break
            before = now
        line = process.stdout.readline() if ready else ""
        if not line:
            if ready:
                process.wait()
            return None
        return dict(json.loads(line))
