# SPDX-License-Identifier: GPL-3.0-or-later
"""How operators say no: one clear line in Blender's own report, and nothing was changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import InputError, JobError, RenderError
from .sequencer import prefetch
from .worker import undo_steps


def attempt(operator: Any, work: Callable[..., str], *arguments: Any) -> set[str]:
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
