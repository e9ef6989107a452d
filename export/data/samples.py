# SPDX-License-Identifier: GPL-3.0-or-later
"""From an episode to the arrays that a generator is trained on, through inference's own warp.

What a portrait goes through at inference (mesh, warp, openings, input channels), the sources go
through here by the same functions; only pixels and masks that a loss needs are added.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data.augment import (
    Augmentation,
    Strength,
    View,
    add_noise,
    draw_augmentation,
    recolour,
    show,
    view_frame,
)
from export.data.episodes import Episode, Motion
from export.data.footage import Clip, Footage
from export.data.mattes import SIDE as MATTE_SIDE
from export.data.measures import MEASURES
from export.data.merged import merge_sources
from inference.generator.contract import CHANNELS
from inference.generator.inputs import generator_input, landmark_channels
from inference.landmarks import OVAL
from inference.performance.retargeting.retarget import retarget_relative
from inference.pictures import StillPicture
from inference.portrait import Box, Portrait
from inference.track import LandmarkTrack
from inference.warp.mesh import build_mesh
from inference.warp.mouths import OpenMouth, open_mouth
from inference.warp.openings import Patch
from inference.warp.warp import pose_target, warp, warp_source

Points = NDArray[np.float32]
Sample = dict[str, NDArray[Any]]

STRETCH = CHANNELS.index("stretch")
# Noise, mouth and augmentation draw from streams of their own: a choice added to one leaves the
# others as they were.
AUGMENT, MOUTH, NOISE, MERGE = 1, 2, 3, 4


@dataclass(frozen=True)
class SampleOptions:
    """size: of the pictures, S. sources: how many are warped, n; 0 for the paper's generator.

    identity_size: of the embedder's pictures, I; 0: none are wanted. mouth_share: how often the
    inside of the mouth is borrowed from the source in which it is most open. merge_share: how often
    all sources are laid together, as inference does it. match_light: they may be of any light.
    """

    size: int = 256
    sources: int = 1
    identity_size: int = 128
    mouth_share: float = 0.5
    merge_share: float = 0.0
    match_light: bool = False
    strength: Strength = field(default_factory=Strength)


def make_sample(data: Footage, episode: Episode, options: SampleOptions) -> Sample:
    """The arrays of one episode with K sources. Pictures are uint8, channels first.

    target (3, S, S), lines (6, S, S): the target's landmark channels, the contract's last six.
    face, visible (S, S) uint8: inside the face's outline; where the target is no repeated edge.
    matte (S, S) uint8: the target's person; matted () uint8: 255 where it is known, else 0.
    points (478, 3) float32: the target's landmarks in pixels of S.
    identity (K, 6, I, I): the sources' colours and their lines of face, eyes and mouth; of a
    still only the warped sources are there, over and over; (1, 6, 1, 1) where none are wanted.
    person () int64.
    For each warped source (sources beyond K begin again with the first):
    source (n, 3, S, S); source_points (n, 478, 3) float32.
    warped (n, 3, S, S), valid (n, S, S) uint8, stretch (n, S, S) float16: the contract's first.
    displacement (n, S, S, 2) float32, x and y: added to a pixel's own index it says where the
    mesh takes it from, in pixels of `source`. opening (n, S, S) uint8: the share of the eyes'
    and mouth's own layers, which the displacement does not move. Of sources that are laid together
    `source` is the result, and the displacement nothing.
    """
    clip = data.clip(episode.clip)
    augmentation = draw_augmentation(
        clip.points(episode.sources[0]),
        clip.record.size,
        options.size,
        options.strength,
        np.random.default_rng((*episode.key, AUGMENT)),
    )
    noise = np.random.default_rng((*episode.key, NOISE))
    view = view_frame(augmentation, clip.points(episode.target), clip.record.size)
    target = recolour(augmentation, show(view, clip.picture(episode.target)))
    order = [place % len(episode.sources) for place in range(options.sources)]
    shown: dict[int, Portrait] = {}
    for place in order or ([0] if episode.motions else []):
        if place not in shown:
            shown[place] = _portrait(clip, episode.sources[place], augmentation, noise)
            if episode.motions:
                motion = episode.motions[place]
                shown[place] = _moved(shown[place], data.clip(motion.clip), motion)
    lines = landmark_channels(view.points[:, :2], options.size)
    sample: Sample = {
        "target": np.ascontiguousarray(target.transpose(2, 0, 1)),
        "lines": _as_bytes(lines),
        "face": _face_mask(view.points, options.size),
        "visible": view.visible(),
        **_matte(clip.matte(episode.target), view),
        "points": view.points,
        "identity": _seen(clip, episode, shown, augmentation, options, noise),
        "person": np.array(episode.person, np.int64),
    }
    if order and _is_merged(episode, options):
        places = list(dict.fromkeys(episode.sources))
        others = [_portrait(clip, frame, augmentation, noise) for frame in places[1:]]
        made_of = _merged([shown[0], *others], view, options.match_light)
        sample |= {key: value[None].repeat(len(order), 0) for key, value in made_of.items()}
    elif order:
        mouth = _borrowed_mouth(clip, episode, augmentation, shown[0], options.mouth_share)
        made = {
            place: _warped(portrait, view, mouth if place == 0 else None)
            for place, portrait in shown.items()
        }
        for key in made[0]:
            sample[key] = np.stack([made[place][key] for place in order])
    return sample


def _warped(portrait: Portrait, view: View, mouth: OpenMouth | None) -> Sample:
    """One source warped to the target, by the steps of inference."""
    pixels, points = portrait.picture.rgb8(), portrait.points
    size = pixels.shape[0]
    pose = pose_target(build_mesh(points, (size, size)), view.points, (size, size))
    source = warp_source(pixels, points, mouth=mouth)
    warped, patches = warp(source, pose, (size, size), interpolation=cv2.INTER_LINEAR)
    assert warped.dtype == np.uint8
    stack = generator_input(
        warped.astype(np.uint8, copy=False), pose.raster, view.points[:, :2], patches
    )
    displacement = pose.raster.displacement
    if displacement.shape[0] != size:
        displacement = cv2.resize(displacement, (size, size), interpolation=cv2.INTER_LINEAR)
    return {
        "source": np.ascontiguousarray(pixels.transpose(2, 0, 1)),
        "source_points": points,
        "warped": np.ascontiguousarray(warped.transpose(2, 0, 1)),
        "valid": _as_bytes(stack[STRETCH + 1]),
        "stretch": stack[STRETCH].astype(np.float16),
        "displacement": displacement,
        "opening": _opening_mask(patches, size),
    }


def _is_merged(episode: Episode, options: SampleOptions) -> bool:
    if episode.motions or len(set(episode.sources)) < 2:
        return False
    return np.random.default_rng((*episode.key, MERGE)).random() < options.merge_share


def _merged(portraits: list[Portrait], view: View, match_light: bool) -> Sample:
    """All sources laid together at the target; the keys of `_warped`."""
    size = view.where.shape[0]
    picture, raster, patches = merge_sources(portraits, view.points, light=match_light)
    stack = generator_input(picture, raster, view.points[:, :2], patches)
    pixels = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return {
        "source": pixels,
        "source_points": view.points,
        "warped": pixels,
        "valid": _as_bytes(stack[STRETCH + 1]),
        "stretch": stack[STRETCH].astype(np.float16),
        "displacement": np.zeros((size, size, 2), np.float32),
        "opening": _opening_mask(patches, size),
    }


def _portrait(
    clip: Clip, frame: int, augmentation: Augmentation, noise: np.random.Generator
) -> Portrait:
    """A source frame as inference holds a portrait: its crop is the whole picture."""
    view = view_frame(augmentation, clip.points(frame), clip.record.size)
    pixels = recolour(augmentation, show(view, clip.picture(frame)))
    pixels = add_noise(augmentation, pixels, noise)
    size = pixels.shape[0]
    return Portrait(
        Path(clip.record.name), StillPicture(pixels, None), view.points, Box(0, 0, size, size)
    )


def _moved(still: Portrait, clip: Clip, motion: Motion) -> Portrait:
    """The still as the mesh shows it moved: a source that was never photographed."""
    points = np.stack([clip.points(motion.start), clip.points(motion.end)])
    track = LandmarkTrack(points, np.ones(2, bool), Fraction(1), clip.record.size)
    moved = retarget_relative(still.points, track, 0)(1)
    size = still.picture.size
    pose = pose_target(build_mesh(still.points, size), moved, size)
    pixels, _ = warp(
        warp_source(still.picture.rgb8(), still.points), pose, size, interpolation=cv2.INTER_LINEAR
    )
    return replace(still, picture=StillPicture(pixels, None), points=moved)


def _borrowed_mouth(
    clip: Clip, episode: Episode, augmentation: Augmentation, main: Portrait, share: float
) -> OpenMouth | None:
    """The most open mouth of the episode's other sources, where it is worth it."""
    rng = np.random.default_rng((*episode.key, MOUTH))
    others = sorted(set(episode.sources[1:]) - {episode.sources[0]})
    if not others or rng.random() >= share:
        return None
    opening = clip.measures[:, MEASURES.index("mouth")]
    best = max(others, key=lambda frame: float(opening[frame]))
    if opening[best] <= opening[episode.sources[0]]:
        return None
    return open_mouth(main, [_portrait(clip, best, augmentation, rng)])


