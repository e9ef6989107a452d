# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: a take's landmarks as markers, by the buttons of Edit by Hand.

    python markers_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender_addon.storage import recordings
from tests.blender.steps_inside import go_through, last_job, ops, prepared, refused, setup

MOVES = {"chin": (15, (0.0, -0.03)), "mouth corner left": (16, (0.02, 0.0))}


def by_hand(given: dict[str, Any]) -> dict[str, Any]:
    """Markers are added, two are moved in a frame each, and applied; then head frames again."""
    scene = prepared(given)
    take = scene.likeness.takes[0]
    take.smooth_pose = take.smooth_expression = 0  # which would carry a move to its neighbours
    take.neutral = 0
    ops.take_update()
    ops.synthesize()
    facts: dict[str, Any] = {}
    first, controls = _load(take), _controls(take)
    with clip_editor():
        facts["nothing there"] = refused(ops.take_markers_apply)
        facts["added"] = list(ops.take_markers())
        clip = bpy.data.movieclips[0]
        facts["tracks"] = len(clip.tracking.tracks)
        ops.take_markers_apply()
        facts["none moved"] = [take.track.endswith(".marked.track.npz"), _changed(first, take)]
        # A clip's first picture is its frame 1; the take begins with the clip's third.
        for name, (frame, step) in MOVES.items():
            marker = clip.tracking.tracks[f"Likeness {name}"].markers.find_frame(frame - 12 + 3)
            marker.co = (marker.co[0] + step[0], marker.co[1] + step[1])
        bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath, load_ui=False)
    scene = bpy.context.scene
    take = scene.likeness.takes[0]
    with clip_editor():
        facts["applied"] = list(ops.take_markers_apply())
    facts["marked"] = take.track.endswith(".marked.track.npz")
    facts["changed"] = _changed(first, take)
    facts["controls"] = np.abs(_controls(take) - controls).max(axis=1).tolist()
    ops.synthesize()
    facts["then"] = last_job(scene)["message"]
    return facts


def refusals(given: dict[str, Any]) -> dict[str, Any]:
    """No take, footage that is gone, another movie in its place, a take without footage."""
    scene = setup(given)
    lines = {"no take": refused(ops.take_markers), "none to apply": refused(ops.take_markers_apply)}
    lines["no clip"] = refused(ops.markers_remove)
    mine = Path(shutil.copy(given["clip"], given["folder"])).rename(
        Path(given["folder"]) / "mine.mp4"
    )
    ops.capture_footage(source="FILE", filepath=str(mine))
    take = scene.likeness.takes[0]
    mine.rename(mine.with_name("away.mp4"))
    lines["footage gone"] = refused(ops.take_markers)
    shutil.copy(given["other"], mine)
    lines["other footage"] = refused(ops.take_markers)
    bpy.data.movieclips.remove(bpy.data.movieclips[0])
    mine.write_bytes(b"no movie")
    lines["no movie"] = refused(ops.take_markers)
    mine.with_name("away.mp4").replace(mine)
    ops.take_markers()
    facts: dict[str, Any] = {"removed": list(ops.markers_remove())}
    lines["removed"] = refused(ops.take_markers_apply)
    track = Path(bpy.path.abspath(take.track))
    track.rename(track.with_suffix(".away"))
    lines["track gone"] = refused(ops.take_markers)
    lines["track gone too"] = refused(ops.take_update)
    track.with_suffix(".away").rename(track)
    take.source = ""
    lines["no footage"] = refused(ops.take_markers)
    return {**facts, "lines": lines, "clips": len(bpy.data.movieclips)}


@contextlib.contextmanager
def clip_editor() -> Iterator[None]:
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


def _load(take: Any) -> recordings.Track:
    return recordings.load_track(Path(bpy.path.abspath(take.track)))


def _controls(take: Any) -> Any:
    return recordings.load_performance(Path(bpy.path.abspath(take.performance))).controls


def _changed(before: recordings.Track, take: Any) -> dict[str, list[float]]:
    """Of each frame that is not the same bit for bit: how far chin and left corner went, pixels."""
    pairs = enumerate(zip(before.points, _load(take).points, strict=True))
    return {
        str(index): np.round((new - old)[[152, 291], :2], 2).ravel().tolist()
        for index, (old, new) in pairs if old.tobytes() != new.tobytes()
    }  # fmt: skip


if __name__ == "__main__":
    go_through(globals())
