# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables: written, read back the same, edited in a spreadsheet; what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from inference.demo import TRACK
from inference.errors import InputError
from inference.performance.face.controls import CONTROL_NAMES
from inference.performance.face.decompose import compose, decompose
from inference.performance.taking.arrange import cut_take
from inference.performance.taking.performance import Performance, save_performance
from inference.performance.taking.read import read_performance, whole_file
from inference.performance.taking.table import COLUMNS, load_table, save_table
from inference.track import load_track


@pytest.fixture(scope="module")
def take() -> Performance:
    """30 frames with a gap, a cut, a filled frame and an odd name."""
    part = cut_take(decompose(load_track(TRACK)), 0, 29)
    valid, filled = part.valid.copy(), part.filled.copy()
    valid[4], filled[7] = False, True
    changes = {}
    for name in ("controls", "rotation", "translation", "scale", "residual"):
        array = getattr(part, name).copy()
        array[4] = np.nan
        changes[name] = array
    trust = np.where(valid, part.confidence, 0).astype(np.float32)
    return replace(
        part,
        **changes,
        valid=valid,
        filled=filled,
        confidence=trust,
        cuts=(12, 20),
        rate=Fraction(30000, 1001),
        source='a "b", ç.mp4',
    )


@pytest.fixture
def table(take: Performance, tmp_path: Path) -> Path:
    path = tmp_path / "tåke.csv"
    save_table(take, path)
    return path


def test_a_table_comes_back(take: Performance, table: Path) -> None:
    again = load_table(table)
    assert (again.rate, again.size, again.cuts) == (take.rate, take.size, take.cuts)
    assert (again.source, again.source_sha256) == (take.source, take.source_sha256)
    np.testing.assert_array_equal(again.valid, take.valid)
    np.testing.assert_array_equal(again.filled, take.filled)
    np.testing.assert_allclose(again.confidence, take.confidence, atol=1e-4)
    for name in ("controls", "rotation", "translation", "scale"):
        np.testing.assert_allclose(getattr(again, name), getattr(take, name), atol=2e-6)
    assert np.isnan(again.residual[4]).all()
    assert not again.residual[take.valid].any()


def test_a_second_writing_is_the_first(table: Path, tmp_path: Path) -> None:
    other = tmp_path / "again.csv"
    save_table(load_table(table), other)
    assert other.read_bytes() == table.read_bytes()


def test_beside_its_performance_a_table_has_the_whole_face(take: Performance, table: Path) -> None:
    save_performance(take, table.with_name("tåke.performance.npz"))
    again = read_performance(table)
    np.testing.assert_allclose(compose(again).points, compose(take).points, atol=0.01)


def test_the_whole_file_of_a_table_lies_beside_it(take: Performance, table: Path) -> None:
    assert whole_file(table) is None
    beside = table.with_name("tåke.performance.npz")
    save_performance(take, beside)
    assert whole_file(table) == whole_file(beside) == beside


