# SPDX-License-Identifier: GPL-3.0-or-later
"""Blind comparison: the pairs tell nothing, the key tells all, and answers are counted rightly."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.cli import main
from export.data.clips import ClipFile
from export.evaluation.blind import PAIRS, REAL, Pair, make_pairs, score, write_key
from export.evaluation.clips import RUN, EvaluationClip
from inference.demo import PORTRAIT
from inference.errors import InputError
from inference.generator.model import load_generator
from inference.outputs import claim_folder
from inference.portrait import open_portrait
from inference.track import LandmarkTrack

COUNT = 4 * RUN


def still_clip(name: str) -> EvaluationClip:
    """A clip of one picture, over and over, in which every frame is the source."""
    portrait = open_portrait(PORTRAIT)
    rgb = portrait.picture.rgb8()
    points = np.repeat(portrait.points[None], COUNT + 1, axis=0)
    track = LandmarkTrack(points, np.ones(COUNT + 1, bool), Fraction(25), portrait.picture.size)
    frames = tuple(range(1, COUNT + 1))
    pictures = {frame: rgb.copy() for frame in range(COUNT + 1)}
    for frame in frames:
        pictures[frame][:40, :40] = (255, 0, 0)  # what only the real frames show
    return EvaluationClip(name, name, track, (0,), frames, pictures, (None,) * COUNT)


def test_the_key_says_which_picture_is_which(
    tmp_path: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "export.evaluation.blind.read_clip", lambda file, *counts: still_clip(file.name)
    )
    files = [ClipFile(name, Path(name), name, "val", False) for name in ("a", "b")]
    folder = claim_folder(tmp_path / "pairs", PAIRS)
    generators = {"new": load_generator(untrained, "cpu")}
    pairs = make_pairs(files, generators, folder, 8, 1, "whole", seed=3)
    assert sorted(p.number for p in pairs) == list(range(1, 9))
    assert {p.clip: sum(q.clip == p.clip for q in pairs) for p in pairs} == {"a": 4, "b": 4}
    assert {(p.left, p.right) for p in pairs} == {(REAL, "new"), ("new", REAL)}
    for pair in pairs:
        picture = cv2.imread(str(folder.file(f"pair_{pair.number:03}.png")))[..., ::-1]
        half = picture.shape[1] // 2
        sides = {pair.left: picture[:, :half], pair.right: picture[:, half + 7 :]}
        reds = {name: side[:20, :20].astype(int).mean(axis=(0, 1)) for name, side in sides.items()}
        assert reds[REAL][0] - reds[REAL][1] > 200
        assert reds["new"][0] - reds["new"][1] < 100


@pytest.fixture
def key(tmp_path: Path) -> Path:
    pairs = [Pair(n, *(("new", REAL) if n % 2 else (REAL, "new")), "clip", n) for n in range(1, 11)]
    write_key(tmp_path / "key.json", pairs, "new")
    return tmp_path / "key.json"


def test_answers_are_counted_with_their_interval(key: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.txt"
    lines = [f"pair_{n:03} {'left' if n % 2 else 'RIGHT'}" for n in range(1, 10)]
    answers.write_text("\n".join([*lines, "", "10 left"]), encoding="utf-8")
    found = score(key, answers)
    assert (found.named, found.of) == (9, 10)
    # Wilson's interval of 9 in 10, from tables.
    assert found.low == pytest.approx(0.596, abs=0.002)
    assert found.high == pytest.approx(0.982, abs=0.002)


@pytest.mark.parametrize("line", ["11 left", "3 both", "left 3", "3 left\n3 right"])
def test_what_is_no_answer_is_named(key: Path, tmp_path: Path, line: str) -> None:
    answers = tmp_path / "answers.txt"
    answers.write_text(f"1 left\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"answers\.txt, line [23]: "):
        score(key, answers)


@pytest.mark.parametrize("content", [b"{}", b"\xff\xfe", b'{"asked": "a", "pairs": [{}]}', b"[]"])
def test_what_is_no_key_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_bytes(content)
    (tmp_path / "answers.txt").write_text("1 left", encoding="utf-8")
    with pytest.raises(InputError, match="not a key"):
        score(tmp_path / "key.json", tmp_path / "answers.txt")


def test_a_key_among_the_pairs_or_over_another_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "notes.json"
    other.write_text(json.dumps({"mine": 1}), encoding="utf-8")
    given = ["blind", "--clips", str(tmp_path), "--out", str(tmp_path / "pairs"), "--key"]
    for path, words in ((tmp_path / "pairs" / "k.json", "among the pairs"), (other, "notes.json")):
        assert main([*given, str(path)]) == 2
        assert re.search(words, capsys.readouterr().err)
    assert json.loads(other.read_text(encoding="utf-8")) == {"mine": 1}
    assert not (tmp_path / "pairs").exists()
