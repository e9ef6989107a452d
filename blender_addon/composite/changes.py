# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two requests for head frames, in the panel's words. No bpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..storage.files import hash_of

# Where frames lie, which, and how they are made; and what is looked at by itself.
_UNSAID = {
    "do", "id", "out", "base", "note", "frames", "provider", "track", "performance", "portrait",
    "box", "teeth_frames", "consent", "preview",
}  # fmt: skip
# Fields of a job in the panel's words, and what one that is not asked for is.
_FIELDS: dict[str, tuple[str, Any]] = {
    "gains": ("", {}), "teeth": ("teeth", {}), "transfer": ("performs", "relative"),
    "neutralize": ("portrait relaxed", False), "tier": ("quality", "draft"),
    "person": ("personalized model", None), "portrait_face": ("another face", None),
    "layer": ("layer", "head"), "feather": ("feather", 0.0), "format": ("format", "png"),
    "match": ("match", "portrait"), "match_strength": ("match strength", 1.0),
    "teeth_plate": ("own teeth", None), "alpha": ("own matte", None), "plate": ("own plate", None),
    "matte": ("mattes", "off"), "mark": ("invisible mark", 0.0),
}  # fmt: skip
_SAID = {"relative": "like itself", "absolute": "like the actor"}
_NAMED_ALONE = {"person", "portrait_face", "teeth_plate", "alpha", "plate"}


def changes(request: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """What a request asks for that is not as a version's job.json says it was made.

    A job.json that says nothing differs in nothing. InputError where the motion cannot be read.
    """
    job = known.get("job")
    if not isinstance(job, dict):
        return []
    new, old = _with_box(request), _with_box(job)
    found: list[str] = []
    for key in dict.fromkeys((*_FIELDS, *new)):
        if key in _UNSAID or (key == "tier" and new.get("person")):
            continue
        if key == "teeth" and old.get("teeth_frames"):
            continue  # they are animated: one frame's look says nothing
        words, default = _FIELDS.get(key, (key, None))
        found += _differing(key, words, new.get(key, default), old.get(key, default))
    pictures, before = ([Path(path).name for path in job.get("portrait", ())] for job in (new, old))
    if len(pictures) != len(before):
        found.append(f"{len(before)} -> {len(pictures)} pictures")
    elif pictures != before:
        found.append("other pictures")
    if new.get("teeth_frames") and not old.get("teeth_frames"):
        found.append("teeth animated")
    motion = new.get("performance") or new.get("track")
    if motion and known.get("motion") and hash_of(Path(motion)) != known["motion"]:
        found.append("curves edited" if ".edited" in Path(motion).name else "take updated")
    return found


def _with_box(job: dict[str, Any]) -> dict[str, Any]:
    """The box is one of the panel's layers."""
    return {**job, "layer": "box"} if job.get("box") else job


def _differing(key: str, words: str, new: Any, old: Any) -> list[str]:
    if isinstance(new, dict) and isinstance(old, dict):
        return [
            f"{words} {name} {_said(old[name])} -> {_said(new[name])}".strip()
            for name in new
            if name in old and not _same(new[name], old[name])
        ]
    if _same(new, old):
        return []
    if key in _NAMED_ALONE or isinstance(new, bool):
        return [words if new else f"no {words}"]
    return [f"{words} {_said(old)} -> {_said(new)}"]


def _same(new: Any, old: Any) -> bool:
    if isinstance(new, float | int) and isinstance(old, float | int):
        return abs(new - old) < 5e-4
    if isinstance(new, str) and isinstance(old, str):
        return Path(new).name == Path(old).name  # the project's folder may have been moved
    return bool(new == old)


def _said(value: Any) -> str:
    if value in _SAID:
        return _SAID[value]
    if isinstance(value, float | int) and not isinstance(value, bool):
        text = f"{value:.2f}"
        return text[:-1] if text.endswith("0") else text
    return Path(value).name if isinstance(value, str) else str(value)
