# SPDX-License-Identifier: GPL-3.0-or-later
"""The named controls of a face: what an animator moves, and what a performance is expressed in.

"Left" and "right" are the person's own, as riggers use them; only gaze_x goes by the picture.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """One control; 0 is the face at rest, 1 the strong end seen in real people.

    region: the part of the face it belongs to (mouth, eyes, brows, cheeks or gaze).
    mirror: the control that does the same in the mirror image; its own name if it is symmetric.
    mirror_sign: -1 where the mirror image has the opposite value.
    """

    name: str
    low: float
    high: float
    region: str
    mirror: str
    meaning: str
    mirror_sign: int = 1


def _one(name: str, region: str, meaning: str) -> tuple[Control, ...]:
    return (Control(name, 0.0, 1.0, region, name, meaning),)


def _pair(name: str, region: str, meaning: str) -> tuple[Control, ...]:
    left, right = f"{name}_left", f"{name}_right"
    return (
        Control(left, 0.0, 1.0, region, right, meaning.format("left")),
        Control(right, 0.0, 1.0, region, left, meaning.format("right")),
    )


# The order is part of the file format.
CONTROLS: tuple[Control, ...] = (
    *_one("jaw_open", "mouth", "the jaw drops and the lips part"),
    *_one("lips_together", "mouth", "the lips press on each other and roll in"),
    *_one("mouth_wide", "mouth", "both corners are drawn outwards"),
    *_one("mouth_narrow", "mouth", "both corners come in and the lips push forward, as for 'oo'"),
    *_one("mouth_up", "mouth", "the whole mouth moves up"),
    *_one("mouth_down", "mouth", "the whole mouth moves down"),
    *_pair("mouth", "mouth", "the whole mouth moves to the person's {}"),
    *_one("upper_lip_raise", "mouth", "the upper lip rises and shows the upper teeth"),
    *_one("lower_lip_drop", "mouth", "the lower lip drops and shows the lower teeth"),
    *_pair("smile", "mouth", "the {} corner of the mouth goes up and outwards"),
    *_pair("frown", "mouth", "the {} corner of the mouth goes down"),
    *_pair("brow_up", "brows", "the {} brow rises"),
    *_pair("brow_down", "brows", "the {} brow sinks"),
    *_one("brows_together", "brows", "the inner ends of the brows come together"),
    *_pair("blink", "eyes", "the lids of the {} eye close"),
    *_one("eyes_wide", "eyes", "both eyes open wider than at rest"),
    *_one("cheek_raise", "cheeks", "both cheeks rise towards the lower lids"),
    Control("gaze_x", -1.0, 1.0, "gaze", "gaze_x",
            "both eyes look to the picture's right (1) or left (-1)", -1),
    Control("gaze_y", -1.0, 1.0, "gaze", "gaze_y", "both eyes look up (1) or down (-1)"),
)  # fmt: skip

CONTROL_NAMES: tuple[str, ...] = tuple(control.name for control in CONTROLS)

# Controls that undo each other: a face shows one of the two.
OPPOSITES: tuple[tuple[str, str], ...] = (
    ("mouth_wide", "mouth_narrow"),
    ("mouth_up", "mouth_down"),
    ("mouth_left", "mouth_right"),
    ("smile_left", "frown_left"),
    ("smile_right", "frown_right"),
    ("brow_up_left", "brow_down_left"),
    ("brow_up_right", "brow_down_right"),
    ("eyes_wide", "blink_left"),
    ("eyes_wide", "blink_right"),
)
