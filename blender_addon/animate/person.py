# SPDX-License-Identifier: GPL-3.0-or-later
"""The personalized model of a portrait: fine-tuned, compared, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..portrait import portraits
from ..properties import LikenessPortrait, active_portrait, find_portrait, settings
from ..storage import folders, ownership
from ..worker import jobs, launch

PERSONALIZE = "personalize"
PERSON = "person.json"
BEFORE_AFTER = "before_after.png"


def person_of(portrait: LikenessPortrait) -> Path | None:
    """The folder of the portrait's personalized model, where there is one."""
    if not portrait.person:
        return None
    folder = folders.absolute(portrait.person)
    return folder if (folder / PERSON).is_file() else None


def before_after(portrait: LikenessPortrait) -> Path | None:
    """The picture that compares the personalized model with the general one."""
    person = person_of(portrait)
    path = person / BEFORE_AFTER if person else None
    return path if path and path.is_file() else None


def personalize(context: bpy.types.Context) -> str:
    """Fine-tune the network on the active portrait's pictures."""
    scene = versions.sequencer_scene(context)
    portrait = active_portrait(scene)
    if not launch.has_torch():
        raise InputError(
            "personalizing needs an environment with torch, which this one has not; "
            "`python3.11 build.py test` makes one, then choose it in the add-on's preferences"
        )
    pictures = portraits.checked_pictures(portrait, final=False)
    out = folders.writable(folders.project() / portrait.slug / "person")
    command = ["-m", "export", "personalize", "--portrait", *map(str, pictures), "--out", str(out)]
    command += ["--tier", settings(scene).tier]
    if portrait.pictures[0].face:
        command += ["--portrait-face", str(portrait.pictures[0].face)]
    jobs.start(
        context, PERSONALIZE, {"command": command}, {"portrait": portrait.uid, "out": str(out)}
    )
    return ""


def apply_personalize(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    result: dict[str, Any],
) -> str:
    """The portrait gets its model."""
    portrait = find_portrait(ticket.notes["portrait"])
    out = Path(ticket.notes["out"])
    if not (out / PERSON).is_file():
        raise InputError(f"{out}: no personalized model was written; personalize again")
    portrait.person, portrait.use_person = folders.stored(out), True
    # Of all that it printed, the line that begins with the folder is the outcome.
    own = f"{out}: "
    said = [line.removeprefix(own) for line in result["lines"] if line.startswith(own)]
    return said[-1].partition(";")[0] if said else "personalized"


def drop_person(scene: bpy.types.Scene) -> str:
    """Remove the active portrait's personalized model from the disk."""
    portrait = active_portrait(scene)
    person = person_of(portrait)
    if person is None:
        raise InputError("this portrait has no personalized model")
    ownership.remove(person, ownership.PERSON)
    portrait.person = ""
    kept = "; other files that lie there were kept" if person.exists() else ""
    return f"the personalized model was removed{kept}"
