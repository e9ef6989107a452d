# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on reads folders' records: what the worker writes is understood, what is slow is not."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from blender_addon.composite import changes
from blender_addon.errors import InputError
from blender_addon.storage import version_folders
from blender_addon.storage.files import hash_of
from blender_addon.storage.ownership import is_named
from inference.demo import DEMO
from inference.face_list import FACES
from inference.generator.person import PERSON_FOLDER
from inference.layers_job import LAYERS_FOLDER
from inference.outputs import RECORD, FolderKind, claim_folder
from inference.sidecar import FRAMES


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FRAMES, "person_000007.exr"), (FACES, "lisa.face1.npy"), (PERSON_FOLDER, "person.json"),
        (DEMO, "demo.blend"), (LAYERS_FOLDER, "matte.png"),
    ],
)  # fmt: skip
def test_the_worker_s_records_are_understood(tmp_path: Path, kind: FolderKind, name: str) -> None:
    claim_folder(tmp_path, kind)
    assert is_named(tmp_path / name)
    assert not is_named(tmp_path / f"{name}.mine")


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|a)*", ".*.*.*x", "(a{1,}){9}", "a" * 300, "("])
def test_a_record_with_a_pattern_that_takes_for_ever_names_nothing(
    tmp_path: Path, pattern: str
) -> None:
    content = {"likeness_folder": 1, "holds": "head frames", "files": [pattern]}
    (tmp_path / RECORD).write_text(json.dumps(content))
    began = time.monotonic()
    assert not is_named(tmp_path / ("a" * 200 + "b"))
    assert not is_named(tmp_path / ("a" * 200))
    assert time.monotonic() - began < 1


def test_what_changed_is_said_in_the_panel_s_words(tmp_path: Path) -> None:
    motion = tmp_path / "take.performance.npz"
    motion.write_bytes(b"one")
    request = {
        "do": "synthesize", "portrait": ["/here/lisa.png"], "performance": str(motion),
        "out": "a", "frames": [0, 3], "gains": {"mouth": 1.0, "pose": 1.0}, "tier": "draft",
        "transfer": "relative", "neutralize": False, "format": "png", "layer": "head",
        "match": "portrait", "match_strength": 1.0, "teeth": {"seen": 1.0},
    }  # fmt: skip
    asked = {
        **request,
        "portrait": ["/moved/lisa.png"],
        "feather": 0.0,
        "box": False,
        "alpha": None,
    }
    known = {"job": asked, "motion": hash_of(motion)}
    assert changes.changes(request, known) == []
    assert changes.changes(request, {}) == []  # of an older version nothing is known
    for field, value, words in (
        ("gains", {"mouth": 0.5, "pose": 1.0}, ["mouth 1.0 -> 0.5"]),
        ("teeth", {"seen": 0.25}, ["teeth seen 1.0 -> 0.25"]),
        ("portrait", ["/here/lisa.png", "/here/b.png"], ["1 -> 2 pictures"]),
        ("portrait", ["/here/b.png"], ["other pictures"]),
        ("box", True, ["layer head -> box"]),
        ("feather", 0.05, ["feather 0.0 -> 0.05"]),
        ("format", "exr", ["format png -> exr"]),
        ("alpha", "/here/own.png", ["own matte"]),
        ("neutralize", True, ["portrait relaxed"]),
        ("transfer", "absolute", ["performs like itself -> like the actor"]),
        ("matte", "face", ["mattes off -> face"]),
        ("person", "/here/person", ["personalized model"]),
        ("match", "/stills/grade.png", ["match portrait -> grade.png"]),
        ("frames", [1, 2], []),
        ("teeth_plate", "/here/teeth.png", ["own teeth"]),
        ("teeth_frames", "/here/teeth.csv", ["teeth animated"]),
    ):
        assert changes.changes({**request, field: value}, known) == words, field
    moving = {**known, "job": {**asked, "teeth_frames": "/here/teeth.csv"}}
    assert changes.changes({**request, "teeth": {"seen": 0.3}}, moving) == []
    motion.write_bytes(b"other")
    assert changes.changes(request, known) == ["take updated"]
    edited = motion.rename(tmp_path / "take.edited-2.performance.npz")
    assert changes.changes({**request, "performance": str(edited)}, known) == ["curves edited"]


def test_a_file_is_hashed_again_where_it_is_another(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one")
    first = hash_of(path)
    assert first == hashlib.sha256(b"one").hexdigest() == hash_of(path)
    other.write_bytes(b"two")
    times = path.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(other, path)  # as long, and of the same time
    assert hash_of(path) == hashlib.sha256(b"two").hexdigest()
    path.unlink()
    with pytest.raises(InputError, match="a: cannot be read"):
        hash_of(path)


def test_a_version_that_another_file_may_show_is_known(tmp_path: Path) -> None:
    """By what was noted, by what lies in a file, and by when it was written."""
    home = tmp_path / "likeness" / "lisa-1" / "take-2"
    first, second = (version_folders.reserve([home]) for _ in range(2))
    assert [folder.name for folder in (first, second)] == ["v001", "v002"]
    assert version_folders.listed([home]) == []  # nothing is in them yet
    version_folders.release(second)
    (first / "head.json").write_text("{}")
    (first / "job.json").write_text(
        '{"begun": "2026-01-01T12:00:00.5+00:00", "job": {"note": "x"}}'
    )
    version_folders.release(first)  # it holds something
    (found,) = version_folders.listed([home, home])
    assert (found.name, found.note) == ("v001", "x") and found.begun is not None

    def users() -> list[str]:
        return [path.name for path in version_folders.users(first, tmp_path)]

    shows = b"BLENDER...//likeness/lisa-1/take-2/v001/\0"
    for name, data in (
        ("plain.blend", shows), ("other.blend", shows.replace(b"v001", b"v002")),
        ("packed.blend", b"\x28\xb5\x2f\xfd..."), ("older.blend", shows),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
    os.utime(tmp_path / "older.blend", (1e9, 1e9))
    assert users() == ["packed.blend", "plain.blend"]
    version_folders.note_use(first, tmp_path / "packed.blend", uses=False)
    version_folders.note_use(first, tmp_path / "other.blend", uses=True)
    version_folders.note_use(first, tmp_path / "gone.blend", uses=True)
    assert users() == ["other.blend", "plain.blend"]
    (first / "used.json").write_text("mine")
    with pytest.raises(InputError, match="is not a list of use"):
        version_folders.note_use(first, tmp_path / "plain.blend", uses=True)
