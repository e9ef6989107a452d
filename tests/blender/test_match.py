# SPDX-License-Identifier: GPL-3.0-or-later
"""The head strip's colours match the portrait's or a plate's, as the step Composite says."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from tests.blender.shoot import Shoot, absolute, head_of, ops, refused, reopened, said

# The match is the worker's; what Blender has of it are settings, as in test_old_files.
pytestmark = [pytest.mark.only_blender("5.0"), pytest.mark.blender, pytest.mark.footage]


def test_a_strip_matches_what_was_chosen(shoot: Shoot, tmp_path: Path) -> None:
    """Unasked, off, and to a picture named beside the .blend; then saved and opened again."""
    portrait = tmp_path / "lisa.png"
    lisa = cv2.imread(str(shoot.picture), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(portrait), lisa)
    blue = np.round(lisa[..., None] * (1, 0.75, 0.55)).astype(np.uint8)
    cv2.imencode(".png", blue)[1].tofile(shoot.folder / "plate é.png")
    (shoot.folder / "notes.txt").write_text("no picture")
    scene = replace(shoot, picture=portrait).prepared()
    chosen = scene.likeness
    assert (chosen.match, chosen.match_strength) == ("portrait", 1)
    plain = _synthesized(scene)
    assert plain.asked == ["portrait", 1] and plain.match["share"] == 1
    assert said(scene).startswith("6 frames made")
    assert np.ptp(plain.head, axis=2).max() <= 1, "a monochrome portrait stays one"
    chosen.match = "off"
    off = _synthesized(scene)
    assert off.match is None and said(scene).startswith("6 frames made")
    assert np.ptp(off.head, axis=2).max() > 1, "and would not, even with closed lips"

    chosen.match = "picture"
    none = refused(ops.synthesize)
    assert "no picture is chosen" in none
    chosen.match_picture = "//gone.png"
    gone = refused(ops.synthesize)
    assert "gone.png: there is no such file" in gone
    scene.frame_current = 14
    assert refused(ops.test_frame) == gone
    chosen.match_picture = "//notes.txt"
    text = refused(ops.synthesize)
    assert "notes.txt: not a picture that can be read" in text
    for line in (none, gone, text):
        assert "Traceback" not in line

    chosen.match_picture = "//plate é.png"
    whole = _synthesized(scene)
    assert Path(whole.asked[0]) == shoot.folder / "plate é.png"
    assert whole.match["by"] == "same picture"
    ops.test_frame()
    test = Path(json.loads(scene.likeness_jobs[-1].request)["out"])
    assert _asked(test)[1] == whole.match, "a test frame shows the same"
    chosen.match_strength = 0.5
    half = _synthesized(scene)
    bluer = whole.head - plain.head
    assert bluer[..., 0].mean() > bluer[..., 2].mean() + 20
    assert np.abs(half.head - (plain.head + whole.head) / 2).mean() < 1

    bpy.ops.wm.save_mainfile()
    scene = reopened()
    chosen = scene.likeness
    assert (chosen.match, chosen.match_picture) == ("picture", "//plate é.png")
    assert chosen.match_strength == 0.5
    ops.synthesize()
    assert said(scene).startswith("0 frames made, 6 kept")


@dataclass(frozen=True)
class _Made:
    """What was asked and found; head: a frame's colours where it is opaque, (N, 1, 3) int BGR."""

    asked: list[Any]
    match: Any
    head: np.ndarray


def _synthesized(scene: Any) -> _Made:
    ops.synthesize()
    folder = absolute(head_of(scene).directory)
    frame = np.fromfile(folder / "head_000002.png", np.uint8)
    pixels = cv2.imdecode(frame, cv2.IMREAD_UNCHANGED).astype(int)
    return _Made(*_asked(folder), np.asarray(pixels[pixels[..., 3] == 255][:, None, :3]))


def _asked(folder: Path) -> tuple[list[Any], Any]:
    """Match and strength that the job was asked for, and the match that was found."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))["job"]
    placed = json.loads((folder / "head.json").read_text(encoding="utf-8"))
    return [job["match"], job["match_strength"]], placed.get("match")
