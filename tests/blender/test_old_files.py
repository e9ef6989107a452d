# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that an earlier add-on saved opens with all that it holds; see `old_scene`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy
import pytest

from blender_addon import versions
from blender_addon.controls import curves
from blender_addon.overlay import layers
from blender_addon.performance import markers
from blender_addon.puppet import puppet
from blender_addon.sequencer import head_strip
from tests.blender import old_scene
from tests.blender.shoot import reopened

pytestmark = pytest.mark.blender


@pytest.fixture
def opened(scene: Any, tmp_path: Path) -> Any:
    """The old file's scene."""
    saved = Path(old_scene.__file__).with_suffix(".blend")
    return reopened(Path(shutil.copy(saved, tmp_path / "old.blend")))


def test_every_setting_reads_back(opened: Any) -> None:
    """Also after this add-on and this Blender have saved it."""
    for found in (opened, _saved_again):
        scene = found() if callable(found) else found
        assert old_scene.read(scene.likeness, old_scene.SETTINGS) == old_scene.SETTINGS
        assert old_scene.read(scene.likeness_overlay, old_scene.OVERLAY) == old_scene.OVERLAY
        (job,) = scene.likeness_jobs
        assert old_scene.read(job, old_scene.JOB) == old_scene.JOB
        assert scene.likeness.clip == bpy.data.movieclips["actor.mp4"]
        # What that add-on did not know yet is as in a new scene.
        assert (scene.likeness.layer, scene.likeness.matte_kind) == ("head", "face")
        assert scene.likeness.teeth_seen == 1


def test_what_lies_in_the_scene_is_known_again(opened: Any) -> None:
    """Strips by their tags, the puppet, the control curves and the markers."""
    assert head_strip.find(opened, "portrait:a1b2c3d4").name == "portrait"
    head = head_strip.find(opened, str(old_scene.HEAD["likeness"]))
    for name, value in old_scene.HEAD.items():
        assert (list(head[name]) if isinstance(value, list) else head[name]) == value
    (face,) = puppet.puppets(opened)
    assert face.get(puppet.MARK) and face.parent.name == "Likeness puppet head"
    assert "jaw_open" in face.data.shape_keys.key_blocks
    empty = curves.find_controls(opened)
    assert empty.name == "actor face"
    assert curves.source_of(empty).name == "old_scene.performance.npz"
    assert curves.span_of(empty) == (old_scene.START, old_scene.PACE)
    assert versions.channelbag(empty).fcurves.find('["jaw_open"]') is not None
    assert markers.has_markers(bpy.data.movieclips["actor.mp4"])
    assert [layer.name for layer in layers.layers_of(opened, "CLIP")] == ["take b2c3d4e5"]


def _saved_again() -> Any:
    bpy.ops.wm.save_mainfile()
    return reopened()
