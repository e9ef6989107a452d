# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators of the four steps: thin, the work is in the steps' own files.

Without a window each runs to its end and returns {'FINISHED'} with everything done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import OperatorFileListElement

from . import registration, versions
from .animate import frames as animate
from .composite import synthesis as composite
from .errors import InputError
from .operator_parts import attempt
from .performance import takes as performance
from .portrait import portraits as portrait
from .properties import BASES, NO_BASIS, SOURCES, active_portrait, active_take, settings
from .storage import folders
from .worker import jobs

UNDO = {"REGISTER", "UNDO"}
_STRIP = "Name of the strip; empty: the active one"


class _Step(bpy.types.Operator):
    """What all have in common: a scene with a sequencer's settings."""

    bl_options = UNDO

    @classmethod
    def poll(cls, context: Any) -> bool:
        return versions.sequencer_scene(context) is not None


class LIKENESS_OT_portrait_from_strip(_Step):
    """Take the active image or movie strip as a portrait; of a movie the frame at the playhead"""

    bl_idname = "likeness.portrait_from_strip"
    bl_label = "From Active Strip"

    strip: StringProperty(description=_STRIP, options={"SKIP_SAVE"})

    def execute(self, context: Any) -> set[str]:
        return attempt(self, portrait.add_from_strip, context, self.strip)


class LIKENESS_OT_portrait_from_files(_Step):
    """Choose 1 to 32 pictures of one person; the first one moves"""

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

    def invoke(self, context: Any, _event: Any) -> set[str]:
        self.filepath = folders.to_browse()
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        folder = Path(bpy.path.abspath(self.directory))
        paths = [folder / each.name for each in self.files if each.name]
        chosen = folders.absolute(self.filepath) if self.filepath else folder
        if not paths and not chosen.is_dir():  # the browser gives its folder where none is chosen
            paths = [chosen]
        return attempt(self, portrait.add_from_files, context, paths, self.extend)


class LIKENESS_OT_portrait_remove(_Step):
    """Forget this portrait; its strips and files stay"""

    bl_idname = "likeness.portrait_remove"
    bl_label = "Remove Portrait"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, portrait.remove_portrait, versions.sequencer_scene(context))


class LIKENESS_OT_picture_remove(_Step):
    """Forget this picture of the person; its file stays"""

    bl_idname = "likeness.picture_remove"
    bl_label = "Remove Picture"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, portrait.remove_picture, versions.sequencer_scene(context))


class LIKENESS_OT_face_choose(_Step):
    """This is the face that is meant"""

    bl_idname = "likeness.face_choose"
    bl_label = "Choose Face"

    number: IntProperty(name="Face", description="From left to right, beginning with 1", min=1)

    def execute(self, context: Any) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, portrait.choose_face, scene, self.number)


class LIKENESS_OT_consent_record(_Step):
    """Say whose face this is and why it may be animated; without it nothing is put out"""

    bl_idname = "likeness.consent_record"
    bl_label = "Record Consent"

    who: StringProperty(
        name="Whose Face", description="Name of the person who is shown", options={"SKIP_SAVE"}
    )
    basis: EnumProperty(
        name="Basis", description="On what ground this face may be animated", items=BASES,
        default=NO_BASIS, options={"SKIP_SAVE"},
    )  # fmt: skip
    note: StringProperty(
        name="Note", description="Where the agreement or the licence is kept; optional",
        options={"SKIP_SAVE"},
    )  # fmt: skip

    # What was typed when OK was refused, by portrait: nobody should have to type it again.
    _typed: ClassVar[dict[str, tuple[str, str, str]]] = {}

    def invoke(self, context: Any, _event: Any) -> set[str]:
        try:
            known = active_portrait(versions.sequencer_scene(context))
        except InputError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        # A note that is missing, or for other pictures, wants a ground that is chosen now.
        basis = NO_BASIS if portrait.consent_missing(known) else known.consent_basis
        kept = known.consent_who, basis, known.consent_note
        self.who, self.basis, self.note = self._typed.pop(known.uid, kept)
        return set(context.window_manager.invoke_props_dialog(self, width=360))

    def execute(self, context: Any) -> set[str]:
        scene = versions.sequencer_scene(context)
        typed = self.who, self.basis, self.note
        done = attempt(self, portrait.record_consent, scene, *typed)
        if "CANCELLED" in done and settings(scene).portraits:
            self._typed[active_portrait(scene).uid] = typed
        return done


class LIKENESS_OT_capture_footage(_Step):
    """Find the face in every frame of the footage and keep its motion as a take"""

    bl_idname = "likeness.capture_footage"
    bl_label = "Capture Footage"

    source: EnumProperty(name="Source", items=SOURCES, options={"SKIP_SAVE"})
    strip: StringProperty(description=_STRIP, options={"SKIP_SAVE"})
    clip: StringProperty(description="Name of the clip", options={"SKIP_SAVE"})
    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_movie: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    face: IntProperty(
        name="Face", description="Number of the face in the footage; 0: the largest", min=0,
        options={"SKIP_SAVE"},
    )  # fmt: skip

    def invoke(self, context: Any, _event: Any) -> set[str]:
        chosen = settings(versions.sequencer_scene(context))
        self.source, self.face = chosen.source, chosen.capture_face
        if self.source == "FILE":
            self.filepath = folders.to_browse()
            context.window_manager.fileselect_add(self)
            return {"RUNNING_MODAL"}
        return self.execute(context)

    def execute(self, context: Any) -> set[str]:
        return attempt(self, self._capture, context)

    def _capture(self, context: Any) -> str:
        scene = versions.sequencer_scene(context)
        if self.source == "STRIP":
            footage = performance.footage_of_strip(scene, self.strip)
        elif self.source == "CLIP":
            named = bpy.data.movieclips.get(self.clip) if self.clip else settings(scene).clip
            if self.clip and named is None:
                raise InputError(f"there is no clip '{self.clip}'; open its movie as a clip")
            footage = performance.footage_of_clip(named)
        else:
            footage = performance.footage_of_file(scene, folders.absolute(self.filepath))
        return performance.capture(context, footage, self.face)


