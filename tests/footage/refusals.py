# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that was refused: one line, an exit code, and nothing that was left behind."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import CommandResult, RunCli


def assert_refused(result: CommandResult, *words: object, code: int = 2) -> None:
    """One line on stderr, from us, with these words, and the exit code."""
    assert result.code == code, result.stderr
    assert len(result.error_lines) == 1, result.stderr
    (line,) = result.error_lines
    assert line.startswith("likeness: ")
    for word in words:
        assert str(word) in line
    assert "Traceback" not in result.stderr


SIDECARS = ("frames.lock", "frames.marks", "head.json", "job.json", "likeness.json")


def files_in(folder: Path) -> list[str]:
    """Every file at any depth, by name."""
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


def synthesized(
    run_cli: RunCli, out: Path, portrait: Path, track: Path, *more: object
) -> CommandResult:
    return run_cli(
        "synthesize",
        "--portrait",
        portrait,
        "--track",
        track,
        "--out",
        out,
        *(more or ("--frames", "0-1")),
    )
