# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks as tracking markers on a real clip: moved by hand they take the track along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blender_addon.performance.markers import POINTS, _shares
from blender_addon.storage.canonical import read_face
from inference.capture.video import open_footage
from inference.track import load_track, save_track
from tests.blender.scenes import BLENDERS, Scenario, real_track, scenario_in

FRAMES, GAP, OFFSET = 12, (5, 6), 3


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Scenario:
    return scenario_in(request.param, tmp_path)


@pytest.mark.blender
@pytest.mark.footage
def test_moved_markers_move_their_frames_alone(
    scenario: Scenario, footage: Path, samples: Path, tmp_path: Path
) -> None:
    clip = footage / "sample" / "s_grid_female_ccby4.mp4"
    track = replace(real_track(samples, FRAMES, GAP), size=open_footage(clip).size)
    path, same, out = (tmp_path / f"{name}.track.npz" for name in ("take", "same", "new"))
    save_track(track, path)
    facts = scenario(
        "markers_there_and_back", track=path, clip=clip, offset=OFFSET, untouched=same, out=out,
        blend=tmp_path / "shot.blend",
        moves=[["mouth corner left", 2 + OFFSET + 1, [0.01, 0.02]],
               ["chin", 8 + OFFSET + 1, [0, -0.01]]],
    )  # fmt: skip
    assert load_track(same).points.tobytes() == track.points.tobytes()
    # A gap begins with a muted marker, and so does what comes after the end.
    assert facts["muted"] == [5 + OFFSET + 1, FRAMES + OFFSET + 1]
    moved = load_track(out)
    pairs = zip(track.points, moved.points, strict=True)
    assert [f for f, (a, b) in enumerate(pairs) if a.tobytes() != b.tobytes()] == [2, 8]
    step = moved.points[2] - track.points[2]
    width, height = track.size
    assert step[291] == pytest.approx([0.01 * width, -0.02 * height, 0], abs=0.01)
    assert step[61] == pytest.approx([0, 0, 0], abs=1e-4)
    assert (moved.points[8, 152, 1] - track.points[8, 152, 1]) == pytest.approx(
        0.01 * height, abs=0.01
    )
    assert facts["removed"] == len(POINTS)
    assert facts["left"] == ["the artist's own"]
    assert "no Likeness markers" in facts["line"]
    seen = [frame for frame in range(FRAMES) if frame not in GAP]
    wanted = {frame + OFFSET + 1: False for frame in seen}
    wanted |= {GAP[0] + OFFSET + 1: True, FRAMES + OFFSET + 1: True}
    assert facts["again"] == [[frame, mute] for frame, mute in sorted(wanted.items())]


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
