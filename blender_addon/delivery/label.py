# SPDX-License-Identifier: GPL-3.0-or-later
"""A label that people see: a text strip above all others, from the first frame on."""

from __future__ import annotations

from typing import Any

import bpy

from .. import versions
from ..errors import InputError

TAG = "likeness_label"
WORDS = "AI MODIFIED"
CORNERS = (
    ("TOP_LEFT", "Top Left", ""), ("TOP_RIGHT", "Top Right", ""),
    ("BOTTOM_LEFT", "Bottom Left", ""), ("BOTTOM_RIGHT", "Bottom Right", ""),
)  # fmt: skip
_INSET = 0.03  # of the picture's sides
_SHARE = 0.035  # of the picture's height, for the letters


def add_label(scene: bpy.types.Scene, words: str, corner: str, seconds: float) -> str:
    """Lay the label over the scene's range, or over its first seconds; 0: always.

    A label that is there already is changed, not doubled.
    """
    if not words.strip():
        raise InputError("the label has no words; write some, such as AI MODIFIED")
    editor = scene.sequence_editor
    if editor is None or not len(versions.all_strips(editor)):
        raise InputError("there is nothing on the sequencer that a label could lie over")
    begin, end = scene.frame_start, scene.frame_end + 1
    if seconds > 0:
        rate = scene.render.fps / scene.render.fps_base
        end = min(end, begin + max(1, round(seconds * rate)))
    there = [strip for strip in versions.all_strips(editor) if strip.get(TAG)]
    if there:
        strip: Any = there[0]
        versions.set_span(strip, begin, end)
    else:
        channel = max(strip.channel for strip in versions.strips(editor)) + 1
        strip = versions.new_text(editor, "Label", channel, begin, end)
        strip[TAG] = True
    strip.text = words.strip()
    strip.font_size = max(8, round(_SHARE * scene.render.resolution_y))
    up, side = corner.split("_")
    strip.location = (
        _INSET if side == "LEFT" else 1 - _INSET, 1 - _INSET if up == "TOP" else _INSET
    )  # fmt: skip
    strip.anchor_x, strip.anchor_y = side, up
    strip.use_box, strip.box_color = True, (0, 0, 0, 0.6)
    strip.color = (1, 1, 1, 1)
    return f"'{strip.text}' from frame {begin} to {end - 1}"
