# SPDX-License-Identifier: GPL-3.0-or-later
"""What all operators have in common: undo, where they can be pressed, and how they say no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from .. import versions
from ..errors import InputError, JobError, RenderError
from ..sequencer import prefetch
from . import undo_steps

UNDO: Any = {"REGISTER", "UNDO"}


class StepOperator(bpy.types.Operator):
    """An operator of one of the four steps: it needs a scene with a sequencer's settings."""

    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return versions.sequencer_scene(context) is not None


def attempt(operator: bpy.types.Operator, work: Callable[..., str], *arguments: Any) -> set[str]:
    """Run an operator's work and report the line that it returns, or its refusal.

    What jobs that it starts will bring belongs to the operator's undo step.
    """
    try:
        with prefetch.still(), undo_steps.begun_by(operator.bl_label):
            line = work(*arguments)
    except (InputError, RenderError, JobError) as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    if line:
        operator.report({"INFO"}, line)
    return {"FINISHED"}
