# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's landmarks as markers, by the panel's buttons, from a Movie Clip Editor."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon.performance.markers import POINTS
from blender_addon.storage import recordings
from tests.blender.shoot import Shoot, absolute, ops, refused, reopened, said, says_no
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

MOVES = {"chin": (15, (0.0, -0.03)), "mouth corner left": (16, (0.02, 0.0))}


def test_markers_that_are_moved_change_their_frames(shoot: Shoot) -> None:
    """Two are moved in a frame each, and applied; then head frames are made again."""
    scene = shoot.prepared()
    take = scene.likeness.takes[0]
    take.smooth_pose = take.smooth_expression = 0  # which would carry a move to its neighbours
    take.neutral = 0
    ops.take_update()
    ops.synthesize()
    first, controls = _track(take), _controls(take)
    with _clip_editor():
        assert "no markers yet" in refused(ops.take_markers_apply)
        assert ops.take_markers() == {"FINISHED"}
        tracks = bpy.data.movieclips[0].tracking.tracks
        assert len(tracks) == len(POINTS)
        ops.take_markers_apply()
        assert not take.track.endswith(".marked.track.npz") and _changed(first, take) == {}
        # A clip's first picture is its frame 1; the take begins with the clip's third.
        for name, (frame, step) in MOVES.items():
            marker = tracks[f"Likeness {name}"].markers.find_frame(frame - 12 + 3)
            marker.co = (marker.co[0] + step[0], marker.co[1] + step[1])
        bpy.ops.wm.save_mainfile()
    scene = reopened()
    take = scene.likeness.takes[0]
    with _clip_editor():
        assert ops.take_markers_apply() == {"FINISHED"}
    assert take.track.endswith(".marked.track.npz")
    # A clip of 256 pixels: the chin is 0.03 lower in frame 3, the corner 0.02 to the right in 4.
    assert _changed(first, take) == {
        3: pytest.approx([0, 7.68, 0, 0], abs=0.02),
        4: pytest.approx([0, 0, 5.12, 0], abs=0.02),
    }
    moved = np.abs(_controls(take) - controls).max(axis=1)
    assert (moved > 0.05).tolist() == [False, False, False, True, True, False]
    assert moved[[0, 1, 2, 5]].max() < 1e-4
    ops.synthesize()
    assert " frames made" in said(scene) and not said(scene).startswith("0")


def test_what_has_no_markers_says_so(shoot: Shoot, tmp_path: Path) -> None:
    """No take, footage that is gone, another movie in its place, a take without footage."""
    frames = read_clip(shoot.clip, 0, 3)
    short = write_movie(tmp_path / "short.mp4", frames, rate=25)
    smaller = [frame[:128, :128] for frame in frames]
    other = write_movie(tmp_path / "other.mp4", smaller, rate=25)
    scene = shoot.scene(clip=short)
    says_no("no performance yet", ops.take_markers)
    says_no("no performance yet", ops.take_markers_apply)
    says_no("There is no movie clip", ops.markers_remove)

    mine = Path(shutil.copy(short, shoot.folder / "mine.mp4"))
    ops.capture_footage(source="FILE", filepath=str(mine))
    take = scene.likeness.takes[0]
    away = mine.rename(mine.with_name("away.mp4"))
    says_no("mine.mp4: the footage of 'mine' is not there any more", ops.take_markers)
    shutil.copy(other, mine)
    says_no("the track was captured from 256 x 256", ops.take_markers)
    bpy.data.movieclips.remove(bpy.data.movieclips[0])
    mine.write_bytes(b"no movie")
    says_no("mine.mp4: Blender cannot read this movie", ops.take_markers)
    away.replace(mine)
    ops.take_markers()
    assert ops.markers_remove() == {"FINISHED"}
    says_no("no Likeness markers", ops.take_markers_apply)

    track = absolute(take.track)
    track.rename(track.with_suffix(".away"))
    says_no("the track of 'mine' is not there any more", ops.take_markers)
    says_no("the track of 'mine' is not there any more", ops.take_update)
    track.with_suffix(".away").rename(track)
    take.source = ""
    says_no("'mine' was not captured from footage", ops.take_markers)
    assert len(bpy.data.movieclips) == 1


@contextlib.contextmanager
def _clip_editor() -> Iterator[None]:
    """The context of a Movie Clip Editor, as where the markers are moved."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    before, area.type = area.type, "CLIP_EDITOR"
    region = next(region for region in area.regions if region.type == "WINDOW")
    try:
        with bpy.context.temp_override(window=window, area=area, region=region):
            yield
    finally:
        area.type = before


def _track(take: Any) -> recordings.Track:
    return recordings.load_track(absolute(take.track))


def _controls(take: Any) -> np.ndarray:
    return np.asarray(recordings.load_performance(absolute(take.performance)).controls)


def _changed(before: recordings.Track, take: Any) -> dict[int, list[float]]:
    """Of each frame that is not the same bit for bit: how far chin and left corner went, pixels."""
    pairs = enumerate(zip(before.points, _track(take).points, strict=True))
    return {
        index: np.round((new - old)[[152, 291], :2], 2).ravel().tolist()
        for index, (old, new) in pairs
        if old.tobytes() != new.tobytes()
    }
