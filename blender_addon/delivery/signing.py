# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing what is delivered and looking for marks, both done by the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..composite import synthesis
from ..errors import InputError
from ..properties import active_portrait, active_take
from ..storage import folders
from ..worker import jobs

SIGN, VERIFY = "sign", "verify"


def sign(context: bpy.types.Context, name: str) -> str:
    """Sign a movie or a folder; without a name the head frames of the active take."""
    scene = versions.sequencer_scene(context)
    head = synthesis.head_folder(scene, active_portrait(scene), active_take(scene))
    if head is None or not head.is_dir():
        raise InputError("there are no head frames yet; synthesize first")
    path = folders.absolute(name) if name else head
    job: dict[str, Any] = {"do": SIGN, "path": str(path), "head": str(head)}
    jobs.start(context, SIGN, job, {})
    return ""


def verify(context: bpy.types.Context, name: str) -> str:
    """Look which marks a file or a folder carries."""
    if not name:
        raise InputError("no file was chosen; choose one, or a folder of frames")
    jobs.start(context, VERIFY, {"do": VERIFY, "path": str(folders.absolute(name))}, {})
    return ""


def apply_sign(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    _ticket: jobs.Ticket,
    result: dict[str, Any],
) -> str:
    return f"{Path(result['signed']).name}: signed"


def apply_verify(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    result: dict[str, Any],
) -> str:
    """What was found, a layer after the other, in one line."""
    name = Path(ticket.request["path"]).name
    states = {layer["state"] for layer in result["layers"]}
    if states == {"absent"}:
        return f"{name}: no mark found"
    said = [f"{layer['layer']} {layer['state']}: {layer['words']}" for layer in result["layers"]]
    return f"{name}: {'; '.join(said)}"
