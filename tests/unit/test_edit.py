# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes edited by the command line, on the sample performance."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import numpy as np
import pytest

from inference.cli import main
from inference.performance.taking.performance import SUFFIX, load_performance
from inference.performance.taking.read import read_performance


@pytest.fixture(scope="module")
def take(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("take") / f"a{SUFFIX}"
    assert main(["performance", str(samples / "weekly_address.track.npz"), "--out", str(path)]) == 0
    return path


def test_a_take_is_cut_joined_retimed_and_mirrored(take: Path, tmp_path: Path) -> None:
    out = tmp_path / f"b{SUFFIX}"
    edits = ["--frames", "10-29", "--rate", "50", "--mirror"]
    assert main(["take", str(take), str(take), "--out", str(out), *edits]) == 0
    before, after = load_performance(take), load_performance(out)
    assert after.rate == 50
    assert len(after) == ceil(40 * 50 / before.rate)
    assert ceil(20 * 50 / before.rate) in after.cuts
    np.testing.assert_allclose(after.rotation[0, 1], -before.rotation[10, 1], atol=1e-9)
    assert after.rest is not None


def test_a_take_goes_out_as_a_table_and_drives_again(take: Path, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    assert main(["take", str(take), "--out", str(table), "--frames", "0-9"]) == 0
    np.testing.assert_allclose(
        read_performance(table).controls, load_performance(take).controls[:10], atol=1e-4
    )


def test_wrong_edits_get_one_line(
    take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in (
        (["--out", str(tmp_path / "a.txt")], "choose such a name"),
        (["--out", str(tmp_path / "a.csv"), "--mix", "0.5"], "name two"),
        (["--out", str(tmp_path / "a.csv"), "--rate", "fast"], "not a number"),
        (["--out", str(tmp_path / "a.csv"), "--frames", "5-5000"], "not in the take"),
    ):
        assert main(["take", str(take), *arguments]) == 2
        text = capsys.readouterr().err
        assert words in text
        assert len(text.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
