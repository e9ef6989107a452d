# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies behind lids and lips: eyeballs and the inside of the mouth, as layers of their own.

An eyeball keeps its shape while the lids slide over it; stretched skin never fills an eye or a
mouth. Each layer is a patch: where its pixels come from, and an anti-aliased mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYES, LIP_MIDDLES, MOUTH_LOWER, MOUTH_UPPER, interocular
from inference.mouth.inside import (
    Inside,
    MouthPlace,
    Opening,
    draw_inside,
    in_millimetres,
    light_in_corners,
    light_through,
)
from inference.performance.face.pose import Pose

Points = NDArray[np.float32]
Map = NDArray[np.float32]

_SHIFT = 4
_THIN = 0.5  # pixels; below it an opening's height means nothing
# The last part of the portrait's own mouth opening over which its pixels give way.
_MOUTH_FADE = 0.3
# Softness of the lips' edge, as a share of half the mouth's width, and how much of a pixel on the
# edge itself is the mouth's.
_LIP_SOFT, _LIP_OVER = 0.03, 0.4


# A mouth that is narrower than the portrait's by this has corners of its own.
_NARROW = 0.85


@dataclass(frozen=True)
class Patch:
    """A small rectangle of the output picture.

    left, top: its corner. source: (h, w, 2) float32, where each pixel comes from, as a pixel
    index of the portrait's crop at the output's resolution. mask: (h, w) float32, its share.
    made_up: (h, w) float32, how much of it the portrait does not show, or None. paint: (h, w, 4)
    float32, what is there instead, as shares of `inference.mouth.paint.palette`; teeth: (h, w)
    float32, where of that they are; painted: (h, w, 3) float32 in [0, 1], what an artist's plate of
    teeth adds to the palette's colours, or None; own: as of the `MouthPlace`;
    texture: (h, w, 2) float32, where each pixel lies, from the middle of the mouth, in pixels of
    the portrait, for grain that stays on it. light: (h, w) float32, how much of its light what the
    portrait shows keeps, or None.
    """

    left: int
    top: int
    source: Map
    mask: Map
    made_up: Map | None = None
    paint: Map | None = None
    teeth: Map | None = None
    painted: Map | None = None
    own: float = 0.0
    texture: Map | None = None
    light: Map | None = None


