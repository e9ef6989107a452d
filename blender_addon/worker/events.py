# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's lines as events that can be relied on. No bpy.

Whatever a library or another version prints there, what comes out of here has its fields, of their
types: nobody who handles an event has to look again.
"""

from __future__ import annotations

import json
import math
from typing import Any

Event = dict[str, Any]

LONGEST_LINE = 1 << 20  # characters
ENDINGS = ("done", "error", "cancelled")
_UNKNOWN = "the worker answered in a way that this version does not understand; restart Blender"


def parse_line(line: str) -> Event | None:
    """The JSON object in a line; None where it is none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def checked(event: Event) -> Event | None:
    """The event with all its fields; None for one that says nothing.

    The end of a job that cannot be understood is an error event: the job has ended all the same.
    """
    name, kind = event.get("id"), event.get("event")
    if not isinstance(name, str) or not isinstance(kind, str):
        return None
    if kind in ("queued", "started"):
        return event
    if kind == "progress":
        known = _is_count(event.get("done")) and _is_count(event.get("total"))
        known = known and _is_number(event.get("rate")) and _is_number(event.get("left_s"))
        return event if known else None
    if kind == "done" and isinstance(event.get("result"), dict):
        return event
    if kind in ("error", "cancelled") and isinstance(event.get("message"), str):
        return {**event, "kind": str(event.get("kind"))} if kind == "error" else event
    if kind in ENDINGS:
        return {"event": "error", "id": name, "kind": "failure", "message": _UNKNOWN}
    return None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e15 and math.isfinite(value)
