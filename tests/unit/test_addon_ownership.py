# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on reads folders' records: what the worker writes is understood, what is slow is not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

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