@dataclass(frozen=True)
class _Frame:
    """A lid or lip opening's own axes: u runs from corner to corner as -1..1, v down in pixels."""

    middle: NDArray[np.float64]
    along: NDArray[np.float64]
    down: NDArray[np.float64]
    half: float

    def coordinates(
        self, points: NDArray[np.floating], scale: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """u and v of (..., 2) positions; v is divided by `scale`."""
        offset = points - self.middle
        return offset @ self.along / self.half, offset @ self.down / scale

    def on_grid(
        self, x: NDArray[np.float64], y: NDArray[np.float64], scale: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same for pixels in columns at x (w,) and rows at y (h,): (h, w) each."""
        x, y = x - self.middle[0], (y - self.middle[1])[:, None]
        u = x * (self.along[0] / self.half) + y * (self.along[1] / self.half)
        return u, x * (self.down[0] / scale) + y * (self.down[1] / scale)


def eye_patches(source: Points, target: Points, scale: float, size: tuple[int, int]) -> list[Patch]:
    """The eyeballs between the target's lids.

    source, target: (478, 2 or 3) in pixels of the output. scale: head size of target over source.
    size: the output's (width, height).
    """
    patches = []
    for upper, lower, iris in EYES:
        patch = _eye_patch(source[:, :2], target[:, :2], scale, size, upper, lower, iris)
        if patch:
            patches.append(patch)
    return patches


def mouth_patch(
    source: Points,
    target: Points,
    scale: float,
    size: tuple[int, int],
    place: MouthPlace,
    drawn: Patch | None = None,
    pose: Pose | None = None,
) -> Patch | None:
    """The inside of the mouth between the target's lips, or None when they are closed.

    What the portrait shows below its upper lip hangs from the target's upper lip, and is no
    narrower for a narrower mouth: teeth are rigid. Beyond the portrait's own opening the mouth is
    drawn. target: (478, 3). place: where its teeth stand.
    drawn: the patch of another picture for the same target and size, whose teeth are taken. pose:
    of the target, from canonical space, where it is known. Further arguments as in `eye_patches`.
    """
    window = _window(target[:, :2], MOUTH_UPPER, MOUTH_LOWER, size)
    if window is None:
        return None
    left, top, x, y, _ = window
    here = _frame(target, MOUTH_UPPER)
    there = _frame(source, MOUTH_UPPER)
    u, v = here.on_grid(x, y, scale)
    across = interocular(target[:, :2]) / max(interocular(source[:, :2]), 1e-3)
    narrower = min(here.half / max(there.half * across, 1e-3), 1.0)
    from_u = u * narrower
    target_up, target_low = (
        _edge(here, _rounded(target[list(lip), :2]), scale, u) for lip in (MOUTH_UPPER, MOUTH_LOWER)
    )
    source_up, source_low = (
        _edge(there, _rounded(source[list(lip), :2]), 1, from_u)
        for lip in (MOUTH_UPPER, MOUTH_LOWER)
    )
    mask = _between_lips(u, (v - target_up) * scale, (target_low - v) * scale, here.half)
    if not mask.any():
        return None
    below = v - target_up
    gap = np.maximum(source_low - source_up, 0)
    wider = (target_low - target_up) - gap
    fade = np.maximum(_MOUTH_FADE * gap, 1e-3)
    beyond = _smoothstep((below - (gap - fade)) / fade)
    made_up = beyond * _smoothstep(wider / (0.05 * there.half))
    if drawn is not None and drawn.paint is not None and place.own == drawn.own == 0:
        assert drawn.teeth is not None
        inside = Inside(drawn.paint, drawn.teeth, drawn.painted)
    else:
        # Another picture may show less of its mouth, but then none of its own teeth either.
        seen = mask > 0 if place.own == 0 else (mask > 0) & (made_up > 0)
        opening = Opening(left, top, seen, u, scale * below, scale * gap)
        inside = draw_inside(place, target, opening, pose)
    return Patch(
        left,
        top,
        _position(there, from_u, source_up + below),
        mask,
        made_up.astype(np.float32),
        inside.shares,
        inside.teeth,
        inside.painted,
        place.own,
        np.stack([u * here.half / scale, v], axis=-1).astype(np.float32),
        (_dimmed(source, target) * _in_corners(u, narrower)).astype(np.float32),
    )


def _dimmed(source: Points, target: Points) -> float:
    """Of the light that falls on the source's teeth, how much a narrower opening lets in."""
    was, now = (
        light_through(in_millimetres(float(np.linalg.norm(points[a, :2] - points[b, :2])), points))
        for points in (source, target)
        for a, b in (LIP_MIDDLES,)
    )
    return min(now / was, 1.0)


def _in_corners(u: NDArray[np.float64], narrower: float) -> NDArray[np.float64]:
    """The portrait's corners are dark by themselves; where a mouth so much narrower has its own,
    the portrait shows teeth in full light.
    """
    share = min((1 - narrower) / (1 - _NARROW), 1.0)
    return 1 - share * (1 - light_in_corners(u))


def _eye_patch(
    source: Points,
    target: Points,
    scale: float,
    size: tuple[int, int],
    upper: tuple[int, ...],
    lower: tuple[int, ...],
    iris: tuple[int, ...],
) -> Patch | None:
    window = _window(target, upper, lower, size)
    if window is None:
        return None
    left, top, x, y, mask = window
    here, there = _frame(target, upper), _frame(source, upper)
    u, v = here.on_grid(x, y, scale)
    target_up, target_low = (_edge(here, target[list(lid), :2], scale, u) for lid in (upper, lower))
    source_up, source_low = (_edge(there, source[list(lid), :2], 1, u) for lid in (upper, lower))

    (iris_u, iris_v), (was_u, was_v) = (
        (float(a.mean()), float(b.mean()))
        for a, b in (
            here.coordinates(target[list(iris)], scale),
            there.coordinates(source[list(iris)], 1),
        )
    )
    # Under closing lids the detected iris only follows the lids.
    open_share = float(
        np.clip((target_low - target_up).max() / max((source_low - source_up).max(), 1e-3), 0, 1)
    )
    # Gaze: the iris moves as a whole, the white yields towards the corners.
    radius = 0.3
    away = np.maximum(np.abs(u - iris_u) - radius, 0)
    room = np.maximum(1 - radius - np.sign(u - iris_u) * iris_u, 0.05)
    follow = 1 - _smoothstep(away / room)
    from_u = u - (iris_u - was_u) * follow
    from_v = v - (iris_v - was_v) * follow * open_share
    # Wider open than the portrait: its eyeball is stretched, above and below the iris apart,
    # until it fills the opening; narrower: the lids simply cover it.
    rise = np.maximum(was_v - source_up, _THIN) / np.maximum(was_v - target_up, _THIN)
    fall = np.maximum(source_low - was_v, _THIN) / np.maximum(target_low - was_v, _THIN)
    share = np.where(from_v < was_v, rise, fall)
    from_v = was_v + (from_v - was_v) * np.clip(share, 0.3, 1)
    return Patch(left, top, _position(there, from_u, from_v), mask)


def _window(
    target: Points, upper: tuple[int, ...], lower: tuple[int, ...], size: tuple[int, int]
) -> tuple[int, int, NDArray[np.float64], NDArray[np.float64], Map] | None:
    """The opening's rectangle in the output: corner, its pixels' x (w,) and y (h,), its mask."""
    outline = np.concatenate([target[list(upper)], target[list(lower)][-2:0:-1]])
    if _area(outline) < 0.5:
        return None
    low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 2, 0, size)
    high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 2, 0, size)
    width, height = (high - low).tolist()
    if width < 1 or height < 1:
        return None
    mask = np.zeros((height, width), np.uint8)
    corners = np.round((outline - low - 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _SHIFT)
    # A lid's or lip's edge is soft, by about a fiftieth of the opening's width, and all of the
    # softness lies inside.
    sigma = max(0.5, 0.02 * float(np.linalg.norm(outline[0] - outline[len(upper) - 1])))
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma).astype(np.float32) / 255
    soft = np.clip(2 * blurred - 1, 0, 1) if sigma > 1 else np.minimum(blurred, mask / 255)
    x, y = (
        first + 0.5 + np.arange(count) for first, count in zip(low, (width, height), strict=True)
    )
    return int(low[0]), int(low[1]), x, y, soft.astype(np.float32)


