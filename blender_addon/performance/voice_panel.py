# SPDX-License-Identifier: GPL-3.0-or-later
"""Performance from speech in the sidebar: the transcript, the manner, the button."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty, StringProperty

from .. import registration, versions
from ..panel_parts import StepPanel, big_button, draw_hint
from ..properties import settings
from ..sequencer.strips import active_strip
from ..storage import folders
from ..worker import jobs, status
from ..worker.operator_parts import StepOperator, attempt
from . import voice

_STYLES = (
    ("calm", "Calm", "The mouth opens little"),
    ("plain", "Plain", "As people mostly talk"),
    ("lively", "Lively", "Wide, with brows and head"),
)


class LikenessSpeech(bpy.types.PropertyGroup):
    """How a voice becomes a take; on the scene."""

    text: StringProperty(
        name="Transcript",
        description="What is said, in English; with it the lips meet where they should",
    )
    timed: StringProperty(
        name="Timed Text",
        subtype="FILE_PATH",
        description="In any language: lines of 'start end label', a TextGrid, Rhubarb's TSV or "
        "JSON, Papagayo's .dat; it goes before the transcript",
    )
    style: EnumProperty(name="Style", items=_STYLES, default="plain")
    idle: FloatProperty(
        name="Idle",
        description="Blinks, glances, brows, nods and breathing; 0: the mouth alone moves",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
    )
    keep: BoolProperty(
        name="Mouth Only",
        description="A copy of the active take gets this mouth; all else stays the actor's",
    )


class LIKENESS_OT_speech(StepOperator):
    """Make a take of the active sound strip: the face says what is heard"""

    bl_idname = "likeness.speech"
    bl_label = "From Speech"

    strip: StringProperty(
        description="Name of the sound strip; empty: the active one", options={"SKIP_SAVE"}
    )
    filepath: StringProperty(
        subtype="FILE_PATH", description="A file instead of a strip", options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, self._speak, context)

    def _speak(self, context: bpy.types.Context) -> str:
        scene = versions.sequencer_scene(context)
        chosen: Any = scene.likeness_speech  # type: ignore[attr-defined]
        if self.filepath:
            spoken = voice.voice_of_file(scene, folders.absolute(self.filepath))
        else:
            spoken = voice.voice_of_strip(scene, self.strip)
        manner = voice.Manner(chosen.text, chosen.timed, chosen.style, chosen.idle, chosen.keep)
        return voice.speak(context, spoken, manner)


class LIKENESS_PT_speech(StepPanel):
    bl_label = "From Speech"
    bl_parent_id = "LIKENESS_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = scene.likeness_speech  # type: ignore[attr-defined]
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(chosen, "text")
        column.prop(chosen, "timed")
        column.prop(chosen, "style")
        column.prop(chosen, "idle")
        kept = column.row()
        kept.enabled = len(settings(scene).takes) > 0
        kept.prop(chosen, "keep")
        strip = active_strip(scene)
        missing = "" if strip is not None and strip.type == "SOUND" else "Select the sound strip"
        big_button(layout, "likeness.speech", "SPEAKER", missing)
        draw_hint(layout, missing)
        status.draw_jobs(layout, context, (voice.KIND,))


CLASSES = (LikenessSpeech, LIKENESS_OT_speech, LIKENESS_PT_speech)


def register() -> None:
    registration.register_classes(*CLASSES)
    bpy.types.Scene.likeness_speech = PointerProperty(type=LikenessSpeech)  # type: ignore[attr-defined, func-returns-value]
    jobs.KINDS[voice.KIND] = jobs.Kind("Speech", voice.apply_speech)


def unregister() -> None:
    jobs.KINDS.pop(voice.KIND, None)
    del bpy.types.Scene.likeness_speech  # type: ignore[attr-defined]
    registration.unregister_classes(*CLASSES)
