# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of Likeness that touches Blender: the add-on, strips, render settings, composing.

Imports bpy, numpy and the standard library only. Blender and the worker meet in files and in JSON
lines: `client` speaks to the worker, `placement` reads what it wrote beside the head frames,
`strips` puts it on the sequencer. Importing the package registers nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# In the order in which they are registered; each has register() and unregister().
MODULES = (
    "preferences",
    "pump",
    "prefetch",
    "undo_steps",
    "jobs",
    "status",
    "properties",
    "saving",
    "overlay",
    "viewport_operators",
    "curve_operators",
    "step_operators",
    "edit_operators",
    "panels",
)

_registered: list[Any] = []


def register() -> None:
    """Register the add-on with Blender, all of it or nothing. A second call begins anew."""
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
