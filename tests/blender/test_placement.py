# SPDX-License-Identifier: GPL-3.0-or-later
"""head.json and the frames beside it: what is missing or wrong is said in one line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from blender_addon.sequencer.placement import (
    PlacementError,
    centre_offset,
    frame_files,
    read_placement,
)
from tests.blender import material
from tests.blender.compose_cli import compose

SIZE, BOX = (321, 240), (-10, 20, 101, 80)


def test_reads_what_the_worker_wrote(tmp_path: Path) -> None:
    made = material.write_material(tmp_path / "head", SIZE, BOX, first=7)
    placement = read_placement(made.folder)
    assert placement.portrait.is_file()
    assert placement.portrait_size == SIZE
    assert placement.box == BOX
    assert placement.rate == Fraction(30000, 1001)
    assert (placement.first, placement.count, placement.layer) == (7, 3, "head")
    # Centres: the box's at (40.5, 60), the portrait's at (160.5, 120); y up.
    assert centre_offset(placement) == (-120, 60)


def test_a_relative_portrait_counts_from_the_folder(tmp_path: Path) -> None:
    made = material.write_material(tmp_path / "head", SIZE, BOX)
    _change(made.folder, portrait="portrait é.png")
    assert read_placement(made.folder).portrait == made.folder / "portrait é.png"


def test_a_missing_frame_shifts_nothing(tmp_path: Path) -> None:
    made = material.write_material(tmp_path / "head", SIZE, BOX, count=6, first=4)
    for index in (4, 6, 7):
        (made.folder / f"head_{index:06d}.png").unlink()
    files = frame_files(read_placement(made.folder))
    assert files.missing == (4, 6, 7)
    assert files.names == tuple(f"head_{index:06d}.png" for index in (5, 5, 5, 5, 8, 9))


def test_no_frame_at_all(tmp_path: Path) -> None:
    made = material.write_material(tmp_path / "head", SIZE, BOX)
    for path in made.folder.glob("head_*.png"):
        path.unlink()
    with pytest.raises(PlacementError, match="none of the 3 head frames is here"):
        frame_files(read_placement(made.folder))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another version": ({"likeness": 2}, "not a head.json of version 1"),
    "size of nothing": ({"portrait_size": [0, 5]}, "portrait_size is"),
    "three sizes": ({"portrait_size": [1, 2, 3]}, "portrait_size is"),
    "half a pixel": ({"box": [0, 0, 10.5, 10]}, "box is"),
    "an empty box": ({"box": [0, 0, 10, 0]}, "box is"),
    "a rate of 0": ({"rate": [0, 1]}, "rate is"),
    "a rate over 0": ({"rate": [25, 0]}, "rate is"),
    "a yes for a number": ({"count": True}, "count is"),
    "no frames": ({"count": 0}, "count is"),
    "before the first": ({"first": -1}, "first is"),
    "a name without number": ({"pattern": "head.png"}, "pattern is"),
    "a name in a folder": ({"pattern": "../head_%06d.png"}, "pattern is"),
    "another number": ({"pattern": "head_%s.png"}, "pattern is"),
    "a layer unknown": ({"layer": "hat"}, "layer is"),
    "an alpha unknown": ({"alpha": "yes"}, "alpha is"),
    "a part of the whole": ({"layer": "full"}, "layer full needs"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_one_line(tmp_path: Path, case: str) -> None:
    made = material.write_material(tmp_path / "head", SIZE, BOX)
    changed, message = WRONG[case]
    _change(made.folder, **changed)
    with pytest.raises(PlacementError, match=message) as caught:
        read_placement(made.folder)
    assert "\n" not in str(caught.value)
    assert str(made.folder / "head.json") in str(caught.value)


@pytest.mark.parametrize("key", ["portrait", "box", "rate", "pattern", "alpha"])
def test_a_missing_value_is_one_line(tmp_path: Path, key: str) -> None:
    made = material.write_material(tmp_path / "head", SIZE, BOX)
    path = made.folder / "head.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    del raw[key]
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(PlacementError, match=f"{key} is missing"):
        read_placement(made.folder)


@pytest.mark.parametrize("content", [b"", b"[1]", b"null", b"\xff\xfe\x00", b'{"likeness": 1'])
def test_no_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "head.json").write_bytes(content)
    done = compose("--head", tmp_path, "--blend", tmp_path / "x.blend")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert str(tmp_path / "head.json") in done.stderr
    assert not (tmp_path / "x.blend").exists()


def _change(folder: Path, **values: Any) -> None:
    path = folder / "head.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**raw, **values}), encoding="utf-8")
