# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: a person on several pictures, some with two faces, some that go away.

    python pictures_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy

from blender_addon.sequencer.placement import FILE_NAME
from tests.blender.steps_inside import go_through, head_of, last_job, ops, refused, setup


def several(given: dict[str, Any]) -> dict[str, Any]:
    """Two pictures, then one more of the same person, through to the head frames."""
    scene = setup(given)
    folder = Path(given["pictures"])
    _add(folder, ["pair.png", "second.png"])
    facts: dict[str, Any] = {"added": _pictures(scene)}
    facts["twice"] = [list(_add(folder, ["second.png"], extend=True)), len(_pictures(scene))]
    facts["32 more"] = refused(_add, folder=folder, names=given["many"][:32], extend=True)
    _add(folder, ["third.png"], extend=True)
    ops.capture_footage(source="FILE", filepath=given["short"])
    scene.frame_current = 1
    facts["which"] = refused(ops.test_frame)
    facts["boxes"] = []
    for number in (1, 2):
        ops.face_choose(number=number)
        ops.test_frame()
        facts["boxes"].append(_asked(json.loads(scene.likeness_jobs[-1].request)["out"])["box"])

    ops.face_choose(number=1)
    ops.consent_record(who="Barack Obama", basis="LICENSED")
    scene.likeness.range = "TAKE"
    ops.synthesize()
    home = bpy.path.abspath(head_of(scene).directory)
    facts["made"] = [last_job(scene)["message"], _asked(home, "job.json")["job"]["portrait"],
                     _asked(home)["box"]]  # fmt: skip

    # Looked for once more, and after a reload, the faces have their numbers, and the choice holds.
    first = next(job.name for job in scene.likeness_jobs if job.kind == "faces")
    ops.job_again(job=first)
    facts["again"] = _pictures(scene)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath, load_ui=False)
    scene = bpy.context.scene
    facts["reopened"] = _pictures(scene)
    ops.synthesize()
    facts["kept"] = last_job(scene)["message"]

    third = folder / "third.png"
    third.rename(folder / "away.png")
    facts["gone"] = [refused(ops.synthesize), refused(ops.test_frame)]
    facts["gone at consent"] = refused(ops.consent_record, who="B", basis="LICENSED")
    portrait = scene.likeness.portraits[0]
    portrait.picture_index = 2
    ops.picture_remove()
    (folder / "away.png").rename(third)
    facts["left"] = [[picture.name for picture in portrait.pictures], portrait.picture_index]
    facts["note"] = refused(ops.synthesize)
    ops.consent_record(who="Barack Obama", basis="LICENSED")
    ops.synthesize()
    facts["fewer"] = last_job(scene)["message"]
    portrait.picture_index = 0
    facts["first"] = refused(ops.picture_remove)
    portrait.picture_index = 1
    ops.picture_remove()
    facts["last"] = refused(ops.picture_remove)
    facts["end"] = [picture.name for picture in portrait.pictures]
    return facts


def refusals(given: dict[str, Any]) -> dict[str, Any]:
    """Pictures that no portrait can be made of, or that cannot be beside the others."""
    scene = setup(given)
    folder = Path(given["pictures"])
    lines = {"33": refused(_add, folder=folder, names=given["many"])}
    lines["none"] = refused(ops.portrait_from_files)
    lines["extends nothing"] = refused(_add, folder=folder, names=["second.png"], extend=True)
    lines["second has no face"] = refused(_add, folder=folder, names=["second.png", "blank.png"])
    facts: dict[str, Any] = {"portraits": [len(scene.likeness.portraits)]}
    _add(folder, ["second.png"])
    lines["more without a face"] = refused(
        _add, folder=folder, names=["third.png", "blank.png"], extend=True
    )
    facts["pictures"] = len(_pictures(scene))
    _add(folder, ["pair.png"], extend=True)
    ops.capture_footage(source="FILE", filepath=given["short"])
    scene.likeness.portraits[0].picture_index = 1
    ops.face_choose(number=2)
    scene.frame_current = 1
    lines["two in the second"] = refused(ops.test_frame)
    facts["removed"] = [list(ops.portrait_remove()), len(scene.likeness.portraits)]
    lines["no portrait to remove"] = refused(ops.portrait_remove)
    lines["no picture to remove"] = refused(ops.picture_remove)
    lines["no face to choose"] = refused(ops.face_choose, number=1)
    lines["no consent to record"] = refused(ops.consent_record, who="A", basis="OWN")
    return {**facts, "lines": lines}


def _add(folder: Path, names: list[str], extend: bool = False) -> set[str]:
    """As the file browser gives them: a folder, and names in it."""
    return set(
        ops.portrait_from_files(
            directory=str(folder), files=[{"name": name} for name in names], extend=extend
        )
    )


def _pictures(scene: Any) -> list[Any]:
    """Of each picture the name, the chosen face, and the faces as number, box, thumbnail there."""
    return [
        [
            picture.name, picture.face,
            [[face.number, list(face.box), Path(bpy.path.abspath(face.thumbnail)).is_file()]
             for face in picture.faces],
        ]
        for portrait in scene.likeness.portraits for picture in portrait.pictures
    ]  # fmt: skip


def _asked(folder: str, name: str = FILE_NAME) -> Any:
    return json.loads((Path(folder) / name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    go_through(globals())
