# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of the jobs and does to them: status bar, list, cancel, check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import bpy

from .. import versions
from ..choices import chosen
from ..errors import InputError
from ..panel_parts import draw_lines, letters
from ..registration import register_classes, unregister_classes
from ..sequencer import prefetch
from . import jobs, pump
from .client import Event
from .operator_parts import attempt

# ESC ends a job where the panels are: over timeline, preview and sidebar of the sequencer. Not over
# other editors, where it is pressed for other reasons. Text fields, menus and what has the mouse
# take the key before any keymap does.
_KEYMAP, _EDITOR = "Video Sequence Editor", cast(Any, "SEQUENCE_EDITOR")
_keys: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


@dataclass
class Check:
    """What the last check of the runtime said; not kept in any file."""

    lines: tuple[str, ...] = ()


CHECK = Check()


class LIKENESS_OT_job_cancel(bpy.types.Operator):
    """End this job (also by ESC over the sequencer); frames that are finished are kept"""

    bl_idname = "likeness.job_cancel"
    bl_label = "Cancel job"
    bl_options = {"INTERNAL"}

    job: bpy.props.StringProperty(options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return jobs.at_work() is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        name = self.job or jobs.at_work(versions.sequencer_scene(context))
        # While something plays, ESC ends the playback.
        screen = getattr(context, "screen", None)
        if name is None or (not self.job and screen and screen.is_animation_playing):
            return {"PASS_THROUGH"}
        jobs.cancel(name)
        pump.redraw()
        return {"FINISHED"}


class LIKENESS_OT_job_again(bpy.types.Operator):
    """Start this job again with the same settings"""

    bl_idname = "likeness.job_again"
    bl_label = "Start again"
    bl_options = {"INTERNAL", "UNDO"}

    job: bpy.props.StringProperty(options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, self._again, context)

    def _again(self, context: bpy.types.Context) -> str:
        jobs.again(context, self.job)
        return ""


class LIKENESS_OT_jobs_clear(bpy.types.Operator):
    """Take the jobs that have ended off the list; their results stay"""

    bl_idname = "likeness.jobs_clear"
    bl_label = "Clear the list"
    bl_options = {"UNDO", "INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        alive = {item.name for item in jobs.running(scene)}
        items = jobs.listed(scene)
        with prefetch.still():
            for index in reversed(range(len(items))):
                if items[index].name not in alive:
                    items.remove(index)
        return {"FINISHED"}


class LIKENESS_OT_check_runtime(bpy.types.Operator):
    """Start the worker once and say in ten lines what it runs on and how fast it is"""

    bl_idname = "likeness.check_runtime"
    bl_label = "Check Runtime"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        CHECK.lines = ("Checking: the worker starts, which may take some seconds",)
        job = {"do": "check", "provider": chosen().provider}
        try:
            name = pump.submit(job, _checked)
        except InputError as error:
            CHECK.lines = (str(error),)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if bpy.app.background:
            pump.wait(name)
            return self._report_all()
        return {"FINISHED"}

    def _report_all(self) -> set[str]:
        """The lines for a console; a single one is what went wrong."""
        lines = CHECK.lines
        for line in lines:
            self.report({"INFO"} if len(lines) > 1 else {"ERROR"}, line)
        return {"FINISHED"} if len(lines) > 1 else {"CANCELLED"}


def _checked(event: Event) -> None:
    if event["event"] == "done":
        CHECK.lines = tuple(event["result"]["lines"])
    elif "message" in event:
        CHECK.lines = (str(event["message"]),)


def draw_jobs(
    layout: bpy.types.UILayout, context: bpy.types.Context, kinds: Sequence[str] | None = None
) -> None:
    """Bars of the jobs that run, and the last one's end in words; for the foot of a panel."""
    scene = versions.sequencer_scene(context)
    items = [item for item in jobs.listed(scene) if kinds is None or item.kind in kinds]
    for item in items:
        now = jobs.progress(item)
        if now is not None:
            _draw_bar(layout, item.name, item.label, now)
    ended = [item for item in items if jobs.progress(item) is None]
    if not ended:
        return
    last = ended[-1]
    stands = jobs.state(last)
    if stands == "DONE":
        if last.message:
            layout.label(text=last.message, icon="CHECKMARK")
        return
    said = (
        last.message
        if stands == "FAILED"
        else {"PENDING": f"{last.label}: undone", "CANCELLED": f"{last.label}: cancelled"}[stands]
    )
    column = layout.column(align=True)
    icon = "ERROR" if stands == "FAILED" else "INFO"
    draw_lines(column, said, icon, letters(context))
    if last.kind in jobs.KINDS:
        column.operator("likeness.job_again", icon="FILE_REFRESH").job = last.name


def bar_text(label: str, now: jobs.Progress) -> str:
    """What stands on a bar: 'Synthesize 12/240, 31.2 a second, 7 s left'."""
    if now.text or not now.total:
        return f"{label}: {now.text}" if now.text else label
    text = f"{label} {now.done}/{now.total}"
    if now.rate > 0:
        text += f", {now.rate:.1f} a second"
    return f"{text}, {time_left(now.left_s)} left" if now.done and now.left_s > 0 else text


def time_left(seconds: float) -> str:
    """Seconds as people say them: '7 s', '3 min 20 s', '2 h 5 min'."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _draw_bar(layout: bpy.types.UILayout, name: str, label: str, now: jobs.Progress) -> None:
    row = layout.row(align=True)
    part = now.done / now.total if now.total else 0.0
    row.progress(factor=min(part, 1.0), type="BAR", text=bar_text(label, now))
    row.operator("likeness.job_cancel", text="", icon="X").job = name


def _draw_status_bar(header: bpy.types.Header, _context: bpy.types.Context) -> None:
    shown = jobs.overview()
    if not shown:
        return
    row = header.layout.row(align=True)
    row.ui_units_x = 20
    _draw_bar(row, *shown[0])
    if len(shown) > 1:
        header.layout.label(text=f"+ {len(shown) - 1} waiting")


_CLASSES = (
    LIKENESS_OT_job_cancel,
    LIKENESS_OT_job_again,
    LIKENESS_OT_jobs_clear,
    LIKENESS_OT_check_runtime,
)


def register() -> None:
    register_classes(*_CLASSES)
    bpy.types.STATUSBAR_HT_header.prepend(_draw_status_bar)
    keys = bpy.context.window_manager.keyconfigs.addon
    if keys is not None and not _keys:
        keymap = keys.keymaps.new(name=_KEYMAP, space_type=_EDITOR)
        _keys.append((keymap, keymap.keymap_items.new("likeness.job_cancel", "ESC", "PRESS")))


def unregister() -> None:
    for keymap, item in _keys:
        keymap.keymap_items.remove(item)
    _keys.clear()
    bpy.types.STATUSBAR_HT_header.remove(_draw_status_bar)
    unregister_classes(*_CLASSES)