def _seen(
    clip: Clip,
    episode: Episode,
    shown: dict[int, Portrait],
    augmentation: Augmentation,
    options: SampleOptions,
    noise: np.random.Generator,
) -> NDArray[np.uint8]:
    """What the embedder sees of the sources."""
    if options.identity_size == 0:
        return np.zeros((1, 6, 1, 1), np.uint8)
    if episode.motions:
        return _identity_of_still(shown, len(episode.sources), options.identity_size)
    return _identity(clip, episode, augmentation, options.identity_size, noise)


def _identity(
    clip: Clip, episode: Episode, augmentation: Augmentation, size: int, noise: np.random.Generator
) -> NDArray[np.uint8]:
    """What the embedder sees of every source: (K, 6, I, I)."""
    result = np.empty((len(episode.sources), 6, size, size), np.uint8)
    # Half the pixels are decoded where they are enough: less time, and no aliasing.
    half = clip.record.side >= 2 * size
    for place, frame in zip(result, episode.sources, strict=True):
        view = view_frame(augmentation, clip.points(frame), clip.record.size, size)
        picture = recolour(augmentation, show(view, clip.picture(frame, half)))
        place[:3] = add_noise(augmentation, picture, noise).transpose(2, 0, 1)
        place[3:] = _as_bytes(landmark_channels(view.points[:, :2], size)[:3])
    return result


