# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait of several pictures, from a clip of the person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..sequencer import head_strip
from ..storage import folders
from ..worker import jobs
from . import portraits

STILLS = "stills"


def add_from_clip(context: bpy.types.Context, name: str = "") -> str:
    """Choose pictures in the clip of the active (or named) movie strip, and make them a portrait.

    They are written beside the project's other files, to be looked at and to be kept.
    """
    scene = versions.sequencer_scene(context)
    strip = head_strip.named(scene, name, ("MOVIE",), "a movie strip")
    clip = folders.existing(strip.filepath, f"file of the strip '{strip.name}'")
    out = folders.writable(_unused(folders.project() / f"{folders.safe_name(clip.stem)}-pictures"))
    command = ["-m", "inference", "stills", str(clip), "--out", str(out)]
    jobs.start(context, STILLS, {"command": command}, {"out": str(out), "name": clip.stem})
    return ""


def apply_stills(
    context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    _result: dict[str, Any],
) -> str:
    """The pictures that were found become a portrait; its faces are looked for next."""
    pictures = sorted(Path(ticket.notes["out"]).glob("*.png"))
    if not pictures:
        raise InputError(f"{ticket.notes['out']}: no picture was written; try another clip")
    return portraits.add_from_files(context, pictures, name=ticket.notes["name"])


def _unused(folder: Path) -> Path:
    """The folder, with a number where something lies there already."""
    names = (folder, *(folder.with_name(f"{folder.name}-{i}") for i in range(2, 100)))
    return next((each for each in names if not each.exists()), folder)
