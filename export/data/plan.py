# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done for a batch of episodes, without its pixels: `make_sample` less its pictures.

Draws, landmarks, meshes and openings are small and are worked out here, by the functions and in
the order of `export.data.samples`; the pictures are made of them on the device
(`export.training.resident`). A plan is a dictionary of arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data.augment import (
    FIELD,
    NOISE_ROOM,
    SHRINKS,
    Augmentation,
    Place,
    draw_augmentation,
    place_frame,
)
from export.data.episodes import Episode
from export.data.layout import ClipRecord
from export.data.measures import MEASURES
from export.data.samples import AUGMENT, MOUTH, NOISE, SampleOptions
from export.data.shards import PreparedData, StoredClip
from inference.generator.inputs import AREAS, LINES
from inference.landmarks import EYES, LIPS_LOWER, LIPS_UPPER, OVAL, interocular
from inference.mouth.inside import find_place
from inference.mouth.paint import looked_at
from inference.performance.face.measures import mouth_opening
from inference.performance.face.pose import fit_pose
from inference.performance.retargeting.retarget import retarget_relative
from inference.track import LandmarkTrack
from inference.warp.mesh import build_mesh, mesh_triangles, move_mesh
from inference.warp.mouths import WORTH
from inference.warp.openings import Patch, eye_patches, mouth_patch
from inference.warp.raster import SHIFT, draw_mesh

Points = NDArray[np.float32]
Plan = dict[str, NDArray[Any]]

# Planes that lines and outlines are drawn into: the three of lines, then the areas' own.
PLANES = ("line_face", "line_eyes", "line_mouth", "mouth", "right_eye", "left_eye", "face")
LINE_PLANES = 3
_HULL = len(OVAL)
_LIPS = (*LIPS_UPPER, *LIPS_LOWER)


def frame_rows(records: Sequence[ClipRecord]) -> NDArray[np.int64]:
    """Where each clip's frames begin when all are counted through, and their sum: (clips + 1,)."""
    return np.cumsum([0, *(record.frames for record in records)])


@cache
def line_planes() -> NDArray[np.int64]:
    """The plane of each of a target's segments, in the order in which plans hold them: (L,)."""
    planes = [np.full(len(ends), i) for i, ends in enumerate(_line_ends())]
    planes += [np.full(len(outline), LINE_PLANES + i) for i, outline in enumerate(_outlines())]
    return np.concatenate([*planes, np.full(_HULL, len(PLANES) - 1)])


def plan_batch(data: PreparedData, episodes: Sequence[Episode], options: SampleOptions) -> Plan:
    """The plan of a batch whose episodes have equally many sources; `options` as in `make_sample`.

    Of its sources one at most is warped (`options.sources` is 0 or 1).
    """
    rows = frame_rows(data.records)
    made = [_Sheet(data, rows, episode, options) for episode in episodes]
    plan: Plan = {
        "points": np.stack([sheet.target.points for sheet in made]),
        "stored": np.array([sheet.clip.record.size for sheet in made], np.float32),
        "person": np.array([episode.person for episode in episodes], np.int64),
        **_stack_colours([sheet.augmentation for sheet in made], options.size),
        **_stack_lines([sheet.target.points for sheet in made], options.size),
    }
    sources = [i for i, sheet in enumerate(made) if sheet.source_view]
    donors = [i for i, sheet in enumerate(made) if sheet.donor_view]
    for row, i in enumerate(donors, start=len(made) + len(sources)):
        made[i].donor = row
    views = [sheet.target_view for sheet in made]
    views += [view for i in sources if (view := made[i].source_view)]
    views += [view for i in donors if (view := made[i].donor_view)]
    plan |= _stack_views(views, [*range(len(made)), *sources, *donors], "main_")
    near = [view for sheet in made for view in sheet.identity_views]
    owner = [i for i, sheet in enumerate(made) for _ in sheet.identity_views]
    plan |= _stack_views(near, owner, "identity_")
    plan["sources"] = np.array(sources, np.int64)
    plan["stills"] = np.array([i for i, sheet in enumerate(made) if sheet.still], np.int64)
    stills = [still for sheet in made if (still := sheet.still)]
    share = np.float32(options.identity_size / options.size)
    plan |= _stack_identity_lines(
        [view.place.points for view in near] + [still.target * share for still in stills],
        options.identity_size,
    )
    if stills:
        plan |= _stack_warps([(still, -1) for still in stills], options.size, "still_")
    if options.sources:
        warps = [(warp, sheet.donor) for sheet in made if (warp := sheet.warp)]
        plan |= _stack_warps(warps, options.size, "warp_")
        plan["source_points"] = np.stack([warp.points for warp, _ in warps])
    return plan


