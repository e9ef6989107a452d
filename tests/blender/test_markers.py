# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks as tracking markers on a real clip: moved by hand they take the track along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon.errors import InputError
from blender_addon.performance import clips, markers
from blender_addon.performance.markers import POINTS, _shares
from blender_addon.storage import recordings
from blender_addon.storage.canonical import read_face
from inference.track import load_track, save_track
from tests.blender.performances import real_track
from tests.blender.shoot import reopened
from tests.movies import read_clip

FRAMES, GAP, OFFSET = 12, (5, 6), 3


@pytest.mark.blender
@pytest.mark.footage
def test_moved_markers_move_their_frames_alone(
    scene: Any, footage: Path, samples: Path, tmp_path: Path
) -> None:
    clip = footage / "sample" / "s_grid_female_ccby4.mp4"
    height, width = read_clip(clip, 0, 1)[0].shape[:2]
    track = replace(real_track(samples, FRAMES, GAP), size=(width, height))
    path, same, out = (tmp_path / f"{name}.track.npz" for name in ("take", "same", "new"))
    save_track(track, path)
    ours = recordings.load_track(path)
    markers.add_markers(clips.load_clip(clip), ours, OFFSET)
    bpy.data.movieclips[0].tracking.tracks.new(name="the artist's own", frame=1)
    recordings.save_track(markers.moved(bpy.data.movieclips[0], ours, OFFSET)[0], same)
    assert load_track(same).points.tobytes() == track.points.tobytes()

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    reopened()
    tracks = bpy.data.movieclips[0].tracking.tracks
    # A gap begins with a muted marker, and so does what comes after the end.
    muted = [marker.frame for marker in tracks["Likeness chin"].markers if marker.mute]
    assert muted == [5 + OFFSET + 1, FRAMES + OFFSET + 1]
    for name, frame, x, y in (("mouth corner left", 2, 0.01, 0.02), ("chin", 8, 0, -0.01)):
        marker = tracks[f"Likeness {name}"].markers.find_frame(frame + OFFSET + 1)
        marker.co = (marker.co[0] + x, marker.co[1] + y)
    edited, changed = markers.moved(bpy.data.movieclips[0], ours, OFFSET)
    assert changed == [2, 8]
    recordings.save_track(edited, out)
    moved = load_track(out)
    pairs = zip(track.points, moved.points, strict=True)
    assert [f for f, (a, b) in enumerate(pairs) if a.tobytes() != b.tobytes()] == [2, 8]
    step = moved.points[2] - track.points[2]
    assert step[291] == pytest.approx([0.01 * width, -0.02 * height, 0], abs=0.01)
    assert step[61] == pytest.approx([0, 0, 0], abs=1e-4)
    assert (moved.points[8, 152, 1] - track.points[8, 152, 1]) == pytest.approx(
        0.01 * height, abs=0.01
    )

    assert markers.remove_markers(bpy.data.movieclips[0]) == len(POINTS)
    assert [each.name for each in tracks if not each.hide] == ["the artist's own"]
    with pytest.raises(InputError, match="no Likeness markers"):
        markers.moved(bpy.data.movieclips[0], ours)
    # Once more, after they were removed: as they were the first time.
    markers.add_markers(bpy.data.movieclips[0], ours, OFFSET)
    again = {marker.frame: marker.mute for marker in tracks["Likeness chin"].markers}
    seen = [frame for frame in range(FRAMES) if frame not in GAP]
    wanted = {frame + OFFSET + 1: False for frame in seen}
    assert again == wanted | {GAP[0] + OFFSET + 1: True, FRAMES + OFFSET + 1: True}


def test_a_marker_moves_what_is_near_on_the_skin() -> None:
    shares, order = _shares(read_face()), list(POINTS)
    assert shares.sum(axis=1) == pytest.approx(np.ones(478))  # all moved alike: the face as a whole
    assert shares[order] == pytest.approx(np.eye(len(order)))  # its own point exactly
    # Beside the lower lip's middle, and across the slit of the mouth.
    lower = order.index(14)
    assert shares[87, lower] > 0.5
    assert shares[82, lower] < 0.1
    # The iris goes as one, and nothing else with it.
    iris = order.index(468)
    assert shares[[468, 469, 470, 471, 472], iris] == pytest.approx(np.ones(5))
    assert shares[:468, iris] == pytest.approx(np.zeros(468))
    # A brow does not move the jaw.
    assert shares[152:153, order.index(105)].max() < 0.01