def _frame(points: Points, edge: tuple[int, ...]) -> _Frame:
    a, b = points[edge[0], :2].astype(np.float64), points[edge[-1], :2].astype(np.float64)
    length = max(float(np.linalg.norm(b - a)), 1e-3)
    along = (b - a) / length
    return _Frame((a + b) / 2, along, np.array([-along[1], along[0]]), length / 2)


def _edge(
    frame: _Frame, edge: NDArray[np.floating], scale: float, u: NDArray[np.float64]
) -> NDArray[np.float64]:
    """v of a lid's or lip's edge (N, 2) at every u."""
    at_u, at_v = frame.coordinates(edge, scale)
    return np.interp(u, np.maximum.accumulate(at_u), at_v)


def _rounded(edge: NDArray[np.floating]) -> NDArray[np.float64]:
    """A lip's edge (N, 2) as a curve through its points (4 N - 3, 2), without their corners."""
    ends = 2 * edge[[0, -1]] - edge[[1, -2]]
    at = np.concatenate([ends[:1], edge, ends[1:]]).astype(np.float64)
    a, b, c, d = at[:-3, None], at[1:-2, None], at[2:-1, None], at[3:, None]
    t = np.linspace(0, 1, 4, endpoint=False)[:, None]
    # A Catmull-Rom spline.
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return np.concatenate([curve.reshape(-1, 2), at[-2:-1]])


def _between_lips(
    u: NDArray[np.float64], below: NDArray[np.float64], above: NDArray[np.float64], half: float
) -> Map:
    """How much of each pixel (h, w) lies between the lips; where they cross, nothing.

    below, above: how far each pixel is from the upper and from the lower lip's edge, in pixels.
    """
    depth = np.minimum(below, above)
    depth = np.minimum(depth, (1 - np.abs(u)) * half)
    soft = max(1.0, _LIP_SOFT * half)
    apart = np.clip((below + above) / soft, 0, 1)  # no line where lips touch
    return (apart * np.clip(depth / soft + _LIP_OVER, 0, 1)).astype(np.float32)


def _position(frame: _Frame, u: NDArray[np.float64], v: NDArray[np.float64]) -> Map:
    """Pixel index (h, w, 2) of the frame's coordinates u and v."""
    along, down, first = frame.half * frame.along, frame.down, frame.middle - 0.5
    position = np.empty((*u.shape, 2), np.float32)
    for axis in (0, 1):
        position[..., axis] = first[axis] + u * along[axis] + v * down[axis]
    return position


def _area(outline: Points) -> float:
    x, y = outline[:, 0].astype(np.float64), outline[:, 1].astype(np.float64)
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _smoothstep(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
