# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: where the inference runs, on what, where its files lie."""

from __future__ import annotations

import contextlib
import os
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from .errors import InputError
from .registration import register_classes, unregister_classes
from .storage import ownership
from .worker.client import Launch, python_environment
from .worker.runtime import PYTHON_VARIABLE, Runtime, find_runtime

# The add-on's name where Blender keeps its preferences: bl_ext.<repository>.<id>, or the package.
PACKAGE = __package__ or "blender_addon"
CACHE_VARIABLE = "LIKENESS_CACHE"

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
# The cache's size is counted, and torch looked for, at most this often while the panel is drawn.
_COUNT_SECONDS = 5.0
_looked_for_torch = {"at": -_COUNT_SECONDS, "found": 0.0}
# Who runs the worker registers here, since it starts it by these preferences: what is called when a
# choice changed, and what says whether a job is running.
on_change: list[Callable[[], None]] = []
at_work: list[Callable[[], bool]] = []


@dataclass(frozen=True)
class Settings:
    """The preferences as plain values; memory_mb 0 is no limit, device -1 is the first GPU."""

    where: str = "AUTO"
    python: str = ""
    provider: str = "auto"
    device: int = -1
    memory_mb: int = 0
    cache: str = ""
    idle_minutes: float = 10.0


@dataclass
class Check:
    """What the last check of the runtime said; not kept in any file."""

    lines: tuple[str, ...] = ()


CHECK = Check()


def settings() -> Settings:
    """What the person chose; the defaults where the add-on runs without being installed."""
    addon: bpy.types.Addon | None = bpy.context.preferences.addons.get(PACKAGE)
    chosen = getattr(addon, "preferences", None)
    if chosen is None or not hasattr(chosen, "where"):
        return Settings()
    return Settings(
        chosen.where, bpy.path.abspath(chosen.python), chosen.provider, chosen.device,
        chosen.memory_mb, bpy.path.abspath(chosen.cache), chosen.idle_minutes,
    )  # fmt: skip


def runtime() -> Runtime:
    """The Python that the preferences lead to. Raises InputError with one line."""
    chosen = settings()
    return find_runtime(chosen.where, chosen.python)


def launch(*arguments: str) -> Launch:
    """How to start that Python with these arguments. Raises InputError."""
    found, chosen = runtime(), settings()
    extra = {}
    if chosen.device >= 0:
        extra["CUDA_VISIBLE_DEVICES"] = str(chosen.device)
    if chosen.memory_mb > 0:
        extra["LIKENESS_GPU_MEMORY_MB"] = str(chosen.memory_mb)
    environment = python_environment(os.environ, found.paths, extra)
    return Launch((str(found.python), *arguments), environment, cache_folder())


def worker_launch() -> Launch:
    """How to start the worker. Raises InputError."""
    return launch("-m", "inference", "worker", "--end-with-input")


def has_torch() -> bool:
    """Can the environment personalize: does it hold torch? Asked at every redraw of the panel."""
    if time.monotonic() - _looked_for_torch["at"] > _COUNT_SECONDS:
        _looked_for_torch.update(at=time.monotonic(), found=float(_finds_torch()))
    return bool(_looked_for_torch["found"])


def _finds_torch() -> bool:
    """Looks into folders, starts nothing."""
    try:
        found = runtime()
    except InputError:
        return False
    if not any((path / "export").is_dir() for path in found.paths):
        return False
    home = found.python.parent.parent
    patterns = ("lib/python3.*/site-packages/torch", "Lib/site-packages/torch")
    return any(True for pattern in patterns for _ in home.glob(pattern))


def cache_folder(*parts: str) -> Path:
    """A folder below the cache, made where it is absent. Raises InputError."""
    folder = _cache_root().joinpath(*parts)
    try:
        ownership.make_private(_cache_root())
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: the cache folder cannot be made ({error.strerror or error}); "
            "choose another in the add-on's preferences"
        ) from None
    return folder


def cache_size() -> int:
    """Bytes that lie in the cache, and would be removed from it."""
    return sum(
        entry.stat(follow_symlinks=False).st_size
        for folder in _cached() for entry in ownership.plain_files(folder)
    )  # fmt: skip


def clean_cache() -> int:
    """Remove what the worker made in the cache; returns the bytes that it freed.

    What else lies there stays: a folder of the cache is ours only if it says so itself.
    """
    freed = 0
    for folder, kind in _cached().items():
        with contextlib.suppress(InputError):  # another program has a file open
            freed += ownership.remove(folder, kind)
    return freed


