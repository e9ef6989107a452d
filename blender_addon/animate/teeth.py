# SPDX-License-Identifier: GPL-3.0-or-later
"""The box Mouth: how the teeth look, also where that is animated, and a plate to paint them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..portrait import portraits
from ..properties import LikenessPortrait, LikenessTake, active_portrait, settings
from ..sequencer.timing import Timing
from ..storage import folders, ownership
from ..storage.files import written_whole
from ..worker import jobs

TEMPLATE = "teeth_template"
NAMES = ("seen", "brightness", "warmth", "size", "gap", "picture")
_SUFFIX = ".png"


def teeth_of(
    scene: bpy.types.Scene,
    portrait: LikenessPortrait,
    take: LikenessTake,
    timed: Timing,
    frames: tuple[int, int],
) -> dict[str, Any]:
    """How the teeth look in frames of a take, both included, as the job says it.

    Where that is animated, a table of it is written beside the portrait's frames. InputError when
    somebody else's file is there, the artist's plate is gone, or a picture is to lend its teeth
    that is not used.
    """
    first = _sampled(scene, [_frame_of(timed, frames[0])])
    job = {"teeth": _numbered(portrait, first)[0], **_plate(scene)}
    moving = [name for name in NAMES if _is_animated(scene, name)]
    if moving and frames[0] < frames[1]:
        indices = range(frames[0], frames[1] + 1)
        looks = _sampled(scene, [_frame_of(timed, index) for index in indices])
        table = table_path(portrait, take)
        _write(table, moving, frames[0], _numbered(portrait, looks))
        job["teeth_frames"] = str(table)
    return job


def teeth_at(
    scene: bpy.types.Scene, portrait: LikenessPortrait, timed: Timing, index: int
) -> dict[str, Any]:
    """The same of a single frame, for a test. The playhead stays: what a driver makes of a value is
    taken as it is there.
    """
    frame = _frame_of(timed, index)
    look = _as_it_is(scene) if _needs_scene(scene) else _sampled(scene, [frame])[0]
    return {"teeth": _numbered(portrait, [look])[0], **_plate(scene)}


def table_path(portrait: LikenessPortrait, take: LikenessTake) -> Path:
    """Where the looks of a portrait's performance of a take are written."""
    return folders.writable(folders.project() / portrait.slug) / f"{take.slug}.teeth.csv"


def export_template(context: bpy.types.Context, path: Path) -> str:
    """Let the worker write a plate of the active portrait's teeth, to paint on."""
    portrait = active_portrait(versions.sequencer_scene(context))
    if path.suffix.lower() != _SUFFIX:
        path = path.with_name(path.name + _SUFFIX)
    if path.exists():
        raise InputError(f"{path}: is there already and is kept; choose another name")
    picture = portraits.checked_pictures(portrait, final=False)[0]
    job: dict[str, Any] = {"do": "teeth", "portrait": str(picture), "out": str(path)}
    if portrait.pictures[0].face:
        job["portrait_face"] = portrait.pictures[0].face
    jobs.start(context, TEMPLATE, job)
    return ""


def apply_template(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    _ticket: jobs.Ticket,
    result: dict[str, Any],
) -> str:
    """It lies where the artist wanted it."""
    return f"{Path(result['plate']).name} is there: paint on it, then choose it as Own Teeth"


def _plate(scene: bpy.types.Scene) -> dict[str, Any]:
    own = settings(scene).own_teeth
    return {"teeth_plate": str(folders.existing(own, "own plate of teeth"))} if own else {}


def _frame_of(timed: Timing, index: int) -> float:
    """The frame of the timeline, also between two, at which an index of the take lies."""
    return timed.start + index / timed.pace


def _path(name: str) -> str:
    return f"likeness.teeth_{name}"


def _curve(scene: bpy.types.Scene, name: str) -> bpy.types.FCurve | None:
    bag = versions.channelbag(scene)
    curve = bag.fcurves.find(_path(name)) if bag is not None else None
    return None if curve is None or curve.mute else curve


def _is_animated(scene: bpy.types.Scene, name: str) -> bool:
    return _curve(scene, name) is not None or _needs_scene(scene)


def _needs_scene(scene: bpy.types.Scene) -> bool:
    """Is there a driver, or an NLA track? What these make of a value only Blender knows."""
    data = scene.animation_data
    if data is None:
        return False
    driven = any(data.drivers.find(_path(name)) is not None for name in NAMES)
    return driven or (data.use_nla and len(data.nla_tracks) > 0)


def _numbered(portrait: LikenessPortrait, looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The looks, their pictures counted as the job does: without those that are switched off."""
    used = [0] + [
        number for number, picture in enumerate(portrait.pictures, 1) if picture.use or number == 1
    ]
    for number in sorted({look["picture"] for look in looks}):
        if number not in used:
            why = "is switched off" if number <= len(portrait.pictures) else "is not there"
            raise InputError(f"picture {number} is to lend its teeth, but {why}; choose another")
    return [{**look, "picture": used.index(look["picture"])} for look in looks]


def _sampled(scene: bpy.types.Scene, frames: list[float]) -> list[dict[str, Any]]:
    """The look at frames of the timeline; the playhead is afterwards where it was."""
    if not _needs_scene(scene):
        return [{name: _value(scene, name, frame) for name in NAMES} for frame in frames]
    before, part = scene.frame_current, scene.frame_subframe
    looks = []
    for frame in frames:
        whole = int(frame // 1)
        scene.frame_set(whole, subframe=frame - whole)
        looks.append(_as_it_is(scene))
    scene.frame_set(before, subframe=part)
    return looks


def _as_it_is(scene: bpy.types.Scene) -> dict[str, Any]:
    return {name: getattr(settings(scene), f"teeth_{name}") for name in NAMES}


def _value(scene: bpy.types.Scene, name: str, frame: float) -> float:
    chosen, curve = settings(scene), _curve(scene, name)
    if curve is None:
        return getattr(chosen, f"teeth_{name}")
    rule: Any = chosen.bl_rna.properties[f"teeth_{name}"]
    value = min(max(curve.evaluate(frame), rule.hard_min), rule.hard_max)
    return int(value) if rule.type == "INT" else round(value, 4)


def _write(path: Path, columns: list[str], first: int, looks: list[dict[str, Any]]) -> None:
    """The table of what changes; a row holds until the next one."""
    ownership.check_replaceable(path, _is_table, "a table of teeth")
    lines, before = [",".join(("frame", *columns))], None
    for index, look in enumerate(looks, first):
        row = ",".join(f"{look[name]:g}" for name in columns)
        if row != before:
            lines.append(f"{index},{row}")
        before = row
    with written_whole(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _is_table(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        names = file.readline(1000).strip().split(",")
    return names[0] == "frame" and len(names) > 1 and set(names[1:]) <= set(NAMES)
