# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the list of versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, StringProperty

from .. import registration, versions
from ..properties import active_portrait, active_take
from ..storage import version_folders
from ..worker.operator_parts import StepOperator, attempt
from . import synthesis, version_choice


class LIKENESS_OT_version_use(StepOperator):
    """Let the head strip show this version; place, trim and grade stay, and nothing is made"""

    bl_idname = "likeness.version_use"
    bl_label = "Use This Version"

    version: StringProperty(name="Version", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, version_choice.use, scene, self.version)


class LIKENESS_OT_version_compare(StepOperator):
    """See this version in place of the one that is used, with the same grade; again: back"""

    bl_idname = "likeness.version_compare"
    bl_label = "Compare"

    version: StringProperty(name="Version", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, version_choice.compare, scene, self.version)


class LIKENESS_OT_version_compare_end(StepOperator):
    """Take the strip of the compared version away"""

    bl_idname = "likeness.version_compare_end"
    bl_label = "End Comparison"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, self._end, versions.sequencer_scene(context))

    def _end(self, scene: bpy.types.Scene) -> str:
        synthesis.end_comparison(scene, active_portrait(scene), active_take(scene))
        return ""


class LikenessVersionLine(bpy.types.PropertyGroup):
    """A version in the question of Clean Up."""

    remove: BoolProperty(name="Remove", description="Remove this version's frames from the disk")
    words: StringProperty()
    is_free: BoolProperty(description="No .blend shows it")


class LIKENESS_OT_versions_clean(StepOperator):
    """Remove versions from the disk that no strip shows, here and in other files"""

    bl_idname = "likeness.versions_clean"
    bl_label = "Clean Up"
    bl_options = {"REGISTER"}  # files that are gone do not come back with an undo

    names: StringProperty(
        name="Versions",
        description="Those to remove, as v001 v003; empty: all that no .blend shows",
        options={"SKIP_SAVE"},
    )
    lines: CollectionProperty(type=LikenessVersionLine, options={"SKIP_SAVE", "HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[Any]:
        if attempt(self, self._list, versions.sequencer_scene(context)) == {"CANCELLED"}:
            return {"CANCELLED"}
        if not any(line.remove for line in self.lines):
            self.lines.clear()
            return self.execute(context)  # it says why there is nothing
        manager = context.window_manager
        return set(manager.invoke_props_dialog(self, width=420, confirm_text="Remove"))

    def _list(self, scene: bpy.types.Scene) -> str:
        for version, users in version_choice.removable(scene):
            line = self.lines.add()
            line.name, line.remove, line.is_free = version.name, not users, not users
            size = version_folders.freed_by_removing(version.folder) / 1e6
            why = f"may be shown by {users[0].name}, stays" if users else f"{size:.1f} MB"
            line.words = f"{version.name}: {why}" + (f"; {version.note}" if version.note else "")
        return ""

    def draw(self, _context: bpy.types.Context) -> None:
        self.layout.label(text="Removed from the disk, for good:")
        for line in self.lines:
            row = self.layout.row()
            row.enabled = line.is_free
            row.prop(line, "remove", text=line.words)

    def execute(self, context: bpy.types.Context) -> set[str]:
        asked = [line.name for line in self.lines if line.remove]
        if self.lines and not asked and not self.names:
            return {"CANCELLED"}
        scene = versions.sequencer_scene(context)
        return attempt(self, version_choice.clean, scene, self.names.split() or asked)


CLASSES = (
    LikenessVersionLine,
    LIKENESS_OT_version_use,
    LIKENESS_OT_version_compare,
    LIKENESS_OT_version_compare_end,
    LIKENESS_OT_versions_clean,
)


@bpy.app.handlers.persistent
def _file_was_saved(filepath: str, *_: Any) -> None:
    """What the written file shows of the versions is not to be removed."""
    if filepath:
        version_choice.note_uses(Path(filepath).absolute())


def register() -> None:
    registration.register_classes(*CLASSES)
    bpy.app.handlers.save_post.append(_file_was_saved)


def unregister() -> None:
    if _file_was_saved in bpy.app.handlers.save_post:
        bpy.app.handlers.save_post.remove(_file_was_saved)
    registration.unregister_classes(*CLASSES)