def _identity_of_still(shown: dict[int, Portrait], count: int, size: int) -> NDArray[np.uint8]:
    """As `_identity`, from the sources that were made of a still."""
    made = []
    for portrait in shown.values():
        whole = portrait.picture.rgb8()
        picture = cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA)
        points = portrait.points[:, :2] * np.float32(size / whole.shape[0])
        lines = _as_bytes(landmark_channels(points, size)[:3])
        made.append(np.concatenate([picture.transpose(2, 0, 1), lines]))
    return np.stack([made[place % len(made)] for place in range(count)])


def _face_mask(points: Points, size: int) -> NDArray[np.uint8]:
    """255 inside the face's outline; convex, since a profile's outline crosses itself."""
    outline = np.round((points[list(OVAL), :2] - 0.5) * 16).astype(np.int32)
    mask = np.zeros((size, size), np.uint8)
    return cv2.fillConvexPoly(mask, cv2.convexHull(outline), 255, cv2.LINE_AA, 4)


def _matte(matte: NDArray[np.uint8] | None, view: View) -> Sample:
    size = view.where.shape[0]
    if matte is None:
        return {"matte": np.zeros((size, size), np.uint8), "matted": np.array(0, np.uint8)}
    share = np.float32(MATTE_SIDE) / np.array(view.stored, np.float32)
    where = (view.where + np.float32(0.5)) * share - np.float32(0.5)
    shown = cv2.remap(matte, where, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    return {"matte": shown, "matted": np.array(255, np.uint8)}


def _opening_mask(patches: list[Patch], size: int) -> NDArray[np.uint8]:
    mask = np.zeros((size, size), np.float32)
    for patch in patches:
        height, width = patch.mask.shape
        part = mask[patch.top : patch.top + height, patch.left : patch.left + width]
        part += patch.mask  # several pictures' openings, each by its weight, are one opening
    return _as_bytes(np.minimum(mask, 1))


def _as_bytes(share: NDArray[np.float32]) -> NDArray[np.uint8]:
    return cv2.convertScaleAbs(np.ascontiguousarray(share).reshape(-1), alpha=255).reshape(
        share.shape
    )
