# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as one frame wants it: its teeth as they look there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.head.source import HeadSource
from inference.mouth.look import TeethLook
from inference.mouth.paint import TEETH, tinted
from inference.mouth.plate import TeethPlate
from inference.scene import Scene
from inference.warp.mouths import OpenMouth
from inference.warp.warp import WarpSource

Change = Callable[[WarpSource], WarpSource]


def with_teeth(scene: Scene, frame: int) -> Scene:
    """The scene, its teeth as they look in a frame."""
    teeth = scene.teeth
    look = teeth.looks.at(frame)
    number, width = look.picture, scene.portrait.box.width
    full = _dress(look, teeth.plate, teeth.lent.get(number), width, teeth.grain)
    small = _dress(look, teeth.small_plate, teeth.small_lent.get(number))
    ground = scene.ground and replace(
        scene.ground, full=_head(scene.ground.full, full), small=_head(scene.ground.small, small)
    )
    pictures = scene.pictures and replace(
        scene.pictures,
        further=tuple(
            replace(each, full=_head(each.full, full), small=_head(each.small, small))
            for each in scene.pictures.further
        ),
    )
    return replace(
        scene,
        full=full(scene.full),
        small=small(scene.small),
        ground=ground,
        pictures=pictures,
    )


def _head(head: HeadSource, change: Change) -> HeadSource:
    return replace(head, person=change(head.person))


def _dress(
    look: TeethLook,
    plate: TeethPlate | None,
    mouth: OpenMouth | None,
    width: int = 0,
    grain: NDArray[np.float32] | None = None,
) -> Change:
    """How a picture to move is changed for one look of the teeth. width: of the crop that `mouth`
    fits to; 0: it fits. grain: of the portrait.
    """

    def change(source: WarpSource) -> WarpSource:
        # A further picture may be kept smaller than the crop.
        lends = mouth and mouth.resized(source.size[0] / (width or source.size[0]))
        own = (replace(source, mouth=lends) if lends else source).own_teeth
        palette = source.palette.copy()
        colour = palette[TEETH] + own.share * (own.colour - palette[TEETH])
        top = np.iinfo(source.pixels.dtype).max
        palette[TEETH] = np.minimum(tinted(colour, look), top)
        place = replace(source.place, look=look, plate=plate, own=own.share)
        return replace(
            source, palette=palette, place=place, mouth=lends or source.mouth, grain=grain
        )

    return change