def test_an_edited_cell_moves_its_frame_alone(take: Performance, table: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    column, jaw = COLUMNS.index("jaw_open"), CONTROL_NAMES.index("jaw_open")
    cells = lines[12].split(",")
    assert cells[0] == "10"
    cells[column] = "0.9"
    lines[12] = ",".join(cells)
    table.write_text("\n".join(lines), encoding="utf-8")
    again = load_table(table, take)
    assert again.controls[10, jaw] == pytest.approx(0.9)
    moved = np.abs(compose(again).points - compose(take).points).max(axis=(1, 2))
    assert moved[10] > 1
    assert np.nanmax(np.delete(moved, 10)) < 0.01


def as_spreadsheet(text: str) -> str:
    """As a spreadsheet of a country with decimal commas saves it, its mark and line ends too."""
    lines = text.splitlines()
    swapped = [line.replace(",", ";").replace(".", ",") for line in lines[1:]]
    first = lines[0].replace(",", ";") + ";" * 30
    return "\ufeff" + "\r\n".join([first, *swapped, "", ""])


def test_a_spreadsheet_s_own_dialect_is_read(take: Performance, tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    save_table(replace(take, source="a.mp4"), path)
    path.write_text(as_spreadsheet(path.read_text(encoding="utf-8")), encoding="utf-8", newline="")
    again = load_table(path)
    np.testing.assert_allclose(again.controls, take.controls, atol=2e-6)
    assert again.rate == take.rate


def test_a_hand_made_table_needs_only_what_it_says(tmp_path: Path) -> None:
    columns = [name for name in COLUMNS if name not in ("filled", "confidence", "tz")]
    rows = [f"{i},yes,320,240,90,{i},0,0" + ",0" * len(CONTROL_NAMES) for i in range(3)]
    path = tmp_path / "hand.csv"
    path.write_text(
        "\n".join(["# likeness performance 1,rate 25,size 640x480", ",".join(columns), *rows])
    )
    made = load_table(path)
    assert made.confidence.tolist() == [1, 1, 1]
    assert np.isfinite(compose(made).points).all()
    nose = compose(made).points[:, 4, 0]
    assert nose[2] > nose[1] > nose[0]  # yaw turns it to the right


def change(line: int, column: str, text: str) -> Callable[[str], str]:
    """Put `text` into a cell; lines count from 1."""

    def at(table: str) -> str:
        lines = table.splitlines()
        cells = lines[line - 1].split(",")
        cells[COLUMNS.index(column)] = text
        lines[line - 1] = ",".join(cells)
        return "\n".join(lines)

    return at


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: "", "empty"),
        (lambda text: "\n \n", "empty"),
        (lambda text: "\n".join(text.splitlines()[:2]), "no row follows"),
        (lambda text: "\n".join(text.splitlines()[1:]), "line 1 must begin with"),
        (lambda text: text.replace("performance 1", "performance 2", 1), "another version (2)"),
        (lambda text: text.replace("rate 30000/1001", "rate 30/0", 1), "must tell 'rate"),
        (lambda text: text.replace("rate 30000/1001", "tempo 25", 1), "must tell 'rate"),
        (lambda text: text.replace("size ", "size x", 1), "must tell 'rate"),
        (lambda text: text.replace("weak 0", "fisheye 0", 1), "must tell 'rate"),
        (lambda text: text.replace("cuts 12 20", "cuts 12 99", 1), "cuts in line 1"),
        (lambda text: text.replace("jaw_open", "jaw", 1), "column 'jaw_open' is missing"),
        (lambda text: text.replace("confidence", "trust", 1), "column 'trust' is unknown"),
        (lambda text: text.replace("filled", "tz", 1), "column 'tz' is there twice"),
        (change(9, "gaze_x", "nan"), "'nan' in line 9, column 'gaze_x'"),
        (change(9, "yaw", "inf"), "'inf' in line 9, column 'yaw'"),
        (change(9, "blink_left", ""), "'' in line 9, column 'blink_left'"),
        (change(9, "tx", "left"), "'left' in line 9, column 'tx'"),
        (change(9, "scale", "-3"), "scale in line 9 is not positive"),
        (change(9, "smile_left", "70"), "smile_left in line 9 is 70"),
        (change(9, "valid", "maybe"), "'maybe' in line 9, column 'valid'"),
        (change(9, "frame", "8"), "line 9 should be frame 6"),
        (lambda text: text + "29,1\n", "line 33 has 2 cells"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(
    table: Path, spoil: Callable[[str], str], words: str
) -> None:
    table.write_text(spoil(table.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_table(table)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{table}: ")
    assert "\n" not in message


def test_no_text_and_no_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "take.csv"
    with pytest.raises(InputError, match="no such table"):
        load_table(path)
    path.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text table"):
        load_table(path)


def test_a_table_without_a_face_in_any_frame_is_refused(table: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    blank = [f"{i},0" + "," * (len(COLUMNS) - 2) for i in range(3)]
    table.write_text("\n".join([lines[0].replace("cuts 12 20", "cuts"), lines[1], *blank]))
    with pytest.raises(InputError, match="no frame is valid"):
        load_table(table)


def test_a_table_of_another_length_than_its_performance_is_refused(
    take: Performance, table: Path
) -> None:
    with pytest.raises(InputError, match="30 frames, the performance it is read with has 10"):
        load_table(table, cut_take(take, 0, 9))


def test_a_refused_place_leaves_no_partial_table(take: Performance, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError):
        save_table(take, blocked / "take.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("take.txt", "x", "not a performance; name a .performance.npz"),
        ("take.csv", "time,value\n1,2\n", "neither a performance's table nor"),
        ("take.npz", "x", "not a performance, or a damaged one"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        read_performance(path)
