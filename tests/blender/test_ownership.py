# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers' files where the add-on writes and removes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.composite import synthesis, version_choice
from blender_addon.errors import InputError
from blender_addon.performance import edits
from blender_addon.puppet.recording import RenderRecording
from blender_addon.sequencer import head_strip
from blender_addon.storage import files, folders, recordings
from blender_addon.storage.cache import cache_folder
from blender_addon.worker import pump
from tests.blender.shoot import Shoot, absolute, head_of, key_alone, ops, refused, reopened, said
from tests.blender.windowed import press

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
    home = synthesis.home(chosen.portraits[0], chosen.takes[0])
    folder = home / "v001"
    _write(home, head_000001_png=b"mine")
    chosen.range = "STRIP"
    chosen.portraits[0].name = "lisa"
    versions.set_span(versions.strips(scene.sequence_editor)["lisa.jpg"], 12, 16)
    assert ops.synthesize() == {"FINISHED"}  # a part of the take: one is pending
    _write(folder, matte_v01_exr=b"mine", notes_txt=b"mine")
    pending = folder / head_strip.PENDING
    assert pending.is_file()
    pending.write_bytes(b"mine")
    assert "pending.png: is there already" in refused(ops.synthesize)
    assert pending.read_bytes() == b"mine"
    victim = home / "victim.png"
    victim.write_bytes(b"precious")
    pending.unlink()
    pending.symlink_to(victim)
    assert "pending.png: is a link" in refused(ops.synthesize)
    assert victim.read_bytes() == b"precious"
    pending.unlink()
    assert ops.synthesize() == {"FINISHED"}
    chosen.mouth = 0.7
    assert ops.synthesize() == {"FINISHED"}
    assert absolute(head_of(scene).directory) == home / "v002"
    ops.versions_clean()
    assert _names(home) == [
        "head_000001.png", "v001/matte_v01.exr", "v001/notes.txt",
        *(name for name in _names(home) if name.startswith("v002/")), "victim.png",
    ]  # fmt: skip


def test_what_was_put_out_stays_as_a_version(shoot: Shoot) -> None:
    """Versions are listed, used, compared and cleaned; a copy of the file loses none of its."""
    scene = shoot.prepared(until=16)
    chosen = scene.likeness
    portrait, take = chosen.portraits[0], chosen.takes[0]
    home = synthesis.home(portrait, take)

    def seen() -> list[str]:
        """What the panel lists, and what the strip shows."""
        found = version_choice.listed(scene, portrait, take)
        assert all(version.begun is not None for version in found)
        used = version_choice.shown(scene, synthesis.head_tag(portrait, take))
        return [*(f"{v.name}: {v.note}" for v in found), used.name if used else ""]

    ops.synthesize()
    first = {path.name: path.read_bytes() for path in (home / "v001").glob("head_*.png")}
    assert len(first) == 4 and seen() == ["v001: first version", "v001"]
    ops.synthesize()  # nothing changes: no version
    assert seen() == ["v001: first version", "v001"] and not (home / "v002").exists()
    bpy.ops.wm.save_as_mainfile(filepath=str(shoot.folder / "client.blend"), copy=True)

    head = head_of(scene)
    grade = head.modifiers.new("grade", "BRIGHT_CONTRAST")
    grade.bright = 20
    curves = head.modifiers.new("curves", "CURVES")
    curves.curve_mapping.curves[3].points.new(0.5, 0.7)
    assert synthesis.changed_since(scene, portrait, take) == []
    chosen.mouth = 0.5
    files._hashes.clear()
    assert synthesis.changed_since(scene, portrait, take) == ["mouth 1.0 -> 0.5"]
    assert shoot.picture not in files._hashes  # a panel's draw reads no picture
    scene.use_preview_range, chosen.range = True, "PREVIEW"
    scene.frame_preview_start = scene.frame_preview_end = 14
    ops.synthesize()
    assert said(scene).startswith("1 frame made")
    listing = ["v002: mouth 1.0 -> 0.5", "v001: first version"]
    assert seen() == [*listing, "v002"]
    shared = [(home / "v001" / name).samefile(home / "v002" / name) for name in sorted(first)]
    assert shared == [True, True, False, True]  # no room is taken twice

    assert "is the one that is used" in refused(ops.version_compare, version="v002")
    assert "no version 'v009'; there are: v002, v001" in refused(ops.version_use, version="v009")
    for here, there in ((True, False), (False, True), (True, False)):
        ops.version_compare(version="v001")
        other = head_strip.find(scene, synthesis.compare_tag(portrait, take))
        assert (head_of(scene).mute, other.mute) == (here, there)
    assert absolute(other.directory) == home / "v001"
    assert versions.span(other) == versions.span(head) and other.channel > head.channel
    assert [each.type for each in other.modifiers] == ["BRIGHT_CONTRAST", "CURVES"]
    assert other.modifiers[0].bright == grade.bright
    points = [[tuple(p.location) for p in m.modifiers[1].curve_mapping.curves[3].points]
              for m in (other, head)]  # fmt: skip
    assert points[0] == points[1] and len(points[0]) == 3
    ops.version_use(version="v001")
    assert head_strip.find(scene, synthesis.compare_tag(portrait, take)) is None
    assert seen() == [*listing, "v001"] and not head_of(scene).mute
    assert len(head_of(scene).modifiers) == 2

    # The copy shows v001, this file v003 by now; v002 nobody does.
    chosen.mouth = 0.8
    ops.synthesize()
    assert seen()[0] == "v003: mouth 1.0 -> 0.8"
    assert "v003: is no version, or is shown by a strip" in refused(
        ops.versions_clean, names="v003"
    )
    bpy.ops.wm.save_mainfile()
    line = refused(ops.versions_clean, names="v001")
    assert "v001: may be shown by" in line and "client.blend" in line
    ops.versions_clean()
    assert seen() == ["v003: mouth 1.0 -> 0.8", "v001: first version", "v003"]
    shutil.copy(shoot.folder / "client.blend", shoot.folder / "copied by hand.blend")
    (shoot.folder / "client.blend").unlink()
    assert "copied by hand.blend" in refused(ops.versions_clean, names="v001")
    assert {path.name: path.read_bytes() for path in (home / "v001").glob("head_*.png")} == first

    # The copy goes on in its own versions: its frames, and this file's, stay.
    before = {path.name: path.read_bytes() for path in (home / "v003").glob("head_*.png")}
    scene = reopened(shoot.folder / "copied by hand.blend")
    chosen = scene.likeness
    portrait, take = chosen.portraits[0], chosen.takes[0]
    assert seen()[-1] == "v001"
    take.last, chosen.mouth = 2, 0.2
    ops.synthesize()
    assert seen()[-1] == "v004"
    assert {path.name: path.read_bytes() for path in (home / "v003").glob("head_*.png")} == before

    # Curves that were edited and not kept, and sliders of the take, are used as they are seen.
    take.neutral = (take.neutral_found + 2) % 4
    assert synthesis.changed_since(scene, portrait, take) == ["take's sliders"]
    ops.synthesize()
    assert seen()[0] == "v005: take updated"
    ops.take_curves()
    assert synthesis.changed_since(scene, portrait, take) == []
    empty = edits.controls_of(scene, take)
    key_alone(empty, "jaw_open", 1.0, 14)
    assert synthesis.changed_since(scene, portrait, take) == ["curves edited"]
    ops.synthesize()
    assert said(scene).startswith("1 frame made") and seen()[0] == "v006: curves edited"
    assert synthesis.changed_since(scene, portrait, take) == []
    kept = absolute(take.edited)
    bits = kept.read_bytes()
    key_alone(empty, "jaw_open", 0.5, 14)
    ops.take_curves_keep()
    assert absolute(take.edited) != kept and kept.read_bytes() == bits  # an undo finds it


