# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's mattes: the moving person and its parts, and what the portrait never showed.

The portrait's parts (`inference.head.parts`) are drawn as its colours are: the same mesh, the
same sheet at the back of the head, the same neck. So a part's edge lies where the picture's does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.exr import encode_exr_channels
from inference.head.frame import HeadFrame, HeadPose, draw_head
from inference.head.parts import HAIR, SKIN, find_parts
from inference.head.source import HeadSource
from inference.layers.layers import Layers
from inference.portrait import Portrait
from inference.warp.moved import Origins

Plane = NDArray[np.float32]
Half = NDArray[np.float16]

# The channels, and what a viewer without layers shows of them.
CHANNELS = ("person", "face", "hair", "skin", "unseen")
_SHOWN_AS = {"R": "face", "G": "hair", "B": "skin", "A": "person"}


@dataclass(frozen=True)
class PartLabels:
    """The portrait's parts, made once. source: the head with its parts for colours (SKIN, HAIR and
    BODY of 255). still: of the whole portrait, by channel (H, W), where nothing moves; None where
    frames are of the crop.
    """

    source: HeadSource
    still: Mapping[str, Half] | None


def label_parts(portrait: Portrait, layers: Layers, head: HeadSource, whole: bool) -> PartLabels:
    """head: of the crop's own size. whole: frames are of the portrait's size, not the crop's."""
    parts = find_parts(portrait, layers.alpha)
    source = replace(head, person=replace(head.person, pixels=parts.in_crop(portrait.box)))
    if not whole:
        return PartLabels(source, None)
    alpha = (layers.alpha / np.float32(np.iinfo(layers.alpha.dtype).max)).astype(np.float16)
    shares = parts.in_picture(portrait.picture.size)
    still = {"person": alpha}
    for name, part in (("hair", HAIR), ("skin", SKIN)):
        still[name] = (alpha * (shares[..., part] / np.float32(255))).astype(np.float16)
    still["face"] = still["unseen"] = np.zeros_like(alpha)
    return PartLabels(source, still)


def draw_mattes(
    labels: PartLabels,
    portrait: Portrait,
    pose: HeadPose,
    frame: HeadFrame,
    region: Plane,
    edge: Plane,
    residual: Plane | None,
) -> dict[str, Half]:
    """The frame's `CHANNELS`, 0 to 1, of the crop or of the whole portrait: (H, W) each.

    frame: the drawn head. region: (h, w) the face's own, of the crop. edge: (h, w) the head layer's
    own alpha, 0 to 1, beyond which nothing moves. residual: as the frame was drawn with.
    """
    skin, hair = _shares(labels.source, pose, frame.origins, residual)
    np.maximum(skin, region, out=skin)
    np.minimum(hair, 1 - skin, out=hair)
    person = frame.alpha
    unseen = np.clip(frame.unseen, 0, 1)
    moved = {"face": region, "hair": hair, "skin": skin, "unseen": unseen}
    moved = {"person": person} | {name: plane * person for name, plane in moved.items()}
    if labels.still is None:
        return {name: (plane * edge).astype(np.float16) for name, plane in moved.items()}
    left, top, right, bottom = portrait.visible()
    box = portrait.box
    here = np.s_[box.y + top : box.y + bottom, box.x + left : box.x + right]
    part = np.s_[top:bottom, left:right]
    whole = {}
    for name, plane in moved.items():
        laid = labels.still[name].copy()
        below = laid[here].astype(np.float32)
        laid[here] = below + edge[part] * (plane[part] - below)
        whole[name] = laid
    return whole


def encode_mattes(channels: Mapping[str, Half]) -> bytes:
    """An EXR file with each channel as a layer of one channel, and RGBA for plain viewers."""
    named = {f"{name}.A": plane for name, plane in channels.items()}
    named |= {shown: channels[name] for shown, name in _SHOWN_AS.items()}
    said = ", ".join(f"{shown}: {name}" for shown, name in _SHOWN_AS.items())
    return encode_exr_channels(named, f"mattes, 0 to 1, no colours. {said}")


def _shares(
    source: HeadSource, pose: HeadPose, origins: Origins, residual: Plane | None
) -> tuple[Plane, Plane]:
    """How much of what is drawn is skin and hair, (H, W) each, 1 at most together."""
    sheet, neck = pose.sheet, pose.neck
    if sheet:  # its light is no matter of parts
        sheet = replace(sheet, gain=np.ones_like(sheet.gain))
    if neck:
        colours = np.zeros_like(neck.colours)
        colours[..., SKIN] = 255
        neck = replace(neck, colours=colours)
    bare = replace(pose, sheet=sheet, neck=neck)
    linear = cv2.INTER_LINEAR
    drawn = draw_head(source, bare, residual, linear, [], origins, know=False).pixels
    total = np.maximum(drawn.sum(axis=2, dtype=np.uint16), 1).astype(np.float32)
    return drawn[..., SKIN] / total, drawn[..., HAIR] / total
