# SPDX-License-Identifier: GPL-3.0-or-later
"""What each of ARKit's 52 coefficients does to the controls, and why; one table to read and edit.

A control is the sum of its coefficients times their shares, held within its range. ARKit's "left"
and "right" are the person's own, as those of the controls are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """`share` of a coefficient is added to a control; no control: the coefficient has no effect."""

    coefficient: str
    control: str
    share: float
    why: str


_DOWN_LID = "lids follow the eye down; EyeBlink tells it already"
_UNSEEN = "hardly moves a landmark that a portrait shows"

# fmt: off
MAPPING: tuple[Share, ...] = (
    Share("EyeBlinkLeft", "blink_left", 1.0, "the same movement"),
    Share("EyeBlinkRight", "blink_right", 1.0, "the same movement"),
    Share("EyeLookDownLeft", "gaze_y", -0.5, "one gaze for both eyes; " + _DOWN_LID),
    Share("EyeLookDownRight", "gaze_y", -0.5, "one gaze for both eyes; " + _DOWN_LID),
    Share("EyeLookUpLeft", "gaze_y", 0.5, "one gaze for both eyes"),
    Share("EyeLookUpRight", "gaze_y", 0.5, "one gaze for both eyes"),
    Share("EyeLookInLeft", "gaze_x", -0.5, "the left eye looks at the nose: the picture's left"),
    Share("EyeLookOutLeft", "gaze_x", 0.5, "the left eye looks outwards: the picture's right"),
    Share("EyeLookInRight", "gaze_x", 0.5, "the right eye looks at the nose: the picture's right"),
    Share("EyeLookOutRight", "gaze_x", -0.5, "the right eye looks outwards: the picture's left"),
    Share("EyeSquintLeft", "cheek_raise", 0.3, "a squint comes from the cheek and the lower lid"),
    Share("EyeSquintRight", "cheek_raise", 0.3, "a squint comes from the cheek and the lower lid"),
    Share("EyeSquintLeft", "blink_left", 0.15, "and narrows the eye a little"),
    Share("EyeSquintRight", "blink_right", 0.15, "and narrows the eye a little"),
    Share("EyeWideLeft", "eyes_wide", 0.5, "one control for both eyes"),
    Share("EyeWideRight", "eyes_wide", 0.5, "one control for both eyes"),
    Share("JawForward", "", 0.0, _UNSEEN + " from the front"),
    Share("JawLeft", "mouth_left", 0.5, "the mouth goes along with the jaw, less far"),
    Share("JawRight", "mouth_right", 0.5, "the mouth goes along with the jaw, less far"),
    Share("JawOpen", "jaw_open", 1.0, "the same movement"),
    Share("MouthClose", "jaw_open", -0.9, "lips stay shut over an open jaw: shut lips are seen"),
    Share("MouthClose", "lips_together", 0.2, "and they press a little"),
    Share("MouthFunnel", "mouth_narrow", 0.6, "an open 'oh' is narrower"),
    Share("MouthFunnel", "upper_lip_raise", 0.15, "its lips turn outwards"),
    Share("MouthFunnel", "lower_lip_drop", 0.2, "its lips turn outwards"),
    Share("MouthPucker", "mouth_narrow", 1.0, "a kiss, an 'oo'"),
    Share("MouthLeft", "mouth_left", 1.0, "the same movement"),
    Share("MouthRight", "mouth_right", 1.0, "the same movement"),
    Share("MouthSmileLeft", "smile_left", 1.0, "the same movement"),
    Share("MouthSmileRight", "smile_right", 1.0, "the same movement"),
    Share("MouthFrownLeft", "frown_left", 1.0, "the same movement"),
    Share("MouthFrownRight", "frown_right", 1.0, "the same movement"),
    Share("MouthDimpleLeft", "mouth_wide", 0.25, "corners are drawn outwards and in"),
    Share("MouthDimpleRight", "mouth_wide", 0.25, "corners are drawn outwards and in"),
    Share("MouthStretchLeft", "mouth_wide", 0.5, "one side of a wide mouth"),
    Share("MouthStretchRight", "mouth_wide", 0.5, "one side of a wide mouth"),
    Share("MouthRollLower", "lips_together", 0.5, "the lower lip rolls in"),
    Share("MouthRollUpper", "lips_together", 0.5, "the upper lip rolls in"),
    Share("MouthShrugLower", "mouth_up", 0.5, "the chin pushes the mouth up"),
    Share("MouthShrugUpper", "mouth_up", 0.3, "the upper lip goes up with it"),
    Share("MouthPressLeft", "lips_together", 0.3, "lips press on each other"),
    Share("MouthPressRight", "lips_together", 0.3, "lips press on each other"),
    Share("MouthLowerDownLeft", "lower_lip_drop", 0.5, "one control for both sides"),
    Share("MouthLowerDownRight", "lower_lip_drop", 0.5, "one control for both sides"),
    Share("MouthUpperUpLeft", "upper_lip_raise", 0.5, "one control for both sides"),
    Share("MouthUpperUpRight", "upper_lip_raise", 0.5, "one control for both sides"),
    Share("BrowDownLeft", "brow_down_left", 1.0, "the same movement"),
    Share("BrowDownRight", "brow_down_right", 1.0, "the same movement"),
    Share("BrowDownLeft", "brows_together", 0.35, "lowered brows come together"),
    Share("BrowDownRight", "brows_together", 0.35, "lowered brows come together"),
    Share("BrowInnerUp", "brow_up_left", 0.5, "the inner half of both brows"),
    Share("BrowInnerUp", "brow_up_right", 0.5, "the inner half of both brows"),
    Share("BrowOuterUpLeft", "brow_up_left", 0.6, "the outer half"),
    Share("BrowOuterUpRight", "brow_up_right", 0.6, "the outer half"),
    Share("CheekPuff", "", 0.0, _UNSEEN + ": the cheek has no contour"),
    Share("CheekSquintLeft", "cheek_raise", 0.5, "one control for both cheeks"),
    Share("CheekSquintRight", "cheek_raise", 0.5, "one control for both cheeks"),
    Share("NoseSneerLeft", "upper_lip_raise", 0.2, "a sneer lifts the lip beside the nose"),
    Share("NoseSneerRight", "upper_lip_raise", 0.2, "a sneer lifts the lip beside the nose"),
    Share("NoseSneerLeft", "brow_down_left", 0.2, "and draws the brow down"),
    Share("NoseSneerRight", "brow_down_right", 0.2, "and draws the brow down"),
    Share("TongueOut", "", 0.0, "there are no landmarks on the tongue"),
)
# fmt: on

# The head's rotation, in radians: the column, which of the project's angles it is, and its sign.
# HeadYaw grows towards the picture's right, HeadPitch upwards, HeadRoll against the clock.
HEAD = (("HeadYaw", 1), ("HeadPitch", 1), ("HeadRoll", -1))

COEFFICIENTS = tuple(dict.fromkeys(share.coefficient for share in MAPPING))
