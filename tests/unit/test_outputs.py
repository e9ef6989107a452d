# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose is a file: what is written, replaced and removed, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.errors import InputError
from inference.files import write_whole, written_whole
from inference.outputs import (
    RECORD,
    FolderKind,
    check_replaceable,
    claim_folder,
    is_ours,
    open_owned,
    refuse_inputs,
)

KIND = FolderKind("numbers", (r"n-\d{3}\.txt", r"sum\.txt"))
OTHER = FolderKind("letters", (r"[a-z]\.txt",))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_folder_and_one_with_other_files_become_ours(tmp_path: Path) -> None:
    (tmp_path / "shot").mkdir()
    (tmp_path / "shot" / "n-001-good.txt").write_text("a note")
    for folder in (tmp_path / "new" / "deep", tmp_path / "shot"):
        claim_folder(folder, KIND)
        assert is_ours(folder, KIND)
        claim_folder(folder, KIND)  # and stay ours
    assert (tmp_path / "shot" / "n-001-good.txt").read_text() == "a note"


@pytest.mark.parametrize("name", ["n-001.txt", "sum.txt", RECORD])
def test_a_folder_with_a_stranger_of_our_name_is_refused_untouched(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="choose another"):
        claim_folder(tmp_path, KIND)
    assert contents(tmp_path) == {name: b"{}"}


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    claim_folder(tmp_path, OTHER)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="it holds letters"):
        claim_folder(tmp_path, KIND)
    with pytest.raises(InputError, match="left as it is"):
        open_owned(tmp_path, KIND)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "record",
    [
        "[]", "{", '{"likeness_folder": 2, "holds": "numbers"}',
        '{"likeness_folder": 1, "holds": 3}', "[" * 50_000,
    ],
)  # fmt: skip
def test_a_record_that_is_none_of_ours_makes_nothing_ours(tmp_path: Path, record: str) -> None:
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(InputError):
        claim_folder(tmp_path, KIND)
    assert contents(tmp_path) == {RECORD: record.encode()}


def test_an_input_that_would_be_replaced_is_refused_by_whatever_name(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    claim_folder(folder, KIND)
    (folder / "n-004.txt").write_text("mine")
    link = tmp_path / "harmless.txt"
    link.symlink_to(folder / "n-004.txt")
    for given in (folder / "n-004.txt", link, tmp_path / "out" / ".." / "out" / "sum.txt"):
        with pytest.raises(InputError, match="this is read"):
            claim_folder(folder, KIND, [given])
    claim_folder(folder, KIND, [folder / "n-4.txt", tmp_path / "n-004.txt"])


def test_removing_takes_what_the_record_names_and_nothing_else(tmp_path: Path) -> None:
    folder, outside = tmp_path / "out", tmp_path / "outside.txt"
    outside.write_text("stays")
    owned = claim_folder(folder, KIND)
    write_whole(owned.file("n-001.txt"), b"1")
    (folder / "n-1.txt").write_text("a stranger")
    (folder / "n-002.txt").symlink_to(outside)
    (folder / "n-003.txt").mkdir()
    (folder / "sum.txt.0123456789ab.part").write_text("left by a kill")
    open_owned(folder, KIND).remove()
    assert names(folder) == ["n-002.txt", "n-003.txt", "n-1.txt"]
    assert outside.read_text() == "stays"


def test_a_link_or_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    owned = claim_folder(tmp_path / "out", KIND)
    (owned.path / "n-001.txt").symlink_to(tmp_path / "nowhere")
    (owned.path / "n-002.txt").mkdir()
    for name in ("n-001.txt", "n-002.txt"):
        with pytest.raises(InputError, match="link or a folder"):
            owned.file(name)


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_text("1")
    (tmp_path / "hard").hardlink_to(one)
    (tmp_path / "soft").symlink_to(one)
    for out in (one, tmp_path / "hard", tmp_path / "soft", tmp_path / "x" / ".." / "one"):
        with pytest.raises(InputError, match="this is what is read"):
            refuse_inputs([tmp_path / "fine", out], [one])
    refuse_inputs([tmp_path / "fine"], [one])


def test_a_single_file_is_replaced_only_by_one_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "sum.txt"

    def is_sum(path: Path) -> bool:
        return path.read_text() == "3"

    check_replaceable(path, is_sum, "a sum")
    path.write_text("")
    check_replaceable(path, is_sum, "a sum")
    path.write_text("3")
    check_replaceable(path, is_sum, "a sum")
    (tmp_path / "link").symlink_to(path)
    path_of = {"is not a sum": path, "is a link": tmp_path / "link", "a folder": tmp_path}
    path.write_text("4")
    for words, wrong in path_of.items():
        with pytest.raises(InputError, match=words):
            check_replaceable(wrong, is_sum, "a sum")


def test_writers_of_one_file_do_not_share_a_part_and_a_link_is_replaced(tmp_path: Path) -> None:
    path, target = tmp_path / "a", tmp_path / "target"
    target.write_text("stays")
    path.symlink_to(target)
    with written_whole(path) as one, written_whole(path) as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert path.read_text() == "1"  # the outer one was the last to be renamed
    assert target.read_text() == "stays"
    assert names(tmp_path) == ["a", "target"]
