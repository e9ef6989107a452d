# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: buttons that write or remove, where strangers' files lie.

    python ownership_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender_addon import preferences, versions
from blender_addon.composite import synthesis as composite
from blender_addon.sequencer import head_strip
from blender_addon.storage import folders, recordings
from tests.blender.steps_inside import go_through, ops, prepared, refused, setup

KINDS = {"person": "a personalized generator", "test": "head frames"}


def names(folder: Path) -> list[str]:
    """All files and links below a folder, by their paths in it."""
    if not folder.is_dir():
        return []
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )  # fmt: skip


def write(folder: Path, **files: bytes) -> Path:
    """Files by name, `_` for the dot before the ending."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / ".".join(name.rsplit("_", 1))).write_bytes(data)
    return folder


def record(folder: Path, holds: str, *files: str) -> Path:
    content = {"likeness_folder": 1, "holds": holds, "files": list(files)}
    (folder / "likeness.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def older_person(folder: Path, model: bytes) -> Path:
    """As it was written before there were records; its generator is b"onnx"."""
    digest = hashlib.sha256(b"onnx").hexdigest()
    content = {"likeness_person": 1, "generator_sha256": digest}
    write(folder, generator_onnx=model, card_md=b"mine", person_json=json.dumps(content).encode())
    return folder


def persons(given: dict[str, Any]) -> dict[str, Any]:
    """Removing the personalized model takes its own files, and only from a folder of its own."""
    scene = setup(given)
    ops.portrait_from_strip(strip="lisa.jpg")
    home = Path(given["folder"])
    own = (r"person\.json", r"generator\.onnx", r"card\.md")
    made = {"generator_onnx": b"onnx", "person_json": b"{}", "card_md": b"", "notes_txt": b"mine"}
    made_for = {
        "recorded": record(write(home / "recorded", **made), KINDS["person"], *own),
        "older": older_person(home / "older", b"onnx"),
        "another model": older_person(home / "another", b"other"),
        "no person's": write(home / "stranger", person_json=b'{"name": "Anna"}', plan_txt=b""),
        "another kind": record(write(home / "kind", **made), KINDS["test"], *own),
        "damaged": record(write(home / "damaged", **made), KINDS["person"], "("),
    }
    target = record(write(home / "target", **made), KINDS["person"], *own)
    (home / "link").symlink_to(target)
    made_for["a link"] = home / "link"
    (home / "recorded" / "person.json.0123456789ab.part").write_bytes(b"killed")
    victim = write(home / "victim", card_md=b"precious") / "card.md"
    (home / "recorded" / "card.md").unlink()
    (home / "recorded" / "card.md").symlink_to(victim)
    facts: dict[str, Any] = {}
    for words, folder in made_for.items():
        scene.likeness.portraits[0].person = str(folder)
        line = refused(ops.person_remove)
        facts[words] = [line, names(folder)]
    facts["target"], facts["victim"] = names(target), victim.read_bytes().decode()
    return facts


def cache(given: dict[str, Any]) -> dict[str, Any]:
    """Cleaning the cache takes what the worker made there."""
    setup(given)
    ops.portrait_from_strip(strip="lisa.jpg")
    root = Path(os.environ["LIKENESS_CACHE"]) / "likeness_cache"
    facts: dict[str, Any] = {"made": len(names(root)) > 1, "mode": oct(root.stat().st_mode & 0o777)}
    precious = Path(given["folder"]) / "precious"
    record(write(precious / "deep", head_000001_png=b"mine"), KINDS["test"], ".*")
    write(root, mine_txt=b"mine")
    write(root / "test" / "mine", head_000001_png=b"mine")
    (root / "test").mkdir(exist_ok=True)
    (root / "test" / "link").symlink_to(precious / "deep")
    ours = record(write(root / "test" / "ours", head_000001_png=b"", own_txt=b""), KINDS["test"],
                  r"head_\d{6}\.png")  # fmt: skip
    (ours / "head_000002.png").symlink_to(precious / "deep" / "head_000001.png")
    ops.cache_clean()
    facts["left"], facts["precious"] = names(root), names(precious)

    root.rename(root.with_name("elsewhere"))
    root.symlink_to(precious)
    record(write(precious / "test" / "deep", head_000001_png=b""), KINDS["test"], ".*")
    ops.cache_clean()
    facts["behind a link"] = names(precious)
    facts["line"] = _line(preferences.cache_folder)
    return facts


def _line(call: Callable[..., object], *arguments: Any) -> str:
    try:
        call(*arguments)
    except ValueError as error:
        return str(error)
    return ""


def private(given: dict[str, Any]) -> dict[str, Any]:
    """Without an extension's own place and without a choice, the cache is the person's alone."""
    del os.environ["LIKENESS_CACHE"]
    home = Path(given["folder"])
    os.environ["XDG_CACHE_HOME"] = str(home)
    where = preferences.cache_folder("test")
    facts: dict[str, Any] = {
        "where": str(where.relative_to(home)), "unsaved": str(folders.project().relative_to(home)),
        "modes": [oct(path.stat().st_mode & 0o777) for path in (home / "likeness", where.parent)],
    }  # fmt: skip
    (home / "likeness").chmod(0o777)
    preferences.cache_folder()
    facts["closed again"] = oct((home / "likeness").stat().st_mode & 0o777)
    (home / "likeness").rename(home / "elsewhere")
    (home / "likeness").symlink_to(home / "elsewhere")
    facts["line"] = _line(preferences.cache_folder)
    return facts


def written(given: dict[str, Any]) -> dict[str, Any]:
    """Recordings and movies replace nothing but recordings."""
    home = Path(given["folder"])
    points = np.zeros((2, recordings.POINT_COUNT, 3), np.float32)
    track = recordings.Track(points, np.ones(2, bool), Fraction(25), (64, 64))
    victim = home / "victim.track.npz"
    victim.write_bytes(b"mine")
    link = home / "link.track.npz"
    link.symlink_to(victim)
    own = home / "own.track.npz"
    saved = [_line(recordings.save_track, track, path) for path in (own, own, victim, link)]
    facts: dict[str, Any] = {"lines": saved}
    with recordings.written_whole(own) as one, recordings.written_whole(own) as other:
        facts["apart"] = one != other
        for part in (one, other):
            part.write_bytes(b"")
    movie = home / "movie.mp4"
    movie.write_bytes(b"mine")
    data = bpy.data.cameras.new("camera")
    bpy.context.scene.camera = bpy.data.objects.new("camera", data)
    facts["movie"] = refused(ops.viewport_render, filepath=str(movie), first=1, last=2)
    facts["kept"] = [victim.read_bytes().decode(), movie.read_bytes().decode()]
    facts["names"] = names(home)
    return facts


def frames(given: dict[str, Any]) -> dict[str, Any]:
    """Strangers' files in the head frames' folder, one of them where the add-on writes."""
    scene = prepared(given, until=32)
    chosen = scene.likeness
    folder = composite.head_folder(chosen.portraits[0], chosen.takes[0])
    write(folder, matte_v01_exr=b"mine", notes_txt=b"mine")
    chosen.range = "STRIP"
    chosen.portraits[0].name = "lisa"
    versions.set_span(versions.strips(scene.sequence_editor)["lisa.jpg"], 12, 16)
    facts: dict[str, Any] = {"done": list(ops.synthesize())}  # a part of the take: one is pending
    pending = folder / head_strip.PENDING
    facts["pending"] = pending.is_file()
    pending.write_bytes(b"mine")
    chosen.mouth = 0.5
    facts["line"] = refused(ops.synthesize)
    facts["kept"] = pending.read_bytes().decode()
    victim = folder.parent / "victim.png"
    victim.write_bytes(b"precious")
    pending.unlink()
    pending.symlink_to(victim)
    chosen.mouth = 0.6
    facts["linked"] = refused(ops.synthesize)
    facts["victim"] = victim.read_bytes().decode()
    pending.unlink()
    chosen.mouth = 0.7
    facts["again"] = list(ops.synthesize())
    facts["strangers"] = [name for name in names(folder) if name in ("matte_v01.exr", "notes.txt")]
    return facts


if __name__ == "__main__":
    go_through(globals())
