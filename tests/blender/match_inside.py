# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: head strips whose colours match the portrait's, or a picture's.

    python match_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import bpy

from tests.blender.steps_inside import go_through, head_of, last_job, ops, prepared, refused


def matched(given: dict[str, Any]) -> dict[str, Any]:
    """Unasked, off, and to a picture named beside the .blend; then saved and opened again."""
    shutil.copytree(given["plates"], given["folder"], dirs_exist_ok=True)
    scene = prepared(given)
    chosen = scene.likeness
    facts: dict[str, Any] = {"unasked": [chosen.match, chosen.match_strength]}
    facts["portrait"] = _made(scene)
    chosen.match = "off"
    facts["off"] = _made(scene)

    chosen.match = "picture"
    facts["none"] = refused(ops.synthesize)
    chosen.match_picture = "//gone.png"
    facts["gone"] = refused(ops.synthesize)
    scene.frame_current = 14
    facts["gone for a test"] = refused(ops.test_frame)
    chosen.match_picture = "//notes.txt"
    facts["text"] = refused(ops.synthesize)

    chosen.match_picture = "//plate é.png"
    facts["picture"] = _made(scene)
    ops.test_frame()
    facts["test"] = _asked(Path(json.loads(scene.likeness_jobs[-1].request)["out"]))
    chosen.match_strength = 0.5
    facts["half"] = _made(scene)

    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath, load_ui=False)
    chosen = bpy.context.scene.likeness
    facts["reopened"] = [chosen.match, chosen.match_picture, chosen.match_strength]
    facts["again"] = _made(bpy.context.scene)
    return facts


def _made(scene: Any) -> dict[str, Any]:
    """Synthesize; what the job said, was asked and found, and the first frame's path."""
    ops.synthesize()
    folder = Path(bpy.path.abspath(head_of(scene).directory))
    copy = folder.with_name(f"{scene.likeness.match} {scene.likeness.match_strength:g}.png")
    copy.write_bytes((folder / "head_000002.png").read_bytes())
    return {**_asked(folder), "message": last_job(scene)["message"], "frame": str(copy)}


def _asked(folder: Path) -> dict[str, Any]:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))["job"]
    placed = json.loads((folder / "head.json").read_text(encoding="utf-8"))
    return {"asked": [job["match"], job["match_strength"]], "match": placed.get("match")}


if __name__ == "__main__":
    go_through(globals())
