# SPDX-License-Identifier: GPL-3.0-or-later
"""The one room that knows how Blender 4.5, 5.0, 5.1 and 5.2 differ in what Likeness uses.

Everything else asks here. Features are looked for on the object, not by version number, so that
a later Blender works as long as it keeps the newer name.
"""

from __future__ import annotations

from typing import Any

import bpy


def strips(editor: Any) -> Any:
    """The strips of a sequence editor, top level only."""
    # Never `editor.strips or editor.sequences`: an empty collection is falsy.
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def span(strip: Any) -> tuple[int, int]:
    """First frame of a strip on the timeline, and the frame after its last."""
    if hasattr(strip, "left_handle"):  # 5.1
        return int(strip.left_handle), int(strip.right_handle)
    return strip.frame_final_start, strip.frame_final_end


def set_end(strip: Any, end: int) -> None:
    """Let a strip last until the frame before `end`; past its content the last picture holds."""
    if hasattr(strip, "right_handle"):
        strip.right_handle = end
    else:
        strip.frame_final_end = end


def content_length(strip: Any) -> int:
    """How many pictures the file or the sequence behind a strip has."""
    if hasattr(strip, "content_duration"):  # 5.1
        return int(strip.content_duration)
    return strip.frame_duration


def new_effect(editor: Any, kind: str, source: Any, name: str, channel: int) -> Any:
    """An effect strip over `source`, as long as it."""
    start, end = span(source)
    functions = strips(editor).bl_rna.functions["new_effect"].parameters
    length = {"length": end - start} if "length" in functions else {"frame_end": end}
    first = {"input1": source} if "input1" in functions else {"seq1": source}
    return strips(editor).new_effect(
        name=name, type=kind, channel=channel, frame_start=start, **length, **first
    )


def edit_in_every_workspace(scene: Any) -> None:
    """Show `scene` in the sequencers; without it 5.0 and later open them empty."""
    for workspace in bpy.data.workspaces:
        if hasattr(workspace, "sequencer_scene"):  # 5.0
            workspace.sequencer_scene = scene


def set_file_format(image_settings: Any, kind: str, file_format: str) -> None:
    """Choose what a render writes: kind "IMAGE" or "VIDEO", then the format."""
    if hasattr(image_settings, "media_type"):  # 5.0: decides which formats can be chosen
        image_settings.media_type = kind
    image_settings.file_format = file_format
