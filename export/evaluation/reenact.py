# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the evaluated frames, by the very steps of `inference.synthesis`: self and cross.

Self: the clip's own landmarks where they lie. Cross: its motion on another person's picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.evaluation.clips import EvaluationClip
from export.evaluation.measures import Area
from inference.composite import feather
from inference.generator.contract import ALPHA_UNTRAINED, FLOW_STRIDE
from inference.generator.identity import embedder_input, person_vector
from inference.generator.model import Generator, GeneratorOutput
from inference.layers.layers import portrait_layers
from inference.merge.further import Further, further_pictures
from inference.merge.merged import gather
from inference.performance.retargeting.retarget import Retarget, retarget_relative
from inference.pictures import StillPicture
from inference.portrait import Portrait, crop_box
from inference.render import StageClock, render_frame
from inference.scene import Scene, build_ground
from inference.track import fill_gaps
from inference.warp.mesh import build_mesh
from inference.warp.mouths import open_mouth
from inference.warp.warp import warp_source

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

METHODS = ("source", "warp", "generator")
PERSONALIZED = "personalized"  # beside METHODS, where people were fine-tuned on


class WarpOnly(Generator):
    """Answers what an untrained network does: the warp as it is."""

    def run(
        self, picture: NDArray[np.float32], identity: NDArray[np.float32] | None = None
    ) -> GeneratorOutput:
        coarse = self.size // FLOW_STRIDE
        return GeneratorOutput(
            np.zeros((coarse, coarse, 2), np.float32),
            np.ascontiguousarray(picture[:3].transpose(1, 2, 0)),
            np.full((self.size, self.size), ALPHA_UNTRAINED, np.float32),
            np.ones((self.size, self.size), np.float32),
        )


@dataclass(frozen=True)
class MadeFrame:
    """frame: of the driving clip. wanted: (478, 3), where the landmarks ought to be.

    pictures: by method, of the size of the sources' pictures. source: (478, 3), the landmarks of
    the picture that was moved.
    """

    frame: int
    wanted: Points
    source: Points
    pictures: dict[str, Picture]


def warp_only(generator: Generator) -> WarpOnly:
    """The pure mesh warp in the place of a generator, working at its size."""
    return WarpOnly(**{field.name: getattr(generator, field.name) for field in fields(generator)})


def crop_in_picture(clip: EvaluationClip) -> Area:
    """The part of the clip's pictures that a head layer covers."""
    width, height = clip.track.size
    box = crop_box(clip.track.points[clip.sources[0]], clip.track.size)
    return (
        slice(max(0, box.y), min(height, box.y + box.height)),
        slice(max(0, box.x), min(width, box.x + box.width)),
    )


def reenact_self(
    clip: EvaluationClip, shots: int, generator: Generator, personal: Generator | None = None
) -> Iterator[MadeFrame]:
    """The clip's targets, from its first `shots` sources, the first of which leads.

    personal: the person's own generator, of the same size.
    """
    pictures = [source_portrait(clip, frame) for frame in clip.sources[:shots]]

    def retarget(frame: int) -> Points:
        return clip.track.points[frame]

    scene = _scene(pictures, retarget, generator)
    for frame in clip.targets:
        yield _made(scene, frame, retarget(frame), personal)


def reenact_other(
    driver: EvaluationClip,
    person: EvaluationClip,
    generator: Generator,
    personal: Generator | None = None,
) -> Iterator[MadeFrame]:
    """The first source picture of `person` moved as `driver` moves in its targets."""
    portrait = source_portrait(person, person.sources[0])
    retarget = retarget_relative(portrait.points, fill_gaps(driver.track))
    scene = _scene([portrait], retarget, generator)
    for frame in driver.targets:
        yield _made(scene, frame, retarget(frame), personal)


def _made(scene: Scene, frame: int, wanted: Points, personal: Generator | None) -> MadeFrame:
    clock = StageClock()
    by = {"warp": warp_only(scene.generator), "generator": scene.generator}
    if personal is not None:
        by[PERSONALIZED] = personal
    made = {"source": scene.portrait.picture.rgb8()}
    for method, generator in by.items():
        rgb, _ = render_frame(replace(scene, generator=generator), frame, clock)
        made[method] = rgb.astype(np.uint8, copy=False)
    return MadeFrame(frame, wanted, scene.portrait.points, made)


def source_portrait(clip: EvaluationClip, frame: int) -> Portrait:
    """A source frame of a clip as a portrait."""
    picture, points = StillPicture(clip.pictures[frame], None), clip.track.points[frame]
    return Portrait(Path(clip.name), picture, points, crop_box(points, clip.track.size))


def _scene(pictures: Sequence[Portrait], retarget: Retarget, generator: Generator) -> Scene:
    """As `inference.scene.build_scene` makes it, of pictures that need not be files."""
    portrait, others = pictures[0], pictures[1:]
    crop, points = portrait.crop(), portrait.crop_points()
    layers = portrait_layers(portrait)
    ground, mouth = None, None
    further: list[Further] = []
    if layers.fallback:
        mouth = open_mouth(portrait, others)
    else:
        ground = build_ground(portrait, layers, generator.size)
        opened = [lambda each=each: each for each in others]
        further, _ = further_pictures(portrait, ground.full, opened, generator.size)
    return Scene(
        portrait=portrait,
        retarget=retarget,
        generator=generator,
        identity=person_vector(generator, [embedder_input(picture) for picture in pictures]),
        mesh=build_mesh(points, (portrait.box.width, portrait.box.height)),
        small=warp_source(crop, points, (generator.size, generator.size), mouth),
        full=warp_source(crop, points, mouth=mouth),
        alpha=feather(portrait),
        layer="full",
        ground=ground,
        pictures=gather(ground.full, further) if ground and further else None,
    )
