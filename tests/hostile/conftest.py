# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole small files, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inference.cli import main
from tests.hostile.material import Material, make_material

Refused = Callable[..., str]


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Small whole files of every format."""
    return make_material(tmp_path_factory.mktemp("material"))


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    """`refused("take", path, ...)`: runs the command, whose output is `out`, and gives its line.

    It must end with exit code 2 and one line that a terminal shows as it is, and leave nothing.
    """

    def run(*arguments: object, out: str = "out") -> str:
        target = tmp_path / "made" / out
        code = main([*map(str, arguments), "--out", str(target)])
        said = capfd.readouterr()
        assert code == 2, said.err
        assert said.out == ""
        (line,) = said.err.splitlines()
        assert line.startswith("likeness: ") and line.isprintable()
        assert not target.parent.exists() or not list(target.parent.rglob("*"))
        return line

    return run
