# SPDX-License-Identifier: GPL-3.0-or-later
"""The one room that knows how Blender 4.5, 5.0, 5.1 and 5.2 differ in what Likeness uses.

Everything else asks here. Features are looked for on the object, so that a later Blender works as
long as it keeps the newer name; by the version's number only where an object shows no difference.
"""

from __future__ import annotations

from typing import Any

import bpy


def strips(editor: bpy.types.SequenceEditor) -> Any:
    """The strips of a sequence editor, top level only, each of its own kind."""
    # Never `editor.strips or editor.sequences`: an empty collection is falsy.
    return editor.strips if hasattr(editor, "strips") else editor.sequences  # type: ignore[attr-defined]


def all_strips(editor: bpy.types.SequenceEditor) -> Any:
    """Every strip of a sequence editor, those inside of meta strips too."""
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all  # type: ignore[attr-defined]


def siblings(editor: bpy.types.SequenceEditor, strip: bpy.types.Strip) -> Any:
    """The strips among which a strip lies: those of its meta strip, or of the editor."""
    meta: Any = strip.parent_meta()
    if meta is None:
        return strips(editor)
    return meta.strips if hasattr(meta, "strips") else meta.sequences


def span(strip: bpy.types.Strip) -> tuple[int, int]:
    """First frame of a strip on the timeline, and the frame after its last."""
    if hasattr(strip, "left_handle"):  # 5.1
        return int(strip.left_handle), int(strip.right_handle)  # type: ignore[attr-defined]
    return strip.frame_final_start, strip.frame_final_end


def set_span(strip: bpy.types.Strip, begin: int, end: int) -> None:
    """Let a strip show the frames from `begin` to before `end`; its content stays where it is."""
    if span(strip) == (begin, end):
        return  # a handle that is set where it is costs the strip its cached frames
    first, last = (
        ("left_handle", "right_handle")
        if hasattr(strip, "left_handle")  # 5.1
        else ("frame_final_start", "frame_final_end")
    )
    # A strip is never shorter than a frame: the handle that gives room moves first.
    if begin >= getattr(strip, last):
        setattr(strip, last, end)
        setattr(strip, first, begin)
    else:
        setattr(strip, first, begin)
        setattr(strip, last, end)


def content_start(strip: bpy.types.Strip) -> float:
    """Where the first picture of a strip's content lies on the timeline, shown or not."""
    return float(strip.content_start if hasattr(strip, "content_start") else strip.frame_start)


