# SPDX-License-Identifier: GPL-3.0-or-later
"""Transcripts to words with phones, and timed text of every kind to phones with times."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.errors import InputError
from inference.speech import recognizer
from inference.speech.timed import read_timed
from inference.speech.transcript import number_words, read_words


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("42", "forty two"),
        ("1,250", "one thousand two hundred fifty"),
        ("3.14", "three point one four"),
        ("1984", "nineteen eighty four"),
        ("2004", "two thousand four"),
        ("21st", "twenty first"),
        ("20th", "twentieth"),
        ("1990s", "nineteen nineties"),
        ("$5.50", "five dollars fifty"),
        ("007", "zero zero seven"),
    ],
)
def test_numbers_are_words(number: str, said: str) -> None:
    assert " ".join(number_words(number)) == said


def words(text: str) -> list[str]:
    return [word for word, _ in read_words(text, recognizer.pronunciation)]


def test_what_is_written_short_is_said_long() -> None:
    assert words("Dr. Brown & Mrs. O’Hara, 50% [laughs]") == [
        "doctor", "brown", "and", "missus", "o'hara", "fifty", "percent",
    ]  # fmt: skip
    assert words("St. John saw the FBI.")[:2] == ["saint", "john"]


def test_words_that_no_dictionary_has_still_have_lips() -> None:
    said = dict(read_words("Blorbifam's flimmed", recognizer.pronunciation))
    assert [p for p in said["blorbifam's"] if p in ("B", "F", "M")] == ["B", "B", "F", "M"]
    assert said["flimmed"][:1] == ["F"]


def test_letters_are_spelled() -> None:
    ((_, phones),) = read_words("XQBP", recognizer.pronunciation)[-1:]
    assert phones == ["P", "IY"]


TEXT_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1
            text = "map"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1
        intervals: size = 3
        intervals [1]:
            xmin = 0.0
            xmax = 0.2
            text = "M"
        intervals [2]:
            xmin = 0.2
            xmax = 0.6
            text = "AE1"
        intervals [3]:
            xmin = 0.6
            xmax = 1.0
            text = "P"
"""
SHORT_GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n1\n"IntervalTier"\n'
    '"phones"\n0\n1\n3\n0.0\n0.2\n"M"\n0.2\n0.6\n"AE1"\n0.6\n1.0\n"P"\n'
)
MAP = [("M", 0.0, 0.2), ("AE", 0.2, 0.6), ("P", 0.6, 1.0)]


@pytest.mark.parametrize(
    ("name", "text", "phones"),
    [
        ("a.txt", "0.0 0.2 M\n0.2 0.6 AE1\n0.6 1.0 P\n", MAP),
        ("audacity.txt", "0.0\t0.2\tm\n0.2\t0.6\tæ\n0.6\t1.0\tp\n", MAP),
        ("a.csv", "start,end,phone\n0.0,0.2,M\n0.2,0.6,AE\n0.6,1.0,P\n", MAP),
        ("a.TextGrid", TEXT_GRID, MAP),
        ("short.TextGrid", SHORT_GRID, MAP),
        ("rhubarb.tsv", "0.00\tA\n0.20\tD\n0.60\tA\n1.00\tX\n",
         [("P", 0.0, 0.2), ("AA", 0.2, 0.6), ("P", 0.6, 1.0)]),
        ("rhubarb.json", '{"metadata": {}, "mouthCues": [{"start": 0.0, "end": 0.2, "value": "A"}, '
         '{"start": 0.2, "end": 0.6, "value": "C"}]}', [("P", 0.0, 0.2), ("EH", 0.2, 0.6)]),
        ("papagayo.dat", "MohoSwitch1\n1 MBP\n7 AI\n13 rest\n",
         [("M", 0.0, 0.25), ("AA", 0.25, 0.5)]),
    ],
)  # fmt: skip
def test_timed_texts(
    tmp_path: Path, name: str, text: str, phones: list[tuple[str, float, float]]
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    read = [(p.name, p.start, p.end) for p in read_timed(path, 1.0).phones if p.name != "SIL"]
    assert [name for name, _, _ in read] == [name for name, _, _ in phones]
    assert [times for _, *times in read] == [pytest.approx(times) for _, *times in phones]


def test_words_of_any_language_are_spread_over_their_time(tmp_path: Path) -> None:
    path = tmp_path / "de.txt"
    path.write_text("0.0 0.5 Abend\n0.5 1.0 Mama\n", encoding="utf-8")
    read = read_timed(path, 2.0)
    assert read.kind == "words"
    assert [p.name for p in read.phones if p.start >= 0.5 and p.name == "M"] == ["M", "M"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("just some prose\nwithout any times", "no timed text"),
        ("", "no timed text"),
        ("50.0 51.0 M\n", "its first cue is at 50.0 s"),
        ("0.5 0.1 M\n", "run backwards"),
        ('{"mouthCues": [{"start": "x"}]}', "no timed text"),
    ],
)
def test_what_is_no_timed_text_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_timed(path, 10.0)
