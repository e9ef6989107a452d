# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the live picture over the sequencer's preview, where the portrait lies. It only reads."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import versions
from ..overlay import geometry
from ..overlay.drawing import measured
from ..overlay.strips import place_of, size_of, strip_of
from . import session

# Where in the texture the corners of `corners` are.
_PICTURE = np.array([(0, 1), (1, 1), (1, 0), (0, 0)], np.float32)
_FAR = 1000.0  # view units, as the other overlay measures

_handlers: list[Any] = []
_failed = ""  # the job whose pictures could not be drawn
_shown: dict[str, Any] = {"serial": 0, "job": "", "texture": None}
# Milliseconds of the processor that the last pictures took in the main thread.
costs: deque[float] = deque(maxlen=250)


def draw() -> None:
    """Blender's callback."""
    global _failed
    run = session.current()
    if run is None or run.asked is not None or run.job == _failed:
        _shown["texture"] = None
        return
    begun = time.thread_time()
    try:
        _draw(run)
    except Exception as error:  # one that raises would fire again with every redraw
        _failed = run.job
        print(f"Likeness: live is not drawn: {type(error).__name__}: {error}", file=sys.stderr)
    costs.append(1000 * (time.thread_time() - begun))


def _draw(run: session.Session) -> None:
    import gpu  # not to be had without a window

    serial = run.feed.serial
    if (serial, run.job) != (_shown["serial"], _shown["job"]) or _shown["texture"] is None:
        pixels = run.feed.picture()
        if pixels is None:
            return
        # Here, where there is a context of the graphics card, and not in the timer.
        height, width = pixels.shape[:2]
        types: Any = gpu.types
        # 8 bits are not taken, and half floats are converted in 1.6 ms instead of 0.2.
        data = types.Buffer("FLOAT", width * height * 4, pixels.reshape(-1))
        _shown["texture"] = types.GPUTexture((width, height), format="RGBA32F", data=data)
        _shown["serial"], _shown["job"] = serial, run.job
        _shown["size"] = width, height
    _paint(corners(bpy.context, run.strip, _shown["size"]))


def corners(context: bpy.types.Context, target: str, size: tuple[int, int]) -> NDArray[np.floating]:
    """Where the picture's corners lie in the region (4, 2): left top, right top, right bottom, left
    bottom. Over the portrait's strip, or where there is none in the middle of the frame."""
    scene = versions.sequencer_scene(context)
    space: Any = context.space_data
    view = measured(context.region.view2d, _FAR)
    view[0, 0] *= scene.render.pixel_aspect_x / scene.render.pixel_aspect_y
    strip = strip_of(scene, target) if scene.sequence_editor else None
    own = size_of(strip) if strip is not None else None
    if strip is not None and own is not None:
        width, height = own
        points = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
        placed = geometry.on_frame(points, place_of(strip, own, scene.render, space))
    else:
        out = np.array([scene.render.resolution_x, scene.render.resolution_y], np.float64)
        half = np.array(size) * (out / size).min() / 2
        placed = half * np.array([(-1, 1), (1, 1), (1, -1), (-1, -1)])
    return geometry.on_screen(placed, view)


def _paint(where: NDArray[np.floating]) -> None:
    import gpu

    types: Any = gpu.types
    shape = types.GPUVertFormat()
    shape.attr_add(id="pos", comp_type="F32", len=2, fetch_mode="FLOAT")
    shape.attr_add(id="texCoord", comp_type="F32", len=2, fetch_mode="FLOAT")
    # Two triangles: left bottom, right bottom, right top, and so back.
    order = [3, 2, 1, 3, 1, 0]
    buffer = types.GPUVertBuf(shape, len(order))
    buffer.attr_fill("pos", np.ascontiguousarray(where[order], np.float32))
    buffer.attr_fill("texCoord", _PICTURE[order])
    shader = gpu.shader.from_builtin("IMAGE")
    shader.uniform_sampler("image", _shown["texture"])
    types.GPUBatch(type="TRIS", buf=buffer).draw(shader)


def register() -> None:
    if not bpy.app.background and not _handlers:
        space = bpy.types.SpaceSequenceEditor
        _handlers.append(space.draw_handler_add(draw, (), "PREVIEW", "POST_PIXEL"))


def unregister() -> None:
    global _failed
    _failed, _shown["texture"] = "", None
    while _handlers:
        bpy.types.SpaceSequenceEditor.draw_handler_remove(_handlers.pop(), "PREVIEW")
