# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering classes so that a second call, or one after a failure, does no harm."""

from __future__ import annotations

from typing import Any

import bpy


def register_classes(*classes: type[Any]) -> None:
    """Register Blender classes in their order; those that are registered already stay so."""
    for each in classes:
        if not each.is_registered:
            bpy.utils.register_class(each)


def unregister_classes(*classes: type[Any]) -> None:
    """Unregister in the opposite order; those that are not registered are passed over."""
    for each in reversed(classes):
        if each.is_registered:
            bpy.utils.unregister_class(each)
