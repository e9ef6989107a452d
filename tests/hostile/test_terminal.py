# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and texts of files from outside reach a terminal as letters, never as commands to it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from inference.cli import main, say
from inference.errors import one_line
from inference.track import load_track, save_track
from tests.hostile.conftest import Refused
from tests.hostile.material import Material


@pytest.mark.parametrize("letters", ["Müller 日本 café", "👩‍🚀", "می‌خواهم", "a\\b"])
def test_letters_of_every_script_stay(letters: str) -> None:
    assert one_line(letters) == letters


@pytest.mark.parametrize(
    "text", ["\x1b]0;title\x07", "a\nb", "\r", "\x9b31m", "\u202e", "\u2028", "\udcff", "\x00"]
)
def test_what_is_no_letter_is_told_by_its_number(text: str) -> None:
    line = one_line(f"before {text} after")
    assert line.isascii() and line.isprintable() and "\\" in line


def test_a_text_without_end_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    say("x" * 10_000_000)
    assert len(capsys.readouterr().out) < 5000


@pytest.mark.parametrize("name", ["a\x1b[31m\nb.track.npz", os.fsdecode(b"\xff.track.npz")])
def test_a_name_is_printed_as_one_line_whatever_comes_of_it(
    name: str,
    material: Material,
    refused: Refused,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    refused("performance", tmp_path / name, out="o.performance.npz")
    path = tmp_path / name
    path.write_bytes(material.track_file.read_bytes())
    out = path.with_suffix("").with_suffix(".performance.npz")
    assert main(["performance", str(path), "--out", str(out)]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    assert line.isprintable() and "6 frames" in line and out.is_file()


def test_the_source_s_name_in_a_file_is_made_of_letters(material: Material, tmp_path: Path) -> None:
    path = tmp_path / "a.track.npz"
    save_track(replace(load_track(material.track_file), source="a\x1b[2J\nb"), path)
    assert load_track(path).source == "a\\x1b[2J\\nb"