def set_content_start(strip: bpy.types.Strip, start: float) -> None:
    """Move a strip with its handles, so that its first picture lies at `start`."""
    if content_start(strip) != start:
        setattr(strip, "content_start" if hasattr(strip, "content_start") else "frame_start", start)


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene whose sequencer is edited; before 5.0 there is but one."""
    scene = getattr(context, "sequencer_scene", None)  # 5.0; may be None
    return scene if scene is not None else context.scene


def set_end(strip: bpy.types.Strip, end: int) -> None:
    """Let a strip last until the frame before `end`; past its content the last picture holds."""
    if hasattr(strip, "right_handle"):  # 5.1
        strip.right_handle = end
    else:
        strip.frame_final_end = end


def content_length(strip: bpy.types.Strip) -> int:
    """How many pictures the file or the sequence behind a strip has."""
    if hasattr(strip, "content_duration"):  # 5.1
        return int(strip.content_duration)
    return strip.frame_duration


def new_effect(
    editor: bpy.types.SequenceEditor, kind: str, source: bpy.types.Strip, name: str, channel: int
) -> Any:
    """An effect strip over `source`, as long as it."""
    start, end = span(source)
    functions = strips(editor).bl_rna.functions["new_effect"].parameters
    length = {"length": end - start} if "length" in functions else {"frame_end": end}
    first = {"input1": source} if "input1" in functions else {"seq1": source}
    return strips(editor).new_effect(
        name=name, type=kind, channel=channel, frame_start=start, **length, **first
    )


def new_text(
    editor: bpy.types.SequenceEditor, name: str, channel: int, start: int, end: int
) -> Any:
    """A text strip over the frames [start, end)."""
    functions = strips(editor).bl_rna.functions["new_effect"].parameters
    length = {"length": end - start} if "length" in functions else {"frame_end": end}
    return strips(editor).new_effect(
        name=name, type="TEXT", channel=channel, frame_start=start, **length
    )


def pivot_share(percentage: int) -> float:
    """How much of a pivot's distance from the picture's centre is left at a render percentage."""
    # 5.2 shrinks it with the picture. Nothing on a strip tells, so here the number must.
    return percentage / 100 if bpy.app.version >= (5, 2) else 1


def edit_in_every_workspace(scene: bpy.types.Scene) -> None:
    """Show `scene` in the sequencers; without it 5.0 and later open them empty."""
    for workspace in bpy.data.workspaces:
        if hasattr(workspace, "sequencer_scene"):  # 5.0
            workspace.sequencer_scene = scene


def new_modifier(scene: bpy.types.Scene, strip: bpy.types.Strip, name: str, kind: Any) -> Any:
    """A modifier on a strip of `scene`."""
    # 5.0 asks the workspace for its sequencer's scene, and crashes where there is none.
    if getattr(bpy.context, "sequencer_scene", scene) is None:
        edit_in_every_workspace(scene)
    return strip.modifiers.new(name=name, type=kind)


def linear_modifiers(strip: bpy.types.Strip) -> bool:
    """Do a strip's modifiers work on scene linear colours? 5.2 has no such choice any more."""
    return bool(getattr(strip, "use_linear_modifiers", False))


def set_linear_modifiers(strip: bpy.types.Strip, linear: bool) -> None:
    """Choose that, where Blender has the choice."""
    if hasattr(strip, "use_linear_modifiers"):
        strip.use_linear_modifiers = linear


def set_file_format(
    image_settings: bpy.types.ImageFormatSettings, kind: Any, file_format: Any
) -> None:
    """Choose what a render writes: kind "IMAGE" or "VIDEO", then the format."""
    if hasattr(image_settings, "media_type"):  # 5.0: decides which formats can be chosen
        image_settings.media_type = kind
    image_settings.file_format = file_format


def new_channelbag(owner: bpy.types.Object, name: str) -> bpy.types.ActionChannelbag:
    """A new action for `owner` (an ID), and the bag in it that takes the owner's F-curves."""
    action, slot, bag = new_action(owner, name)
    data = owner.animation_data or owner.animation_data_create()
    data.action = action
    data.action_slot = slot
    return bag


def new_action(
    owner: bpy.types.Object, name: str
) -> tuple[bpy.types.Action, bpy.types.ActionSlot, bpy.types.ActionChannelbag]:
    """A new action that `owner` (an ID) does not play yet, its slot for it, and the bag of that."""
    action = bpy.data.actions.new(name)
    # 4.4 brought slots and layers, 5.0 took away what was before: this is in both.
    slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    strip: Any = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return action, slot, strip.channelbag(slot, ensure=True)


def channelbag(owner: bpy.types.Object | bpy.types.Scene) -> bpy.types.ActionChannelbag | None:
    """The bag of the F-curves that animate `owner`, or None."""
    data = owner.animation_data
    return bag_of(data.action, data.action_slot) if data is not None else None


def bag_of(
    action: bpy.types.Action | None, slot: bpy.types.ActionSlot | None
) -> bpy.types.ActionChannelbag | None:
    """The bag of the F-curves of an action's slot, or None."""
    if action is None or slot is None:
        return None
    strips: list[Any] = [strip for layer in action.layers for strip in layer.strips]
    bags = (strip.channelbag(slot) for strip in strips)
    return next((bag for bag in bags if bag is not None), None)
