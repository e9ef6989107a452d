# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers' files where the add-on writes and removes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.composite import synthesis
from blender_addon.errors import InputError
from blender_addon.puppet.recording import RenderRecording
from blender_addon.sequencer import head_strip
from blender_addon.storage import folders, recordings
from blender_addon.storage.cache import cache_folder
from blender_addon.worker import pump
from tests.blender.shoot import Shoot, ops, refused

pytestmark = [pytest.mark.blender, pytest.mark.footage]

KINDS = {"person": "a personalized generator", "test": "head frames"}


@pytest.fixture
def own_cache(scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of this test's own, for the add-on and the worker."""
    pump.stop()
    monkeypatch.setenv("LIKENESS_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "likeness_cache"
    pump.stop()


def test_removing_a_persons_model_takes_its_own_files_alone(shoot: Shoot) -> None:
    """And only from a folder of its own."""
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    home = shoot.folder
    own = (r"person\.json", r"generator\.onnx", r"card\.md")
    made = {"generator_onnx": b"onnx", "person_json": b"{}", "card_md": b"", "notes_txt": b"mine"}
    all_of_it = ["card.md", "generator.onnx", "likeness.json", "notes.txt", "person.json"]

    def remove(folder: Path) -> str:
        scene.likeness.portraits[0].person = str(folder)
        return refused(ops.person_remove)

    recorded = _record(_write(home / "recorded", **made), KINDS["person"], *own)
    (recorded / "person.json.0123456789ab.part").write_bytes(b"killed")
    victim = _write(home / "victim", card_md=b"precious") / "card.md"
    (recorded / "card.md").unlink()
    (recorded / "card.md").symlink_to(victim)
    assert remove(recorded) == ""
    assert _names(recorded) == ["card.md", "notes.txt"]  # the one is a link
    assert victim.read_bytes() == b"precious"
    older = _older_person(home / "older", b"onnx")
    assert remove(older) == "" and _names(older) == ["card.md"]

    for folder, kept in (
        (_older_person(home / "another", b"other"), ["card.md", "generator.onnx", "person.json"]),
        (
            _write(home / "stranger", person_json=b'{"name": "Anna"}', plan_txt=b""),
            ["person.json", "plan.txt"],
        ),
        (_record(_write(home / "kind", **made), KINDS["test"], *own), all_of_it),
        (_record(_write(home / "damaged", **made), KINDS["person"], "("), all_of_it),
    ):
        assert "nothing in it says that Likeness made it" in remove(folder), folder.name
        assert _names(folder) == kept
    target = _record(_write(home / "target", **made), KINDS["person"], *own)
    (home / "link").symlink_to(target)
    assert "nothing in it says that Likeness made it" in remove(home / "link")
    assert _names(target) == all_of_it


def test_cleaning_the_cache_takes_what_the_worker_made_there(own_cache: Path, shoot: Shoot) -> None:
    shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    assert len(_names(own_cache)) > 1 and _mode(own_cache) == 0o700
    precious = shoot.folder / "precious"
    _record(_write(precious / "deep", head_000001_png=b"mine"), KINDS["test"], ".*")
    _write(own_cache, mine_txt=b"mine")
    _write(own_cache / "test" / "mine", head_000001_png=b"mine")
    (own_cache / "test" / "link").symlink_to(precious / "deep")
    ours = _write(own_cache / "test" / "ours", head_000001_png=b"", own_txt=b"")
    _record(ours, KINDS["test"], r"head_\d{6}\.png")
    (ours / "head_000002.png").symlink_to(precious / "deep" / "head_000001.png")
    ops.cache_clean()
    assert _names(own_cache) == [
        "mine.txt",
        "test/link",
        "test/mine/head_000001.png",
        "test/ours/head_000002.png",
        "test/ours/own.txt",
    ]
    assert _names(precious) == ["deep/head_000001.png", "deep/likeness.json"]

    own_cache.rename(own_cache.with_name("elsewhere"))
    own_cache.symlink_to(precious)
    _record(_write(precious / "test" / "deep", head_000001_png=b""), KINDS["test"], ".*")
    ops.cache_clean()
    assert len(_names(precious)) == 4
    with pytest.raises(ValueError, match="is a link or belongs to somebody else"):
        cache_folder()


def test_the_cache_is_the_persons_alone(
    scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an extension's own place and without a choice."""
    monkeypatch.delenv("LIKENESS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    where = cache_folder("test")
    assert where == tmp_path / "likeness" / "likeness_cache" / "test"
    assert folders.project() == tmp_path / "likeness" / "likeness_unsaved"
    assert _mode(tmp_path / "likeness") == _mode(where.parent) == 0o700
    (tmp_path / "likeness").chmod(0o777)
    cache_folder()
    assert _mode(tmp_path / "likeness") == 0o700
    (tmp_path / "likeness").rename(tmp_path / "elsewhere")
    (tmp_path / "likeness").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link or belongs to somebody else"):
        cache_folder()


def test_recordings_and_movies_replace_nothing_else(scene: Any, tmp_path: Path) -> None:
    """They replace recordings alone."""
    points = np.zeros((2, recordings.POINT_COUNT, 3), np.float32)
    track = recordings.Track(points, np.ones(2, bool), Fraction(25), (64, 64))
    victim, link = tmp_path / "victim.track.npz", tmp_path / "link.track.npz"
    victim.write_bytes(b"mine")
    link.symlink_to(victim)
    own = tmp_path / "own.track.npz"
    for _ in range(2):
        recordings.save_track(track, own)
    with pytest.raises(ValueError, match="is there already and is not a recording of Likeness"):
        recordings.save_track(track, victim)
    with pytest.raises(ValueError, match="is a link"):
        recordings.save_track(track, link)
    with recordings.written_whole(own) as one, recordings.written_whole(own) as other:
        assert one != other
        for part in (one, other):
            part.write_bytes(b"")
    movie = tmp_path / "movie.mp4"
    movie.write_bytes(b"mine")
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    with pytest.raises(InputError, match="is there already"):
        RenderRecording(bpy.context, movie, "", (1, 2))
    assert victim.read_bytes() == movie.read_bytes() == b"mine"
    assert _names(tmp_path) == [
        "link.track.npz",
        "movie.mp4",
        "own.track.npz",
        "victim.track.npz",
    ]


def test_strangers_files_among_the_head_frames_stay(shoot: Shoot) -> None:
    """One of them lies where the add-on writes."""
    scene = shoot.prepared(until=17)
    chosen = scene.likeness
    folder = synthesis.head_folder(chosen.portraits[0], chosen.takes[0])
    _write(folder, matte_v01_exr=b"mine", notes_txt=b"mine")
    chosen.range = "STRIP"
    chosen.portraits[0].name = "lisa"
    versions.set_span(versions.strips(scene.sequence_editor)["lisa.jpg"], 12, 16)
    assert ops.synthesize() == {"FINISHED"}  # a part of the take: one is pending
    pending = folder / head_strip.PENDING
    assert pending.is_file()
    pending.write_bytes(b"mine")
    chosen.mouth = 0.5
    assert "pending.png: is there already" in refused(ops.synthesize)
    assert pending.read_bytes() == b"mine"
    victim = folder.parent / "victim.png"
    victim.write_bytes(b"precious")
    pending.unlink()
    pending.symlink_to(victim)
    chosen.mouth = 0.6
    assert "pending.png: is a link" in refused(ops.synthesize)
    assert victim.read_bytes() == b"precious"
    pending.unlink()
    chosen.mouth = 0.7
    assert ops.synthesize() == {"FINISHED"}
    left = [name for name in _names(folder) if name in ("matte_v01.exr", "notes.txt")]
    assert left == ["matte_v01.exr", "notes.txt"]


def _names(folder: Path) -> list[str]:
    """All files and links below a folder, by their paths in it."""
    if not folder.is_dir():
        return []
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )


def _write(folder: Path, **files: bytes) -> Path:
    """Files by name, `_` for the dot before the ending."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / ".".join(name.rsplit("_", 1))).write_bytes(data)
    return folder


def _record(folder: Path, holds: str, *files: str) -> Path:
    content = {"likeness_folder": 1, "holds": holds, "files": list(files)}
    (folder / "likeness.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def _older_person(folder: Path, model: bytes) -> Path:
    """As it was written before there were records; its generator is b"onnx"."""
    digest = hashlib.sha256(b"onnx").hexdigest()
    content = {"likeness_person": 1, "generator_sha256": digest}
    _write(folder, generator_onnx=model, card_md=b"mine", person_json=json.dumps(content).encode())
    return folder


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