class LIKENESS_OT_take_update(_Step):
    """Make the take's performance anew with this neutral frame, smoothing and filling"""

    bl_idname = "likeness.take_update"
    bl_label = "Update Take"

    def execute(self, context: Any) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, lambda: performance.clean(context, active_take(scene)))


class LIKENESS_OT_take_remove(_Step):
    """Forget this take; its files and strips stay"""

    bl_idname = "likeness.take_remove"
    bl_label = "Remove Take"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, performance.remove_take, versions.sequencer_scene(context))


class LIKENESS_OT_take_set(_Step):
    """Set it to the frame of the take that is due at the playhead"""

    bl_idname = "likeness.take_set"
    bl_label = "Set from Playhead"

    what: EnumProperty(items=[(each, each.capitalize(), "") for each in ("IN", "OUT", "NEUTRAL")])

    def execute(self, context: Any) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, performance.set_from_playhead, scene, self.what)


class LIKENESS_OT_test_frame(_Step):
    """Make the frame at the playhead and show it at once; needs no consent note"""

    bl_idname = "likeness.test_frame"
    bl_label = "Test This Frame"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, animate.test_frame, context)


class LIKENESS_OT_test_clear(_Step):
    """Take the test frame off the sequencer"""

    bl_idname = "likeness.test_clear"
    bl_label = "Clear"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, animate.clear_test, versions.sequencer_scene(context))


class LIKENESS_OT_personalize(_Step):
    """Fine-tune the network on this portrait's pictures; takes some minutes"""

    bl_idname = "likeness.personalize"
    bl_label = "Personalize"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, animate.personalize, context)


class LIKENESS_OT_person_remove(_Step):
    """Delete the personalized model of this portrait from the disk"""

    bl_idname = "likeness.person_remove"
    bl_label = "Delete Personalized Model"

    def invoke(self, context: Any, event: Any) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, context: Any) -> set[str]:
        return attempt(self, animate.drop_person, versions.sequencer_scene(context))


class LIKENESS_OT_before_after(bpy.types.Operator):
    """Open the picture that compares the personalized model with the general one"""

    bl_idname = "likeness.before_after"
    bl_label = "Before / After"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, self._open, context)

    def _open(self, context: Any) -> str:
        path = animate.before_after(active_portrait(versions.sequencer_scene(context)))
        if path is None:
            raise InputError("there is no comparison yet; personalize first")
        if not bpy.app.background:
            bpy.ops.wm.path_open(filepath=str(path))
        return str(path)


class LIKENESS_OT_synthesize(_Step):
    """Make the head frames of the range; they appear over the portrait as they are made"""

    bl_idname = "likeness.synthesize"
    bl_label = "Synthesize"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, composite.synthesize, context)


class LIKENESS_OT_align(_Step):
    """Lay the head strip over the portrait strip again, after that was moved or scaled"""

    bl_idname = "likeness.align"
    bl_label = "Align to Portrait"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, composite.align, versions.sequencer_scene(context))


class LIKENESS_OT_open_output(bpy.types.Operator):
    """Show the folder of the head frames in the system's file browser"""

    bl_idname = "likeness.open_output"
    bl_label = "Open Output Folder"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, self._open, context)

    def _open(self, context: Any) -> str:
        scene = versions.sequencer_scene(context)
        folder = composite.head_folder(active_portrait(scene), active_take(scene))
        if not folder.is_dir():
            raise InputError("there are no frames yet; synthesize first")
        if not bpy.app.background:
            bpy.ops.wm.path_open(filepath=str(folder))
        return str(folder)


CLASSES = (
    LIKENESS_OT_portrait_from_strip, LIKENESS_OT_portrait_from_files, LIKENESS_OT_portrait_remove,
    LIKENESS_OT_picture_remove, LIKENESS_OT_face_choose, LIKENESS_OT_consent_record,
    LIKENESS_OT_capture_footage, LIKENESS_OT_take_update, LIKENESS_OT_take_remove,
    LIKENESS_OT_take_set, LIKENESS_OT_test_frame, LIKENESS_OT_test_clear,
    LIKENESS_OT_personalize, LIKENESS_OT_person_remove, LIKENESS_OT_before_after,
    LIKENESS_OT_synthesize, LIKENESS_OT_align, LIKENESS_OT_open_output,
)  # fmt: skip


def register() -> None:
    registration.register_classes(*CLASSES)
    jobs.KINDS.update(
        {
            portrait.KIND: jobs.Kind("Find faces", portrait.apply_faces),
            performance.CAPTURE: jobs.Kind("Capture", performance.apply_capture),
            performance.CLEAN: jobs.Kind("Clean take", performance.apply_clean),
            animate.TEST: jobs.Kind(
                "Test frame", animate.apply_test, lays_strips=True
            ),
            animate.PERSONALIZE: jobs.Kind("Personalize", animate.apply_personalize),
            composite.KIND: jobs.Kind(
                "Synthesize", composite.apply, composite.arrived, composite.ended, lays_strips=True
            ),
        }
    )


def unregister() -> None:
    for kind in (portrait.KIND, performance.CAPTURE, performance.CLEAN, animate.TEST,
                 animate.PERSONALIZE, composite.KIND):  # fmt: skip
        jobs.KINDS.pop(kind, None)
    registration.unregister_classes(*CLASSES)
