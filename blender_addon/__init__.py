# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of Likeness that touches Blender: the add-on, strips, render settings, composing.

Packages by what the artist sees: `portrait`, `performance`, `animate` and `composite`, the four
steps, `delivery` after them; `overlay`, `puppet` and `controls`. Beneath them `worker`, `sequencer`
and `storage`. Imports bpy, numpy and the standard library only: Blender and the worker meet in
files and in JSON lines. Importing the package registers nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# In the order in which they are registered; each has register() and unregister().
MODULES = (
    "preferences",
    "worker.pump",
    "sequencer.prefetch",
    "worker.undo_steps",
    "worker.jobs",
    "worker.status",
    "properties",
    "saving",
    "overlay.layers",
    "controls.shaping",
    "puppet.operators",
    "portrait.operators",
    "portrait.consent_sheet",
    "performance.operators",
    "performance.edit_operators",
    "performance.record_operator",
    "animate.operators",
    "animate.live_test",
    "composite.operators",
    "composite.regrade",
    "composite.version_operators",
    "live.choices",
    "live.session",
    "live.drawing",
    "live.operators",
    "delivery.operators",
    "delivery.rendered",
    "portrait.panels",
    "performance.panels",
    "performance.edit_panel",
    "performance.voice_panel",
    "animate.panels",
    "composite.panels",
    "composite.cast_panel",
    "composite.version_panel",
    "live.panels",
    "delivery.panels",
)

_registered: list[Any] = []


def register() -> None:
    """Register the add-on with Blender, all of it or nothing. A second call begins again."""
    unregister()
    try:
        for name in MODULES:
            module = import_module(f".{name}", __package__)
            module.register()
            _registered.append(module)
    except BaseException:
        unregister()
        raise


def unregister() -> None:
    """Take everything out of Blender again, and end the worker. Safe when nothing is there."""
    while _registered:
        _registered.pop().unregister()
