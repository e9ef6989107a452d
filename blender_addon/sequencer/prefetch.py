# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's Prefetch Frames stands still while Likeness changes the file.

Prefetching renders a copy of the scene in a thread of its own and makes that copy while the thread
runs. A strip, a strip's files or a property group that is added or removed meanwhile is freed
memory to it, and Blender ends with a segmentation fault (5.2.2; the strips' thumbnails are not
concerned). So nothing is changed before the thread has ended, and while head frames are made it is
not started at all: what it renders would be thrown away with the next frames, at the worker's cost.

The person's choice is `use_prefetch` of the sequence editor. A scene in which it is switched off
for the time being says so in a property beside it, which undo and files keep together with it: so
it comes back after an undo, after a crash, and in a file that was saved meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from .. import versions

_MARK = "likeness_prefetch_waits"

_jobs: set[str] = set()
_blocks = 0


@contextmanager
def still() -> Iterator[None]:
    """No prefetching while the block changes strips or anything else of a scene."""
    global _blocks
    _blocks += 1
    settle()
    try:
        yield
    finally:
        _blocks = max(0, _blocks - 1)
        settle()


def begin(job: str) -> None:
    """No prefetching until `end` of the same job."""
    _jobs.add(job)
    settle()


def end(job: str) -> None:
    """The job changes nothing any more. Unknown ones are passed over."""
    _jobs.discard(job)
    settle()


def settle() -> None:
    """Switch prefetching off, or back on, in every scene, as jobs and blocks ask for now."""
    for scene in bpy.data.scenes:
        if scene.library is None and scene.sequence_editor is not None:
            if _jobs or _blocks:
                _stop(scene)
            else:
                _allow(scene)


def _stop(scene: bpy.types.Scene) -> None:
    editor = scene.sequence_editor
    if not editor.use_prefetch:
        return
    # First the switch, so that nothing is started again once the thread has ended.
    editor.use_prefetch = False
    setattr(scene, _MARK, True)
    _wait_for_thread(editor)


def _allow(scene: bpy.types.Scene) -> None:
    if getattr(scene, _MARK):
        setattr(scene, _MARK, False)
        scene.sequence_editor.use_prefetch = True


def _wait_for_thread(editor: bpy.types.SequenceEditor) -> None:
    """Return when the prefetching thread has ended; without a strip there is none.

    The switch alone is looked at by the thread after its next frame. Throwing away what is cached
    of a strip makes Blender wait for the thread, so that is done to the shortest one, of which
    least is cached.
    """
    found = list(versions.strips(editor))
    if found:
        shortest = min(found, key=lambda strip: versions.span(strip)[1] - versions.span(strip)[0])
        shortest.blend_alpha = shortest.blend_alpha


@bpy.app.handlers.persistent
def _file_is_written(*_: Any) -> None:
    """The file keeps the person's choice; nothing is drawn, so nothing starts, until it is done."""
    for scene in bpy.data.scenes:
        if scene.library is None and scene.sequence_editor is not None:
            _allow(scene)


@bpy.app.handlers.persistent
def _state_came(*_: Any) -> None:
    """Undo, redo, and the end of a save: the state may be of another time than the jobs."""
    settle()


@bpy.app.handlers.persistent
def _file_came(*_: Any) -> None:
    """Nothing works on this file yet; it may be one that a crash left behind."""
    _jobs.clear()
    settle()


_HANDLERS = (
    ("save_pre", _file_is_written),
    ("save_post", _state_came),
    ("save_post_fail", _state_came),
    ("undo_post", _state_came),
    ("redo_post", _state_came),
    ("load_post", _file_came),
)


def register() -> None:
    setattr(bpy.types.Scene, _MARK, bpy.props.BoolProperty(options={"HIDDEN"}))  # type: ignore[func-returns-value]
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    global _blocks
    _jobs.clear()
    _blocks = 0
    settle()
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
    delattr(bpy.types.Scene, _MARK)
