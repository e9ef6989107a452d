# SPDX-License-Identifier: GPL-3.0-or-later
"""Consent for several portraits on one sheet."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bpy.props import CollectionProperty, EnumProperty, StringProperty

from .. import registration, versions
from ..errors import InputError
from ..items import BASES, CONSENT_NOTE, NO_BASIS
from ..properties import find_portrait, settings
from ..worker.operator_parts import StepOperator, attempt
from . import portraits


class LikenessConsentRow(bpy.types.PropertyGroup):
    """One portrait's note; its name is the portrait's."""

    uid: StringProperty()
    who: StringProperty(name="Whose Face", description="Name of the person who is shown")
    basis: EnumProperty(
        name="Basis",
        description="On what ground this face may be animated",
        items=BASES,
        default=NO_BASIS,
    )
    note: StringProperty(name="Note", description=CONSENT_NOTE)


class LIKENESS_OT_consent_sheet(StepOperator):
    """Say of every portrait without consent whose face it is and why it may be animated"""

    bl_idname = "likeness.consent_sheet"
    bl_label = "Record Consent for All"

    rows: CollectionProperty(type=LikenessConsentRow, options={"SKIP_SAVE"})

    # What was typed when OK was refused, by portrait: nobody should have to type it again.
    _typed: ClassVar[dict[str, tuple[str, str, str]]] = {}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self.rows.clear()
        for portrait in settings(versions.sequencer_scene(context)).portraits:
            if portraits.consent_missing(portrait):
                row = self.rows.add()
                row.name, row.uid = portrait.name, portrait.uid
                kept = portrait.consent_who, NO_BASIS, portrait.consent_note
                row.who, row.basis, row.note = self._typed.pop(row.uid, kept)
        return set(context.window_manager.invoke_props_dialog(self, width=420))

    def draw(self, _context: bpy.types.Context) -> None:
        for row in self.rows:
            box = self.layout.box()
            box.label(text=row.name, icon="USER")
            column = box.column()
            column.use_property_split, column.use_property_decorate = True, False
            for name in ("who", "basis", "note"):
                column.prop(row, name)
        self.layout.label(text="Rows without a name or a basis stay open", icon="INFO")

    def execute(self, context: bpy.types.Context) -> set[str]:
        done = attempt(self, self._record)
        if "CANCELLED" in done:
            self._typed.update((row.uid, (row.who, row.basis, row.note)) for row in self.rows)
        return done

    def _record(self) -> str:
        filled = [row for row in self.rows if row.who.strip() and row.basis != NO_BASIS]
        if not filled:
            raise InputError("no row has a name and a basis; say whose faces these are")
        for row in filled:  # all of them, before any is kept
            portrait = find_portrait(row.uid)
            try:
                portraits.check_consent(portrait, row.who, row.basis, row.note)
            except InputError as error:
                raise InputError(f"'{portrait.name}': {error}") from None
        for row in filled:
            portraits.record_consent(find_portrait(row.uid), row.who, row.basis, row.note)
        left = len(self.rows) - len(filled)
        return f"Consent kept for {len(filled)}" + (f", {left} still open" if left else "")


CLASSES = (LikenessConsentRow, LIKENESS_OT_consent_sheet)


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
