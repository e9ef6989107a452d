# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: where the inference runs, on what, where its files lie."""

from __future__ import annotations

import os
import time

import bpy

from . import choices
from .errors import InputError
from .panel_parts import draw_lines, letters
from .registration import register_classes, unregister_classes
from .storage import cache
from .worker import launch
from .worker.runtime import PYTHON_VARIABLE, in_preferences
from .worker.status import CHECK

_WHERE = (
    ("AUTO", "Automatic", "A Python that is named below, the environment that build.py made, "
     "or the extension's own packages: the first that is there"),
    ("BUNDLED", "This extension", "The packages that came with the extension, on the CPU"),
    ("ENVIRONMENT", "Environment", "A Python environment with the packages, for a GPU"),
)  # fmt: skip
_PROVIDERS = (
    ("auto", "Automatic", "The GPU where it can really be used, else the CPU"),
    ("cuda", "NVIDIA GPU", "Insist on CUDA; say why where it cannot be had"),
    ("cpu", "CPU", "Leave the GPU to others"),
)
# The cache's size is counted at most this often while the preferences are drawn.
_COUNT_SECONDS = 5.0


_counted: dict[str, float] = {"at": -_COUNT_SECONDS, "bytes": 0.0}


def _counted_size() -> int:
    if time.monotonic() - _counted["at"] > _COUNT_SECONDS:
        _counted.update(at=time.monotonic(), bytes=float(cache.cache_size()))
    return int(_counted["bytes"])


def _changed(_self: bpy.types.AddonPreferences, _context: bpy.types.Context) -> None:
    launch.look_again()
    for tell in choices.on_change:
        tell()


class LikenessPreferences(bpy.types.AddonPreferences):
    """Shown in Blender's preferences below the add-on's name."""

    bl_idname = choices.PACKAGE

    where: bpy.props.EnumProperty(
        name="Inference runs in", items=_WHERE, default="AUTO", update=_changed
    )
    python: bpy.props.StringProperty(
        name="Python",
        subtype="FILE_PATH",
        default="",
        update=_changed,
        description="A Python program, or an environment's folder, that has the packages",
    )
    provider: bpy.props.EnumProperty(name="Run on", items=_PROVIDERS, default="auto")
    device: bpy.props.IntProperty(
        name="GPU number (-1: first)",
        default=-1,
        min=-1,
        max=15,
        update=_changed,
        description="Which NVIDIA GPU, counted from 0; -1 takes the first",
    )
    memory_mb: bpy.props.IntProperty(
        name="GPU memory (MiB, 0: all)",
        default=0,
        min=0,
        max=1 << 20,
        step=256,
        update=_changed,
        description="The most GPU memory that the network may take, in MiB; 0 is no limit",
    )
    cache: bpy.props.StringProperty(
        name="Cache folder",
        subtype="DIR_PATH",
        default="",
        description="Where previews and thumbnails lie; empty: Blender's own place for such files",
    )
    idle_minutes: bpy.props.FloatProperty(
        name="End when idle (minutes)",
        default=10.0,
        min=0.1,
        max=600.0,
        description="After so many minutes without a job the worker ends and frees the GPU",
    )

    def draw(self, context: bpy.types.Context) -> None:
        draw_preferences(self.layout, self, letters(context))


def draw_preferences(
    layout: bpy.types.UILayout, chosen: LikenessPreferences, width: int = 90
) -> None:
    """The preferences' panel, top to bottom: where it runs, the check, on what, its files."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    column = layout.column()
    column.prop(chosen, "where")
    if chosen.where != "BUNDLED":
        column.prop(chosen, "python", placeholder="found by itself")
    try:
        column.label(text=f"Now: {launch.runtime().words}", icon="CHECKMARK")
    except InputError as error:
        draw_lines(column, in_preferences(str(error)), "ERROR", width)
    named = os.environ.get(PYTHON_VARIABLE)
    if named and chosen.where != "BUNDLED":
        column.label(text=f"{PYTHON_VARIABLE} is set and goes before this choice", icon="INFO")
    column.operator("likeness.check_runtime", icon="VIEWZOOM")
    if CHECK.lines:
        box = column.box().column(align=True)
        for line in CHECK.lines:
            draw_lines(box, line, "NONE", width)
    column.separator()
    column.prop(chosen, "provider")
    column.prop(chosen, "device")
    column.prop(chosen, "memory_mb")
    column.prop(chosen, "idle_minutes")
    column.separator()
    column.prop(chosen, "cache", placeholder="Blender's own place for such files")
    row = column.row()
    row.label(text=f"Cache: {_counted_size() / 2**20:.1f} MiB")
    row.operator("likeness.cache_clean", icon="TRASH")


class LIKENESS_OT_cache_clean(bpy.types.Operator):
    """Remove previews, thumbnails and other files that can be made again"""

    bl_idname = "likeness.cache_clean"
    bl_label = "Clean"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if any(busy() for busy in choices.at_work):
            self.report({"ERROR"}, "A job is running: clean the cache when it has ended")
            return {"CANCELLED"}
        freed = cache.clean_cache()
        _counted["at"] = -_COUNT_SECONDS
        self.report({"INFO"}, f"{freed / 2**20:.1f} MiB freed")
        return {"FINISHED"}


def register() -> None:
    register_classes(LikenessPreferences, LIKENESS_OT_cache_clean)


def unregister() -> None:
    unregister_classes(LikenessPreferences, LIKENESS_OT_cache_clean)