@dataclass
class _View:
    """One stored frame as a sample shows it. half: at half its size; sigma, offset: its noise."""

    row: int
    place: Place
    cubic: bool
    half: float
    sigma: float = 0.0
    offset: tuple[int, int] = (0, 0)


@dataclass
class _Warp:
    """One warp of a source: its landmarks, where they go, and whose mouth is borrowed.

    mouth: the other picture's landmarks and how much larger it must become.
    """

    points: Points
    target: Points
    mouth: tuple[Points, float] | None = None


class _Sheet:
    """What one episode needs."""

    def __init__(
        self, data: PreparedData, rows: NDArray[np.int64], episode: Episode, options: SampleOptions
    ) -> None:
        assert options.sources in (0, 1), "one source at most is warped on the device"
        self.clip: StoredClip = data.clip(episode.clip)
        self._first = int(rows[episode.clip])
        self._size = options.size
        clip, size = self.clip, options.size
        self.augmentation = draw_augmentation(
            clip.points(episode.sources[0]),
            clip.record.size,
            size,
            options.strength,
            np.random.default_rng((*episode.key, AUGMENT)),
        )
        noise = np.random.default_rng((*episode.key, NOISE))
        self.target_view = self._view(episode.target, size)
        self.target = self.target_view.place
        self.source_view: _View | None = None
        self.donor_view: _View | None = None
        self.donor = -1  # the row of the picture whose mouth is borrowed
        self.warp: _Warp | None = None
        self.still: _Warp | None = None
        if options.sources or episode.motions:
            self.source_view = self._noisy(self._view(episode.sources[0], size), noise, size)
            points = self.source_view.place.points
            if episode.motions:
                motion = episode.motions[0]
                other = data.clip(motion.clip)
                moved = _moved_points(points, other, motion.start, motion.end)
                self.still = _Warp(points, moved)
                points = moved
            if options.sources:
                self.warp = _Warp(
                    points, self.target.points, self._borrow(episode, points, options)
                )
        self.identity_views: list[_View] = []
        if not episode.motions:
            self.identity_views = [
                self._noisy(
                    self._view(frame, options.identity_size, options.identity_size),
                    noise,
                    options.identity_size,
                )
                for frame in episode.sources
            ]

    def _view(self, frame: int, size: int, identity: int = 0) -> _View:
        record = self.clip.record
        place = place_frame(self.augmentation, self.clip.points(frame), size)
        half = identity > 0 and record.side >= 2 * identity
        share = (-(-record.size[0] // 2)) / record.size[0] if half else 1.0
        cubic = share / place.zoom <= SHRINKS
        return _View(self._first + frame, place, cubic, share if half else 0.0)

    def _noisy(self, view: _View, rng: np.random.Generator, size: int) -> _View:
        """The noise's draws in the order of `export.data.augment.add_noise`."""
        sigma = self.augmentation.noise * rng.random()
        if sigma >= 0.25:
            x, y = rng.integers(NOISE_ROOM, size=2).tolist()
            view.sigma, view.offset = sigma, (x, y)
        return view

    def _borrow(
        self, episode: Episode, own: Points, options: SampleOptions
    ) -> tuple[Points, float] | None:
        rng = np.random.default_rng((*episode.key, MOUTH))
        others = sorted(set(episode.sources[1:]) - {episode.sources[0]})
        if not others or rng.random() >= options.mouth_share:
            return None
        opening = self.clip.measures[:, MEASURES.index("mouth")]
        best = max(others, key=lambda frame: float(opening[frame]))
        if opening[best] <= opening[episode.sources[0]]:
            return None
        view = self._noisy(self._view(best, self._size), rng, self._size)
        points = view.place.points
        if mouth_opening(points) < mouth_opening(own) + WORTH:
            return None
        self.donor_view = view
        return points, interocular(own[:, :2]) / interocular(points[:, :2])


def _moved_points(still: Points, clip: StoredClip, start: int, end: int) -> Points:
    points = np.stack([clip.points(start), clip.points(end)])
    track = LandmarkTrack(points, np.ones(2, bool), Fraction(1), clip.record.size)
    return retarget_relative(still, track, 0)(1)


def _stack_views(views: list[_View], owner: list[int], name: str) -> Plan:
    """row, owner (V,): the stored frame, and the sample it belongs to. back, to_face (V, 2, 3),
    unface (V, 2, 2): see `Place`; the last turns the field's shift into stored pixels."""
    shape = (len(views), 2, 3)
    made: Plan = {
        "row": np.array([v.row for v in views], np.int64),
        "owner": np.array(owner, np.int64),
        "back": np.array([v.place.back for v in views], np.float32).reshape(shape),
        "to_face": np.array([v.place.to_face for v in views], np.float32).reshape(shape),
        "unface": np.array(
            [v.place.from_face[:, :2] * (FIELD / 2) for v in views], np.float32
        ).reshape(len(views), 2, 2),
        "cubic": np.array([v.cubic for v in views], bool),
        "half": np.array([v.half for v in views], np.float32),
        "sigma": np.array([v.sigma for v in views], np.float32),
        "offset": np.array([v.offset for v in views], np.int64).reshape(len(views), 2),
    }
    return {name + key: value for key, value in made.items()}


def _stack_colours(drawn: list[Augmentation], size: int) -> Plan:
    """field (B, FIELD, FIELD, 2), mix (B, 3, 3), tones (B, 3, 256), slope (B, 2) of the light."""
    still = np.zeros((FIELD, FIELD, 2), np.float32)
    plain = np.tile(np.arange(256, dtype=np.uint8), (3, 1))
    ramp = np.linspace(-1, 1, size)
    power = 128 * 0.2 * float((ramp**2).sum())
    slopes = []
    for one in drawn:
        slope = (0.0, 0.0)
        if one.light is not None:
            light = one.light[..., 0].astype(np.float64)
            slope = (float(light.mean(axis=0) @ ramp), float(light.mean(axis=1) @ ramp))
        slopes.append(np.array(slope) / power)
    return {
        "field": np.stack([still if one.field is None else one.field for one in drawn]),
        "mix": np.stack([np.eye(3) if a.mix is None else a.mix for a in drawn]).astype(np.float32),
        "tones": np.stack([plain if a.table is None else a.table[:, 0].T for a in drawn]),
        "slope": np.array(slopes, np.float32),
    }


@cache
def _line_ends() -> tuple[NDArray[np.int64], ...]:
    """The landmarks that each segment of the three line planes leads from and to: (n, 2) each."""
    return tuple(np.array([pair for line in lines for pair in pairwise(line)]) for lines in LINES)


@cache
def _outlines() -> tuple[NDArray[np.int64], ...]:
    """The outlines of the mouth and of both eyes, by landmarks."""
    openings = [opening for area in AREAS for opening in area]
    return tuple(np.array([*upper, *lower[-2:0:-1]]) for upper, lower in openings)


def _stack_lines(points: list[Points], size: int) -> Plan:
    """segments (B, L, 4) x, y, x, y in pixel indices, boxes (B, L, 4) what they may reach.

    irises: (B, 2, 3) middle and radius.
    """
    made, irises = [], []
    for one in points:
        corners = _fixed(one[:, :2])
        ends = [corners[pairs].reshape(-1, 4) for pairs in _line_ends()]
        # OpenCV fills what need not be convex with its corners on whole rows.
        whole = np.column_stack([corners[:, 0], np.floor(corners[:, 1] + 0.5)])
        ends += [_closed(whole[outline]) for outline in _outlines()]
        hull = cv2.convexHull(np.round((one[list(OVAL), :2] - 0.5) * 16).astype(np.int32))
        closed = _closed(hull[:, 0].astype(np.float32) / 16)
        nothing = np.repeat(closed[:1, [0, 1, 0, 1]], _HULL - len(closed), axis=0)
        made.append(np.concatenate([*ends, closed, nothing]))
        discs = []
        for _, _, iris in EYES:
            middle = one[iris[0], :2]
            radius = np.linalg.norm(one[list(iris[1:]), :2] - middle, axis=1).mean()
            discs.append([*_fixed(middle), round(float(radius) * 16) / 16])
        irises.append(discs)
    segments = np.stack(made).astype(np.float32)
    return {
        "segments": segments,
        "segment_boxes": _segment_boxes(segments, size),
        "irises": np.array(irises, np.float32),
    }


def _stack_identity_lines(points: list[Points], size: int) -> Plan:
    pairs = np.concatenate(_line_ends())
    made = [_fixed(one[:, :2])[pairs].reshape(-1, 4) for one in points]
    segments = np.array(made, np.float32).reshape(len(points), len(pairs), 4)
    return {
        "identity_segments": segments,
        "identity_segment_boxes": _segment_boxes(segments, size),
    }


def _fixed(points: Points) -> Points:
    """Pixel indices of positions, rounded as OpenCV is given them."""
    return (np.round((points - 0.5) * 16) / 16).astype(np.float32)


def _closed(corners: Points) -> Points:
    return np.concatenate([corners, np.roll(corners, -1, axis=0)], axis=1)


def _segment_boxes(segments: NDArray[np.float32], size: int) -> NDArray[np.int16]:
    """left, top, right, bottom of what a line's soft edge reaches, the last two excluded."""
    ends = segments.reshape(*segments.shape[:-1], 2, 2)
    low = np.clip(np.floor(ends.min(axis=-2)) - 1, 0, size)
    high = np.clip(np.ceil(ends.max(axis=-2)) + 2, 0, size)
    return np.concatenate([low, high], axis=-1).astype(np.int16)


def _stack_warps(warps: list[tuple[_Warp, int]], size: int, name: str) -> Plan:
    """corners (N, T, 3, 2), boxes (N, T, 4), table (N, T + 1, 8): triangles in drawing order.

    palette_at (N, D, 2), lips (N, P, 2): pixels of the source by whose colours a mouth is drawn
    and lit. For each of three layers (eyes, mouth): at (Q,) a pixel of all pictures in a row, from
    (Q, 2) its origin in a source, mask, made_up and light (Q,); paint (Q, 4) and teeth (Q,), as of
    `Patch`. The mouth's come of picture `whose` (N,), -1 for the source itself, whose lips lie at
    `whose_lips`.
    """
    count = len(mesh_triangles())
    corners = np.zeros((len(warps), count, 3, 2), np.float32)
    boxes = np.zeros((len(warps), count, 4), np.int16)
    table = np.zeros((len(warps), count + 1, 8), np.float32)
    layers: list[list[tuple[int, Patch]]] = [[], [], []]
    for i, (one, _) in enumerate(warps):
        mesh = build_mesh(one.points, (size, size))
        drawing = draw_mesh(mesh, move_mesh(mesh, one.target), (size, size), (size, size))
        drawn = len(drawing.order)
        fixed = drawing.corners[drawing.order]
        corners[i, :drawn] = fixed / np.float32(1 << SHIFT)
        boxes[i, :drawn, :2] = np.clip((fixed.min(axis=1) + 8) >> SHIFT, 0, size)
        boxes[i, :drawn, 2:] = np.clip(((fixed.max(axis=1) + 8) >> SHIFT) + 1, 0, size)
        table[i, :drawn] = drawing.table[drawing.order]
        table[i, -1] = drawing.table[-1]
        scale = fit_pose(mesh.points, one.target).scale
        target = one.target[:, :2]
        for layer, patch in enumerate(eye_patches(one.points, target, scale, (size, size))):
            layers[layer].append((i, patch))
        inside, zoom = one.mouth or (one.points, 1.0)
        place = find_place(one.points)
        mouth = mouth_patch(inside * np.float32(zoom), one.target, scale, (size, size), place)
        if mouth:
            if zoom != 1.0:
                origin = (mouth.source + np.float32(0.5)) / np.float32(zoom) - np.float32(0.5)
                mouth = replace(mouth, source=origin)
            layers[2].append((i, mouth))
    made: Plan = {
        "corners": corners,
        "boxes": boxes,
        "table": table,
        "palette_at": np.stack([_inside(looked_at(w.points), size) for w, _ in warps]),
        "lips_at": np.stack([_pixels(w.points, _LIPS, size) for w, _ in warps]),
        "whose": np.array([donor for _, donor in warps], np.int64),
        "whose_lips_at": np.stack(
            [_pixels(w.mouth[0] if w.mouth else w.points, _LIPS, size) for w, _ in warps]
        ),
    }
    for number, patches in enumerate(layers):
        made |= _stack_patches(patches, size, f"layer{number}_")
    return {name + key: value for key, value in made.items()}


def _stack_patches(patches: list[tuple[int, Patch]], size: int, name: str) -> Plan:
    at, origin, mask, made_up, paint, teeth, light = [], [], [], [], [], [], []
    for picture, patch in patches:
        height, width = patch.mask.shape
        rows = np.arange(patch.top, patch.top + height)[:, None] + picture * size
        at.append((rows * size + np.arange(patch.left, patch.left + width)).ravel())
        origin.append(patch.source.reshape(-1, 2))
        mask.append(patch.mask.ravel())
        nothing = np.zeros((height, width), np.float32)
        made_up.append((nothing if patch.made_up is None else patch.made_up).ravel())
        teeth.append((nothing if patch.teeth is None else patch.teeth).ravel())
        four = np.zeros((height, width, 4), np.float32) if patch.paint is None else patch.paint
        paint.append(four.reshape(-1, 4))
        light.append((nothing + 1 if patch.light is None else patch.light).ravel())
    none = np.zeros(0, np.float32)
    return {
        name + "at": np.concatenate([np.zeros(0, np.int64), *at]),
        name + "from": np.concatenate([none.reshape(0, 2), *origin]),
        name + "mask": np.concatenate([none, *mask]),
        name + "made_up": np.concatenate([none, *made_up]),
        name + "paint": np.concatenate([none.reshape(0, 4), *paint]),
        name + "teeth": np.concatenate([none, *teeth]),
        name + "light": np.concatenate([none, *light]),
    }


def _pixels(points: Points, which: Sequence[int], size: int) -> NDArray[np.int64]:
    return _inside(points[list(which), :2], size)


def _inside(at: NDArray[np.floating], size: int) -> NDArray[np.int64]:
    """The pixels (N, 2) nearest to positions, within the picture."""
    return np.clip(np.round(at).astype(np.int64), 0, size - 1)
