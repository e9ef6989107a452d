# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command refuses to write over what is not its own, in one line, with nothing touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from export.cli import main
from export.data.layout import PREPARED
from export.data.parts import _PARTS
from export.folders import writing
from export.paper.person_kind import PAPER_FOLDER
from export.training.folder import TRAINING, checkpoints, drop_oldest
from export.training.results import RESULTS
from inference.errors import InputError
from inference.generator.person import PERSON_FOLDER
from inference.outputs import RECORD, FolderKind
from inference.sessions import MODELS
from tests.strangers import plant

SAMPLES = Path(__file__).resolve().parents[2] / "inference" / "samples"
PORTRAIT = SAMPLES / "eileen_collins.png"

# A command that writes into the folder OUT, what its folder is, and a file of a name of its own.
FOLDERS = {
    "prepare": ("prepare IN --out OUT", PREPARED, "shard-00000.bin"),
    "pack": ("pack IN --out OUT", _PARTS, "part-000.bin"),
    "unpack": ("unpack IN --out OUT", PREPARED, "index.jsonl"),
    "train": ("train --data IN --out OUT", TRAINING, "checkpoint-0003000.pt"),
    "paper": ("paper --data IN --out OUT", TRAINING, "log.jsonl"),
    "run": ("run --data IN --work WORK --minutes 5 --out OUT", RESULTS, "result-00.bin"),
    "join": ("join IN --out OUT", TRAINING, "model.onnx"),
    "personalize": (f"personalize --portrait {PORTRAIT} --out OUT", PERSON_FOLDER, "card.md"),
    "personalize-paper": (
        f"personalize --generator paper --checkpoint IN/c.pt --portrait {PORTRAIT} --out OUT",
        PAPER_FOLDER, "generator.onnx",
    ),
}  # fmt: skip


