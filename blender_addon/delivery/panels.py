# SPDX-License-Identifier: GPL-3.0-or-later
"""After the four steps: what goes with a delivery."""

from __future__ import annotations

import bpy

from .. import registration
from ..panel_parts import StepPanel
from ..worker import status
from . import signing


class LIKENESS_PT_delivery(StepPanel):
    bl_label = "Delivery"
    bl_order = 4
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("likeness.label_add", icon="FONT_DATA")
        row = layout.row(align=True)
        row.operator("likeness.sign_frames", icon="LOCKED")
        row.operator("likeness.sign_delivery", text="Movie")
        layout.operator("likeness.verify", icon="VIEWZOOM")
        status.draw_jobs(layout, context, (signing.SIGN, signing.VERIFY))


CLASSES = (LIKENESS_PT_delivery,)


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
