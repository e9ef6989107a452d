# SPDX-License-Identifier: GPL-3.0-or-later
"""What all frames of a synthesis share: portrait, network, colours, the head and its ground."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.appearance import face_features
from inference.colour.grade import Grade
from inference.colour.match import ColourMatch, check_match, colour_match, graded_portrait
from inference.composite import Pixels, feather
from inference.consent import check_consent, check_covers
from inference.errors import InputError
from inference.generator.identity import embedder_input, person_vector
from inference.generator.model import Generator, load_generator
from inference.generator.person import open_person
from inference.head.source import HeadSource, build_head, crop_of, resized, rgb8
from inference.jobs import FORMATS, LAYERS, MATTES, TRANSFERS, SynthesizeJob
from inference.landmarks import OVAL
from inference.layers.layers import Layers, portrait_layers
from inference.layers.plate import find_hole
from inference.layers.trimap import make_face
from inference.mark.embed import SkinMark, check_strength, skin_mark
from inference.mattes import PartLabels, label_parts
from inference.merge.further import Further, further_pictures
from inference.merge.merged import Pictures, gather
from inference.merge.others import OtherPicture, find_others
from inference.merge.strangers import strangers
from inference.performance.retargeting.gains import check_gains
from inference.performance.retargeting.motion import Motion, track_motion
from inference.performance.retargeting.retarget import (
    Retarget,
    retarget_absolute,
    retarget_motion,
)
from inference.pictures import StillPicture, read_picture
from inference.portrait import Portrait, open_portrait
from inference.progress import Progress, portions
from inference.provenance.facts import Facts
from inference.provenance.origin import facts_of
from inference.remembered import remembered
from inference.sidecar import shared_mark
from inference.teeth import Teeth, find_teeth
from inference.track import LandmarkTrack, fill_gaps
from inference.warp.mesh import WarpMesh, build_mesh
from inference.warp.mouths import OpenMouth, open_mouth
from inference.warp.warp import GRID, WarpSource, warp_source

Plane = NDArray[np.float32]

_KEPT = 1 << 20  # pixels of a crop up to which its ground is kept for the next job


@dataclass(frozen=True)
class Ground:
    """The head in depth, and the still ground that it moves before.

    full, small: the head at the crop's own size and at the network's. plate, small_plate: what lies
    behind it, (H, W, 3) and (S, S, 3) uint8. small_missed: as `HeadSource.missed`, at S. cover:
    (H, W) float32, 0 to 1, where the portrait below must be hidden, since it shows the person
    there; hole: (H, W) float32, 1 where it must be hidden once the head has moved. layers: of the
    whole portrait. is_there: False for a cut-out portrait, without ground.
    """

    full: HeadSource
    small: HeadSource
    plate: Pixels
    small_plate: NDArray[np.uint8]
    small_missed: Plane
    cover: Plane
    hole: Plane
    layers: Layers
    is_there: bool


@dataclass(frozen=True)
class Scene:
    """Everything that frames share: made once, then only read, by all threads.

    identity: (256,) the person's vector. small, full: the portrait's crop at the network's size
    and at its own, graded if the match says so. alpha: (H, W) the head layer's own, 0 to 1.
    match: of the colours, or None. below: the portrait that the layer "full" lies over, graded as
    the head is; None: the portrait. mark: the hash of what decides all frames' pixels. ground:
    None where the head moves with what surrounds it, as a box. words: what the artist should know
    of matte and pictures, or "". parts: of the person, where mattes of them are wanted. pictures:
    the portrait and the others beside it, where there are any; in a box they lend a mouth only.
    teeth: how they look, frame by frame. skin_mark: the invisible one, or None where it is off.
    facts: what a picture of the head over its plate says of itself.
    """

    portrait: Portrait
    retarget: Retarget
    generator: Generator
    identity: NDArray[np.float32]
    mesh: WarpMesh
    small: WarpSource
    full: WarpSource
    alpha: Plane
    layer: str
    match: ColourMatch | None = None
    below: Portrait | None = None
    mark: bytes = b""
    ground: Ground | None = None
    words: str = ""
    parts: PartLabels | None = None
    pictures: Pictures | None = None
    teeth: Teeth = field(default_factory=Teeth)
    skin_mark: SkinMark | None = None
    facts: Facts = field(default_factory=Facts)


def build_scene(
    job: SynthesizeJob,
    track: LandmarkTrack,
    motion: Motion | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Scene:
    """Check the job's choices and prepare what all frames share.

    track: the driver's landmarks. motion: what to perform; None: the track's. progress: of the
    portrait's layers, which are made once and then kept.
    """
    _check_choices(job)
    person = open_person(job.person) if job.person else None
    generator = load_generator(person.model if person else job.model or job.tier, job.provider)
    portrait = open_portrait(job.portrait[0], job.portrait_face)
    if job.consent:
        check_covers(job.consent, {portrait.path: portrait.picture.sha256})
    count = len(job.portrait) - 1
    finding, first, rest = portions(progress or (lambda done, total: None), count, 10, 10 * count)
    others = find_others(job.portrait[1:], finding, cancelled)
    if job.consent:
        check_covers(job.consent, {other.path: other.sha256 for other in others})
    match = colour_match(job.match, job.match_strength, portrait)
    grade = match.grade.of_picture if match and match.grade else None
    teeth, teeth_words = find_teeth(job, portrait, others, generator.size, grade)
    if job.transfer == "absolute":
        retarget = retarget_absolute(portrait.points, fill_gaps(track))
    else:
        motion = motion or track_motion(fill_gaps(track), job.neutral)
        retarget = retarget_motion(portrait.points, motion, job.gains, job.neutralize)
    alpha, plate = (
        own_picture(path, what) for path, what in ((job.alpha, "matte"), (job.plate, "clean plate"))
    )
    layers = None
    if not job.box:
        layers = portrait_layers(portrait, alpha, plate, first, cancelled)
    words = "; ".join(
        filter(None, (layers.quality if layers else "", teeth_words, *_strangers(portrait, others)))
    )
    if layers and layers.fallback:
        words, layers = f"the head moves with its background: {layers.fallback}", None
        if job.layer == "person":
            raise InputError(
                f"{portrait.path}: there is no matte to cut the person out by "
                f"({words}); give one of your own"
            )
        if job.matte == "channels":
            raise InputError(
                f"{portrait.path}: there are no mattes of the person ({words}); give "
                "a matte of your own, or take the face's alone"
            )
    mouth = None if layers else open_mouth(portrait, (other.open() for other in others))
    points, size = portrait.crop_points(), (portrait.box.width, portrait.box.height)
    full = warp_source(portrait.crop(), points, mouth=mouth)
    small = at_model_size(full, generator.size)
    ground, parts = None, None
    further: list[Further] = []
    if layers:
        ground = build_ground(portrait, layers, generator.size)
        further, left_out = further_pictures(
            portrait,
            ground.full,
            [other.open for other in others],
            generator.size,
            rest,
            cancelled,
        )
        words = "; ".join(filter(None, (words, *left_out)))
        if job.matte == "channels":
            parts = label_parts(portrait, layers, ground.full, job.layer != "head")
    below = None
    if match and match.grade and grade:
        # The network sees the portrait as it is; what is shown of it is graded here, once.
        below = graded_portrait(portrait, match.grade)
        mouth = mouth and replace(mouth, pixels=grade(mouth.pixels))
        # Not found in the graded picture: what is drawn is graded as what is seen.
        painted = _graded_palette(full.palette, match.grade, below)
        full = warp_source(below.crop(), points, mouth=mouth)
        full = replace(full, palette=painted)
        if layers and ground:
            beyond = layers.beyond and replace(layers.beyond, person=grade(layers.beyond.person))
            layers = replace(
                layers, person=grade(layers.person), plate=grade(layers.plate), beyond=beyond
            )
            shown = build_ground(below, layers, generator.size)
            head = replace(shown.full, person=replace(shown.full.person, palette=painted))
            ground = replace(
                shown,
                full=head,
                small=ground.small,
                small_plate=ground.small_plate,
                small_missed=ground.small_missed,
            )
            further = [_graded(each, grade) for each in further]
    read = [portrait.picture.sha256, *(other.sha256 for other in others), generator.sha256]
    read += [own.sha256 for own in (alpha, plate, teeth) if own and own.sha256]
    if person:
        read.append(hashlib.sha256(person.identity.tobytes()).hexdigest())
    if match:
        read.append(match.sha256)
    if job.mark:  # a second's turn is so many frames
        read.append(str(track.rate))
    facts = facts_of(portrait, generator, job)
    read.append(facts.key())
    return Scene(
        portrait=portrait,
        retarget=retarget,
        generator=generator,
        identity=person.identity
        if person
        else person_vector(generator, [embedder_input(portrait), *(o.seen for o in others)]),
        mesh=build_mesh(points, size),
        small=small,
        full=full,
        alpha=feather(portrait, job.feather),
        layer=job.layer,
        match=match,
        below=below,
        mark=shared_mark(job, read),
        ground=ground,
        words=words,
        parts=parts,
        pictures=gather(ground.full, further) if ground and further else None,
        teeth=teeth,
        skin_mark=skin_mark(portrait, job.mark, track.rate, (GRID, GRID)),
        facts=facts,
    )


def _strangers(portrait: Portrait, others: list[OtherPicture]) -> list[str]:
    if not others:
        return []
    own = face_features(portrait.picture.rgb8(), portrait.points)
    names = [portrait.path.name, *(other.path.name for other in others)]
    return strangers(names, [own, *(other.looks for other in others)])


def _graded(picture: Further, grade: Callable[[Pixels], Pixels]) -> Further:
    person = picture.full.person
    shown = person.coloured(grade(person.pixels))
    return replace(picture, full=replace(picture.full, person=shown))


def _graded_palette(palette: Plane, grade: Grade, portrait: Portrait) -> Plane:
    top = np.float32(np.iinfo(portrait.picture.rgb.dtype).max)
    return np.asarray(np.clip(grade.of(palette / top), 0, 1) * top, np.float32)


def _of_ground(portrait: Portrait, layers: Layers, side: int) -> tuple[object, ...] | None:
    """What a ground depends on; None for a large one, which is not worth its memory."""
    box, beyond = portrait.box, layers.beyond
    if box.width * box.height > _KEPT:
        return None
    outside = (beyond.person, beyond.alpha) if beyond else ()
    picture = (portrait.picture.rgb, portrait.points, box)
    return (*picture, layers.alpha, layers.person, layers.plate, layers.has_ground, side, *outside)


@remembered(2, by=_of_ground)
def build_ground(
    portrait: Portrait,
    layers: Layers,
    side: int,
) -> Ground:
    """The head in depth before its ground, for a network of `side` pixels."""
    top = np.float32(np.iinfo(layers.alpha.dtype).max)
    share = layers.alpha * (1 / top)
    full = build_head(portrait, share, layers.person, layers.plate, layers.beyond)
    plate = crop_of(layers.plate, portrait.box)
    small_plate = cv2.resize(rgb8(plate), (side, side), interpolation=cv2.INTER_AREA)
    missed = full.missed * np.float32(1 if plate.dtype == np.uint8 else 1 / 257)
    hole, cover = find_hole(layers.alpha, make_face(portrait.points[list(OVAL), :2]))
    return Ground(
        full=full,
        small=resized(full, (side, side)),
        plate=plate,
        small_plate=small_plate,
        small_missed=cv2.resize(missed, (side, side), interpolation=cv2.INTER_AREA),
        cover=crop_of(cover, portrait.box),
        hole=crop_of(hole.astype(np.float32), portrait.box),
        layers=layers,
        is_there=layers.has_ground,
    )


def at_model_size(full: WarpSource, size: int) -> WarpSource:
    """The crop as the network sees it: `size` x `size`, 8 bits."""
    mouth = full.mouth and OpenMouth(rgb8(full.mouth.pixels), full.mouth.points)
    return warp_source(rgb8(full.pixels), full.points, (size, size), mouth)


def _check_choices(job: SynthesizeJob) -> None:
    for value, known in (
        (job.transfer, TRANSFERS),
        (job.layer, LAYERS),
        (job.format, FORMATS),
        (job.matte, MATTES),
    ):
        if value not in known:
            raise InputError(f"'{value}' is not one of {', '.join(known)}")
    if job.consent:
        check_consent(job.consent, "the consent record")
    if job.model and job.person:
        raise InputError("a model and a person's folder were both given; choose one of them")
    if job.box and (job.alpha or job.plate or job.layer == "person" or job.matte == "channels"):
        raise InputError(
            "the head as a box takes no matte, no plate, no layer 'person' and no "
            "mattes as channels; leave the box out"
        )
    check_gains(job.gains)
    check_match(job.match, job.match_strength)
    check_strength(job.mark)


def own_picture(path: Path | None, what: str) -> StillPicture | None:
    """The artist's own matte or plate. Raises InputError where it is not there."""
    if path is None:
        return None
    if not path.exists():
        raise InputError(f"{path}: there is no such {what}; check its name")
    return read_picture(path)