def call(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused; returns its one line."""
    given = tmp_path / "in"
    given.mkdir(exist_ok=True)
    places = {"IN": given, "OUT": tmp_path / "out", "WORK": tmp_path / "work"}
    arguments = []
    for word in words.split():
        name, _, rest = word.partition("/")
        arguments.append(str(places[name] / rest) if name in places else word)
    capsys.readouterr()
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_with_another_s_file_of_our_name_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, _, file = FOLDERS[name]
    strangers = plant(tmp_path / "out", file)
    assert f"{file}: is there already and was not made by Likeness" in call(words, tmp_path, capsys)
    strangers.check()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [file]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_of_our_name_is_not_followed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, kind, file = FOLDERS[name]
    outside = plant(tmp_path / "outside", "precious")
    with writing(tmp_path / "out", kind) as folder:
        (tmp_path / "out" / file).symlink_to(tmp_path / "outside" / "precious")
        (tmp_path / "out" / kept_name(kind, file)).write_bytes(b"so that the folder is kept")
    line = call(words, tmp_path, capsys)
    assert f"{folder.path / file}: is a link" in line
    outside.check()
    assert (tmp_path / "out" / file).is_symlink()


def kept_name(kind: FolderKind, but: str) -> str:
    names = (
        "index.jsonl",
        "shard-00001.bin",
        "part-001.bin",
        "log.jsonl",
        "grid-0000001.png",
        "result-01.bin",
        "card.md",
        "generator.onnx",
        "identity.npy",
    )
    return next(n for n in names if kind.pattern.fullmatch(n) and n != but)


# The others read their input first; they hold their folder by the same means.
@pytest.mark.parametrize("name", ["prepare", "train", "paper", "personalize"])
def test_two_runs_at_once_in_one_folder_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, kind, _ = FOLDERS[name]
    if name == "prepare":
        (tmp_path / "in").mkdir()
        shutil.copy(PORTRAIT, tmp_path / "in")
    with writing(tmp_path / "out", kind):
        assert f"out: another run is writing {kind.holds} here" in call(words, tmp_path, capsys)


def test_two_timed_runs_do_not_share_their_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with writing(tmp_path / "work", FolderKind("nothing", ())):
        line = call(FOLDERS["run"][0], tmp_path, capsys)
    assert "work: another run is writing" in line


@pytest.mark.parametrize("name", [n for n in FOLDERS if not n.startswith("personalize")])
def test_the_folder_that_is_read_is_not_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, _, _ = FOLDERS[name]
    strangers = plant(tmp_path / "in", "dataset.json")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for out in (tmp_path / "in", tmp_path / "link"):
        assert "this is what is read" in call(words.replace("OUT", str(out)), tmp_path, capsys)
    strangers.check()
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["dataset.json"]


def test_a_person_is_not_written_over_its_own_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    picture = tmp_path / "out" / "before_after.png"
    shutil.copy(PORTRAIT, picture)
    (tmp_path / "mine.png").symlink_to(picture)
    for given in (picture, tmp_path / "mine.png"):
        line = call(f"personalize --portrait {given} --out OUT", tmp_path, capsys)
        assert "is read, and would be replaced" in line
    assert picture.read_bytes() == PORTRAIT.read_bytes()
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_another_kind_of_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with writing(tmp_path / "out", PREPARED) as folder:
        folder.file("index.jsonl").write_bytes(b"")
    line = call(FOLDERS["personalize"][0], tmp_path, capsys)
    assert "it holds prepared footage; choose another" in line


def test_only_checkpoints_of_the_run_are_dropped(tmp_path: Path) -> None:
    strangers = plant(tmp_path)
    outside = plant(tmp_path / "outside", "weights.pt")
    with writing(tmp_path, TRAINING) as folder:
        for step in (1, 2, 3, 4):
            folder.file(f"checkpoint-{step:07d}.pt").write_bytes(b"weights")
        (tmp_path / "checkpoint-0000000.pt").symlink_to(tmp_path / "outside" / "weights.pt")
        drop_oldest(folder, 2)
    assert [path.name for path in checkpoints(tmp_path)] == [
        "checkpoint-0000000.pt",
        "checkpoint-0000003.pt",
        "checkpoint-0000004.pt",
    ]
    strangers.check()
    outside.check()


def test_a_folder_that_got_nothing_is_given_back(tmp_path: Path) -> None:
    with pytest.raises(InputError), writing(tmp_path / "new", TRAINING):
        raise InputError("no data")
    assert not (tmp_path / "new").exists()
    strangers = plant(tmp_path / "mine")
    with pytest.raises(InputError), writing(tmp_path / "mine", TRAINING):
        raise InputError("no data")
    strangers.check()
    assert not (tmp_path / "mine" / RECORD).exists()


def test_what_a_killed_writer_left_is_removed_and_nothing_like_it(tmp_path: Path) -> None:
    strangers = plant(tmp_path, "checkpoint-0000001-mine.pt.0123456789ab.part", "log.jsonl.part")
    left = plant(tmp_path, "checkpoint-0000001.pt.0123456789ab.part", f"{RECORD}.abcdef012345.part")
    with writing(tmp_path, TRAINING) as folder:
        folder.file("log.jsonl").write_bytes(b"{}")
    strangers.check()
    assert not any(path.exists() for path in left.contents)


@pytest.mark.parametrize("marks", ["log", "checkpoint", "settings", "person", "results"])
def test_folders_of_older_versions_are_taken_by_their_own_marks(tmp_path: Path, marks: str) -> None:
    kind: FolderKind
    if marks == "log":
        kind = TRAINING
        (tmp_path / "log.jsonl").write_text('{"step": 1, "minutes": 0.1}\n', encoding="utf-8")
    elif marks == "checkpoint":
        kind = TRAINING
        torch.save({"generator": {}, "resume": {}}, tmp_path / "checkpoint-0000001.pt")
    elif marks == "settings":
        kind = PREPARED
        content = {"topology": "t", "format": 1}
        (tmp_path / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    elif marks == "person":
        kind = PERSON_FOLDER
        (tmp_path / "person.json").write_text('{"likeness_person": 1}', encoding="utf-8")
    else:
        kind = RESULTS
        content = {"format": 1, "files": [], "pieces": []}
        (tmp_path / "result.json").write_text(json.dumps(content), encoding="utf-8")
    with writing(tmp_path, kind) as folder:
        assert list(folder.files())
    other = tmp_path / "other"
    plant(other, *(path.name for path in folder.files()))
    with pytest.raises(InputError, match="was not made by Likeness"), writing(other, kind):
        pass


def test_the_default_work_is_private_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export.training.work import default_work

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    one, other = tmp_path / "one", tmp_path / "other"
    work = default_work(one, other)
    assert work == default_work(one, other) != default_work(one, one)
    assert tmp_path / "cache" in work.parents
    assert work.stat().st_mode & 0o777 == 0o700
    work.chmod(0o777)
    with pytest.raises(InputError, match="open to others; name a folder of your own"):
        default_work(one, other)
    work.rmdir()
    work.symlink_to(tmp_path)
    with pytest.raises(InputError, match="is a link"):
        default_work(one, other)


@pytest.mark.parametrize(
    ("words", "file", "content"),
    [
        ("evaluate --clips IN --out OUT/report.json", "report.json", b'{"mine": 1}'),
        ("evaluate --clips IN --out OUT/report.json", "report.md", b"# Mine"),
        ("evaluate --clips IN --out OUT/report.json", "report.png", b"a picture"),
        ("evaluate --clips IN --shots 1 8 --out OUT/report.json", "report-8.png", b"a picture"),
        ("retargeting --clips IN --portraits IN --out OUT/r.md", "r.md", b"# Mine"),
        ("face --tracks IN --out OUT/face.npz", "face.npz", b"PK"),
        ("face --tracks IN --out OUT/face.npz --chart OUT/c.jpg", "c.jpg", b"\xff\xd8mine"),
        ("onnx --tier draft --out OUT/m.onnx", "m.onnx", b"mine"),
        ("onnx --tier draft --out OUT/m.onnx", "m.embedder.onnx", b"mine"),
        ("onnx --tier draft --weights half --out OUT/m.onnx", "m.embedder.onnx", b"mine"),
        ("onnx --generator paper --out OUT/m.onnx", "m.onnx", b"mine"),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_is_not_ours_is_not_replaced(
    words: str,
    file: str,
    content: bytes,
    linked: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "out").mkdir()
    path = precious = tmp_path / "out" / file
    if linked:
        precious = tmp_path / "precious"
        path.symlink_to(precious)
    precious.write_bytes(content)
    line = call(words, tmp_path, capsys)
    assert str(path) in line
    assert "choose another name" in line
    assert precious.read_bytes() == content
    assert list((tmp_path / "out").iterdir()) == [path]


@pytest.mark.parametrize("how", ["itself", "hard link", "link"])
@pytest.mark.parametrize("weights", ["fp16", "half", "int8"])
def test_an_export_is_not_written_over_its_checkpoint(
    how: str, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, embedder = tmp_path / "M.onnx", tmp_path / "M.embedder.onnx"
    shutil.copy(MODELS / "warp-draft.onnx", model)
    shutil.copy(MODELS / "warp-draft.embedder.onnx", embedder)
    out = model
    if how == "hard link":
        out = tmp_path / "N.onnx"
        os.link(model, out)
    elif how == "link":
        out = tmp_path / "N.onnx"
        out.symlink_to(model)
    data = "--data IN" if weights == "int8" else ""
    words = f"onnx --tier draft --weights {weights} {data} --checkpoint {model} --out {out}"
    assert "this is what is read" in call(words, tmp_path, capsys)
    for path in (model, embedder):
        shipped = MODELS / path.name.replace("M", "warp-draft")
        assert path.read_bytes() == shipped.read_bytes()


def test_another_generator_s_embedder_is_neither_removed_nor_taken_for_one_s_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embedder = tmp_path / "m.embedder.onnx"
    shutil.copy(MODELS / "warp-draft.embedder.onnx", embedder)
    line = call(f"onnx --tier draft --out {tmp_path / 'm.onnx'}", tmp_path, capsys)
    assert "is another generator's embedder" in line
    assert embedder.read_bytes() == (MODELS / "warp-draft.embedder.onnx").read_bytes()
    assert not (tmp_path / "m.onnx").exists()
