# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of step 1: pictures, faces, consent."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import OperatorFileListElement

from .. import registration, versions
from ..errors import InputError
from ..items import BASES, CONSENT_NOTE, NO_BASIS
from ..properties import active_portrait, settings
from ..storage import folders
from ..worker import jobs
from ..worker.operator_parts import StepOperator, attempt
from . import clips, portraits


class LIKENESS_OT_portrait_from_strip(StepOperator):
    """Take the active image or movie strip as a portrait; of a movie the frame at the playhead"""

    bl_idname = "likeness.portrait_from_strip"
    bl_label = "From Active Strip"

    strip: StringProperty(
        description="Name of the strip; empty: the active one", options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, portraits.add_from_strip, context, self.strip)


class LIKENESS_OT_portrait_from_files(StepOperator):
    """Choose 1 to 32 pictures of one person; the first one leads"""

    bl_idname = "likeness.portrait_from_files"
    bl_label = "From Files"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    files: CollectionProperty(type=OperatorFileListElement, options={"SKIP_SAVE"})
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    extend: BoolProperty(
        name="More of the Same Person",
        description="Add the pictures to the portrait that is chosen",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self.filepath = folders.to_browse()
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        folder = Path(bpy.path.abspath(self.directory))
        paths = [folder / each.name for each in self.files if each.name]
        chosen = folders.absolute(self.filepath) if self.filepath else folder
        if not paths and not chosen.is_dir():  # the browser gives its folder where none is chosen
            paths = [chosen]
        return attempt(self, portraits.add_from_files, context, paths, self.extend)


class LIKENESS_OT_portrait_from_clip(StepOperator):
    """Find pictures of a person in the active movie strip; one that looks ahead leads"""

    bl_idname = "likeness.portrait_from_clip"
    bl_label = "From Clip"

    strip: StringProperty(
        description="Name of the strip; empty: the active one", options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, clips.add_from_clip, context, self.strip)


class LIKENESS_OT_portrait_remove(StepOperator):
    """Forget this portrait; its strips and files stay"""

    bl_idname = "likeness.portrait_remove"
    bl_label = "Remove Portrait"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, portraits.remove_portrait, versions.sequencer_scene(context))


class LIKENESS_OT_picture_remove(StepOperator):
    """Forget this picture of the person; its file stays"""

    bl_idname = "likeness.picture_remove"
    bl_label = "Remove Picture"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, portraits.remove_picture, versions.sequencer_scene(context))


class LIKENESS_OT_face_choose(StepOperator):
    """This is the face that is meant"""

    bl_idname = "likeness.face_choose"
    bl_label = "Choose Face"

    number: IntProperty(name="Face", description="From left to right, beginning with 1", min=1)

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, portraits.choose_face, scene, self.number)


class LIKENESS_OT_consent_record(StepOperator):
    """Say whose face this is and why it may be animated; without it nothing is rendered"""

    bl_idname = "likeness.consent_record"
    bl_label = "Record Consent"

    who: StringProperty(
        name="Whose Face", description="Name of the person who is shown", options={"SKIP_SAVE"}
    )
    basis: EnumProperty(
        name="Basis",
        description="On what ground this face may be animated",
        items=BASES,
        default=NO_BASIS,
        options={"SKIP_SAVE"},
    )
    note: StringProperty(name="Note", description=CONSENT_NOTE, options={"SKIP_SAVE"})

    # What was typed when OK was refused, by portrait: nobody should have to type it again.
    _typed: ClassVar[dict[str, tuple[str, str, str]]] = {}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        try:
            known = active_portrait(versions.sequencer_scene(context))
        except InputError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        # A note that is missing, or for other pictures, wants a ground that is chosen now.
        basis = NO_BASIS if portraits.consent_missing(known) else known.consent_basis
        kept = known.consent_who, basis, known.consent_note
        self.who, self.basis, self.note = self._typed.pop(known.uid, kept)
        return set(context.window_manager.invoke_props_dialog(self, width=360))

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        typed = self.who, self.basis, self.note
        done = attempt(self, lambda: portraits.record_consent(active_portrait(scene), *typed))
        if "CANCELLED" in done and settings(scene).portraits:
            self._typed[active_portrait(scene).uid] = typed
        return done


CLASSES = (
    LIKENESS_OT_portrait_from_strip,
    LIKENESS_OT_portrait_from_files,
    LIKENESS_OT_portrait_from_clip,
    LIKENESS_OT_portrait_remove,
    LIKENESS_OT_picture_remove,
    LIKENESS_OT_face_choose,
    LIKENESS_OT_consent_record,
)


def register() -> None:
    registration.register_classes(*CLASSES)
    jobs.KINDS[portraits.KIND] = jobs.Kind("Find faces", portraits.apply_faces)
    jobs.KINDS[clips.STILLS] = jobs.Kind("Choose pictures", clips.apply_stills)


def unregister() -> None:
    for kind in (portraits.KIND, clips.STILLS):
        jobs.KINDS.pop(kind, None)
    registration.unregister_classes(*CLASSES)