def _cached() -> dict[Path, ownership.FolderKind]:
    """The folders of the cache that are ours, and what they hold."""
    root = _cache_root()
    if root.is_symlink():
        return {}
    return {
        folder: kind
        for name, kind in (
            ("test", ownership.FRAMES),
            ("portraits", ownership.FACES),
            ("views", ownership.LAYERS),
        )
        for folder in ownership.plain_folders(root / name)
        if ownership.is_kind(folder, kind)
    }


def _cache_root() -> Path:
    """The cache's own folder, which need not exist yet. InputError where none can be trusted."""
    named = os.environ.get(CACHE_VARIABLE, "") or settings().cache
    if named:
        # A folder of ours in the one that was named: cleaning must not reach anything else.
        return Path(named).expanduser().absolute() / "likeness_cache"
    if PACKAGE.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(PACKAGE, path="cache", create=True))
    return _own_home() / "likeness_cache"


def _own_home() -> Path:
    """A folder for this person alone, where Blender does not give the add-on one of its own."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "likeness"
    try:
        ownership.make_private(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror or error}); choose a cache folder in the "
            "add-on's preferences"
        ) from None
    return folder


_counted: dict[str, float] = {"at": -_COUNT_SECONDS, "bytes": 0.0}


def _counted_size() -> int:
    if time.monotonic() - _counted["at"] > _COUNT_SECONDS:
        _counted.update(at=time.monotonic(), bytes=float(cache_size()))
    return int(_counted["bytes"])


def _changed(_self: bpy.types.AddonPreferences, _context: bpy.types.Context) -> None:
    _looked_for_torch["at"] = -_COUNT_SECONDS
    for tell in on_change:
        tell()


class LikenessPreferences(bpy.types.AddonPreferences):
    """Shown in Blender's preferences below the add-on's name."""

    bl_idname = PACKAGE

    where: bpy.props.EnumProperty(
        name="Inference runs in", items=_WHERE, default="AUTO", update=_changed
    )
    python: bpy.props.StringProperty(
        name="Python", subtype="FILE_PATH", default="", update=_changed,
        description="A Python program, or an environment's folder, that has the packages",
    )  # fmt: skip
    provider: bpy.props.EnumProperty(name="Run on", items=_PROVIDERS, default="auto")
    device: bpy.props.IntProperty(
        name="GPU number (-1: first)", default=-1, min=-1, max=15, update=_changed,
        description="Which NVIDIA GPU, counted from 0; -1 takes the first",
    )  # fmt: skip
    memory_mb: bpy.props.IntProperty(
        name="GPU memory (MiB, 0: all)", default=0, min=0, max=1 << 20, step=256, update=_changed,
        description="The most GPU memory that the network may take, in MiB; 0 is no limit",
    )  # fmt: skip
    cache: bpy.props.StringProperty(
        name="Cache folder", subtype="DIR_PATH", default="",
        description="Where previews and thumbnails lie; empty: Blender's own place for such files",
    )  # fmt: skip
    idle_minutes: bpy.props.FloatProperty(
        name="End when idle (minutes)", default=10.0, min=0.1, max=600.0,
        description="After so many minutes without a job the worker ends and frees the GPU",
    )  # fmt: skip

    def draw(self, context: bpy.types.Context) -> None:
        draw_preferences(self.layout, self, letters(context))


def letters(context: bpy.types.Context) -> int:
    """How many letters fit into a line of the region, about."""
    region = getattr(context, "region", None)
    scale = bpy.context.preferences.system.ui_scale
    return max(24, int(region.width / (7.5 * scale)) - 6) if region else 60


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
        column.label(text=f"Now: {runtime().words}", icon="CHECKMARK")
    except InputError as error:
        draw_lines(column, str(error), "ERROR", width)
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


def draw_lines(layout: bpy.types.UILayout, text: str, icon: Any, width: int = 90) -> None:
    """A long line in several labels: Blender cuts labels off."""
    for k, line in enumerate(textwrap.wrap(text, width)):
        layout.label(text=line, icon=icon if k == 0 else "BLANK1")


class LIKENESS_OT_cache_clean(bpy.types.Operator):
    """Remove previews, thumbnails and other files that can be made again"""

    bl_idname = "likeness.cache_clean"
    bl_label = "Clean"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if any(busy() for busy in at_work):
            self.report({"ERROR"}, "A job is running: clean the cache when it has ended")
            return {"CANCELLED"}
        freed = clean_cache()
        _counted["at"] = -_COUNT_SECONDS
        self.report({"INFO"}, f"{freed / 2**20:.1f} MiB freed")
        return {"FINISHED"}


def register() -> None:
    register_classes(LikenessPreferences, LIKENESS_OT_cache_clean)


def unregister() -> None:
    unregister_classes(LikenessPreferences, LIKENESS_OT_cache_clean)
