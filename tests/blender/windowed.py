# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as in a window: operators return at once, and ticks bring what the worker made."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import bpy
import pytest

from blender_addon.composite import synthesis
from blender_addon.worker import jobs, pump


def as_in_a_window(monkeypatch: pytest.MonkeyPatch, show_seconds: float = 0) -> None:
    """For the rest of the test operators return at once, and `ticks` does the rest.

    show_seconds: how long frames are gathered before they are shown.
    """
    monkeypatch.setattr(jobs, "inline", lambda: False)
    monkeypatch.setattr(synthesis, "SHOW_SECONDS", show_seconds)
    # A window has the step "Original" from the start; Blender crashes without any.
    bpy.ops.ed.undo_push(message="Original")


def ticks(until: Callable[[], Any] = lambda: not jobs.overview(), seconds: float = 240) -> None:
    """Let the timer's turns pass until that is true; by default until all jobs have ended."""
    limit = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < limit, [str(each) for each in jobs.overview()]
        pump.tick()
        time.sleep(0.02)


def some_are_made(count: int = 1) -> bool:
    """Whether a job that runs has made that many frames."""
    return any(now.done >= count for _, _, now in jobs.overview())


def press(operator: Callable[..., Any], **how: Any) -> None:
    """As a button does: with an undo step."""
    done = operator("EXEC_DEFAULT", True, **how)
    assert done == {"FINISHED"}, (operator, done)
