# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of syntheses: checked as a whole, made row by row, what fails is listed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from inference.batch import read_batch
from inference.cli import main
from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError


def test_a_take_on_several_portraits_with_one_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be made is made, what failed is listed, and the same again makes nothing twice."""
    blank = tmp_path / "nobody.png"
    blank.write_bytes(b"no picture")
    table, report = tmp_path / "cast.csv", tmp_path / "report.csv"
    table.write_text(
        "portrait;track;out;frames;gain-mouth;teeth_seen;box\n"
        f"nobody.png;{TRACK};a;0-1;;;yes\n"
        f"{PORTRAIT};{TRACK};b é;0-1;0.5;0.25;yes\n"
        "\n"
        f"{PORTRAIT};{TRACK};c;0-0;;;1\n",
        encoding="utf-8",
    )
    rows = read_batch(table)
    assert [row.line for row in rows] == [2, 3, 5]
    second = rows[1].job
    assert second.out == tmp_path / "b é" and second.frames == (0, 1) and second.box
    assert (second.gains.mouth, second.gains.pose, second.teeth.seen) == (0.5, 1.0, 0.25)

    code = main(["batch", str(table), "--report", str(report)])
    said = capsys.readouterr()
    assert code == 2 and "2 of 3 rows done, 3 frames made, 0 kept; these are previews" in said.out
    assert "cast.csv: line 2:" in said.err and "nobody.png" in said.err
    assert "batch: 300/300" in said.err
    assert len(list((tmp_path / "b é").glob("head_*.png"))) == 2
    with report.open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [(row["line"], row["made"], bool(row["failed"])) for row in found] == [
        ("2", "0", True),
        ("3", "2", False),
        ("5", "1", False),
    ]
    assert main(["batch", str(table), "--report", str(report)]) == 2
    assert "0 frames made, 3 kept" in capsys.readouterr().out
    assert main(["batch", str(table), "--report", str(blank)]) == 2
    assert blank.read_bytes() == b"no picture"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no row follows"),
        ("portrait,track,out\n", "no row follows"),
        ("portrait,track,out,colour\na,b,c,d\n", "no column 'colour'"),
        ("portrait,out\na,b\n", "'track' or 'performance' is missing"),
        ("portrait,track,out,out\na,b,c,d\n", "'out' is there twice"),
        ("portrait,track,out\na,b\n", "line 2 has 2 cells"),
        ("portrait,track,out\na,b,\n", "line 2: job 'synthesize' needs the field 'out'"),
        ("portrait,track,performance,out\na,b,c,d\n", "line 2: needs a track or a performance"),
        ("portrait,track,out,feather\na,b,c,soft\n", "line 2: .*feather.* must be a number"),
        ("portrait,track,out,frames\na,b,c,all\n", "line 2: .*frames"),
        ("portrait,track,out,frames\na,b,c,\u00c2\u00b2-3\n", "line 2: .*frames"),
        ("portrait,track,out,mark\na,b,c,much\n", "line 2: .*mark.* must be a number"),
        ("portrait,track,out,consent\na,b,c,gone.json\n", "line 2: .*gone.json"),
        ("portrait,track,out\na,b,c\nd,b,./c\n", "lines 2 and 3 both write into"),
        ("\xff", "not a text table"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_before_anything_is_made(
    tmp_path: Path, text: str, words: str
) -> None:
    table = tmp_path / "cast.csv"
    table.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=words):
        read_batch(table)
    assert [path.name for path in tmp_path.iterdir()] == ["cast.csv"]