def test_keep_edits_is_undone(shoot: Shoot) -> None:
    """By Ctrl-Z: the take is used as it was before, with the curves as they are; and redone."""
    scene = shoot.prepared()
    scene.frame_current = 15
    bpy.ops.ed.undo_push(message="begin")
    press(ops.take_preset, preset="BLINK")
    press(ops.take_curves_keep)
    first = absolute(scene.likeness.takes[0].edited)
    press(ops.take_preset, preset="NOD")
    press(ops.take_curves_keep)
    second = absolute(bpy.context.scene.likeness.takes[0].edited)
    assert first != second

    def now() -> list[Any]:
        take = take_of()
        kept = absolute(take.edited) if take.edited else None
        return [kept, edits.has_unkept(bpy.context.scene, take)]

    found = [now()]
    for _ in range(4):
        bpy.ops.ed.undo()
        found.append(now())
    assert found[:4] == [[second, False], [first, True], [first, False], [None, True]]
    assert found[4] == [None, False] and edits.controls_of(bpy.context.scene, take_of()) is None
    for wanted in found[-2::-1]:
        bpy.ops.ed.redo()
        assert now() == wanted
    assert first.is_file() and second.is_file()


def take_of() -> Any:
    return bpy.context.scene.likeness.takes[0]


def test_what_was_made_before_the_first_save_moves_beside_the_file(
    own_cache: Path, shoot: Shoot
) -> None:
    """The strips, takes and curves come along, and an undo finds them where they are now."""
    shoot.scene(until=15, save=False)
    unsaved = folders.unsaved_project()
    bpy.ops.ed.undo_push(message="begin")
    press(ops.portrait_from_strip, strip="lisa.jpg")
    press(ops.consent_record, who="Lisa", basis="HISTORIC", note="Painted by Leonardo, 1503")
    press(ops.capture_footage, source="STRIP", strip="actor")
    press(ops.take_curves)
    press(ops.synthesize)
    _write(unsaved / "another-file", head_png=b"mine")
    folder = absolute(head_of(bpy.context.scene).directory)
    assert folder.is_relative_to(unsaved)
    before = _names(folder)

    def assert_at(home: Path) -> None:
        scene = bpy.context.scene
        head, take = head_of(scene), scene.likeness.takes[0]
        assert absolute(head.directory).is_relative_to(home / "likeness")
        assert set(_names(absolute(head.directory))) == {*before, "used.json"}
        empty = edits.controls_of(scene, take)
        for path in (take.track, take.performance, empty["likeness_performance"]):
            assert absolute(path).is_file() and absolute(path).is_relative_to(home / "likeness")

    home = shoot.folder / "project"
    home.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "shot.blend"))
    assert_at(home)
    assert _names(unsaved) == ["another-file/head.png"]
    bpy.ops.ed.undo()
    bpy.ops.ed.redo()
    assert_at(home)
    assert bpy.context.scene.likeness.takes[0].track.startswith("//likeness/takes/")
    home = home.rename(shoot.folder / "moved")
    reopened(home / "shot.blend")
    assert_at(home)


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
