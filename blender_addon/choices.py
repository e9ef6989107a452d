# SPDX-License-Identifier: GPL-3.0-or-later
"""What the person chose in the add-on's preferences, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy

# The add-on's name where Blender keeps its preferences: bl_ext.<repository>.<id>, or the package.
PACKAGE = __package__ or "blender_addon"
# Who depends on the choices registers here: what is called when one changed, and what says whether
# a job is running.
on_change: list[Callable[[], None]] = []
at_work: list[Callable[[], bool]] = []


@dataclass(frozen=True)
class Choices:
    """The preferences as plain values; memory_mb 0 is no limit, device -1 is the first GPU."""

    where: str = "AUTO"
    python: str = ""
    provider: str = "auto"
    device: int = -1
    memory_mb: int = 0
    cache: str = ""
    idle_minutes: float = 10.0


def chosen() -> Choices:
    """What the person chose; the defaults where the add-on runs without being installed."""
    addon: bpy.types.Addon | None = bpy.context.preferences.addons.get(PACKAGE)
    own = getattr(addon, "preferences", None)
    if own is None or not hasattr(own, "where"):
        return Choices()
    return Choices(
        own.where,
        bpy.path.abspath(own.python),
        own.provider,
        own.device,
        own.memory_mb,
        bpy.path.abspath(own.cache),
        own.idle_minutes,
    )
