# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of an open mouth: teeth of the head and of the jaw, in the portrait's own paint."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.errors import InputError
from inference.landmarks import MOUTH_LOWER, MOUTH_UPPER
from inference.mouth.inside import find_place
from inference.mouth.look import TeethLook, check_teeth
from inference.mouth.paint import DARK, GUMS, TEETH, TONGUE, find_palette, looked_at, palette
from inference.performance.face.canonical import canonical_face
from inference.warp.openings import Patch, mouth_patch
from inference.warp.warp import WarpSource, warp_source

SIDE, UNIT = 512, 130.0  # pixels of the picture, and of an eye distance
SIZE = (SIDE, SIDE)
MM = UNIT / 63

Points = NDArray[np.float32]
Plane = NDArray[np.float32]


@pytest.fixture(scope="module")
def shut() -> Points:
    """The mean face with its mouth closed."""
    face = canonical_face()
    points = face.mean.copy()
    points[list(MOUTH_LOWER)] = points[list(MOUTH_UPPER)]
    return (points * UNIT + (SIDE / 2, SIDE / 3, 0)).astype(np.float32)


def opened(points: Points, gap: float) -> Points:
    """The jaw and the lower lip go down by `gap` millimetres, the corners stay."""
    moved = points.copy()
    share = np.sin(np.linspace(0, np.pi, len(MOUTH_LOWER)))
    moved[list(MOUTH_LOWER), 1] += (gap * MM * share).astype(np.float32)
    return moved


@dataclass(frozen=True)
class Drawn:
    """The parts of a mouth's patch."""

    left: int
    top: int
    mask: Plane
    paint: Plane
    teeth: Plane


def drawn(patch: Patch | None) -> Drawn:
    assert patch is not None and patch.paint is not None and patch.teeth is not None
    return Drawn(patch.left, patch.top, patch.mask, patch.paint, patch.teeth)


def patch_of(shut: Points, gap: float) -> Drawn:
    return drawn(mouth_patch(shut, opened(shut, gap), 1, SIZE, find_place(shut)))


def rows_of(patch: Drawn, plane: Plane) -> tuple[float, float]:
    """The picture's rows between which a plane is there, down the middle of the mouth."""
    column = SIDE // 2 - patch.left
    there = np.flatnonzero((plane * patch.mask)[:, column - 4 : column + 5].max(axis=1) > 0.5)
    return float(patch.top + there[0]), float(patch.top + there[-1])


def test_an_open_mouth_shows_teeth_and_a_wide_one_the_tongue(shut: Points) -> None:
    ajar, wide = patch_of(shut, 6), patch_of(shut, 22)
    for patch in (ajar, wide):
        assert (patch.teeth * patch.mask).max() > 0.9
    assert (ajar.paint[..., TONGUE] * ajar.mask).max() < 0.1
    seen = (wide.paint[..., TONGUE] * wide.mask > 0.2).sum() / (wide.mask > 0.5).sum()
    assert 0.05 < seen < 0.6
    assert (wide.paint[..., DARK] * wide.mask > 0.9).sum() > 0.05 * (wide.mask > 0.5).sum()


def test_what_is_shown_adds_up(shut: Points) -> None:
    for gap in (3, 10, 25):
        paint = patch_of(shut, gap).paint
        assert paint.min() > -1e-5
        assert paint.sum(axis=2).max() < 1.02


def test_upper_teeth_stay_in_the_head_while_the_jaw_goes_down(shut: Points) -> None:
    """Their edge moves a fraction of what the lower lip does, and never jumps."""
    edges = []
    for gap in np.arange(8.0, 24.0, 0.5):
        patch = patch_of(shut, gap)
        column = SIDE // 2 - patch.left + 6
        there = patch.teeth[:, column] > 0.5
        edges.append(patch.top + np.flatnonzero(np.diff(there.astype(int)) == -1)[0])
    steps = np.diff(np.array(edges)) / MM
    assert np.abs(steps).max() < 0.6
    assert edges[-1] - edges[0] < 0.4 * 16 * MM


def test_lower_teeth_go_with_the_jaw(shut: Points) -> None:
    ends = [rows_of(patch_of(shut, gap), patch_of(shut, gap).teeth)[1] for gap in (10, 20)]
    assert ends[1] - ends[0] == pytest.approx(10 * MM, abs=3 * MM)


def test_lips_that_touch_or_cross_show_nothing(shut: Points) -> None:
    place = find_place(shut)
    assert mouth_patch(shut, shut, 1, SIZE, place) is None
    crossed = opened(shut, -4)
    assert mouth_patch(shut, crossed, 1, SIZE, place) is None
    # In an "o" the outline crosses itself beside an opening that is real.
    partly = opened(shut, 8)
    partly[list(MOUTH_LOWER[1:3]), 1] = partly[list(MOUTH_UPPER[1:3]), 1] - 3 * MM
    patch = mouth_patch(shut, partly, 1, SIZE, place)
    assert patch is not None
    left = int((partly[MOUTH_LOWER[1], 0] + partly[MOUTH_LOWER[2], 0]) / 2) - patch.left
    assert patch.mask[:, left].max() == 0
    assert patch.mask[:, SIDE // 2 - patch.left].max() == 1


def test_the_lips_edge_is_a_curve_without_corners(shut: Points) -> None:
    patch = patch_of(shut, 14)
    edge = np.argmax(patch.mask > 0.5, axis=0).astype(float)
    inner = edge[len(edge) // 5 : -len(edge) // 5]
    assert np.abs(np.diff(inner, n=2)).max() <= 2  # rows from column to column


@pytest.mark.parametrize("grey", [True, False])
def test_a_monochrome_has_grey_teeth_and_a_warm_picture_warm_ones(shut: Points, grey: bool) -> None:
    light = np.array([150, 150, 150] if grey else [205, 160, 120], np.uint8)
    picture = np.full((SIDE, SIDE, 3), light, np.uint8)
    colours = find_palette(picture, shut)
    spread = np.ptp(colours, axis=1)
    if grey:
        assert spread.max() < 1
    else:
        assert (np.argmax(colours, axis=1) == 0).all()  # red leads in all of them
        assert spread[TEETH] < 0.4 * colours[TEETH].max()  # no gold teeth
    assert colours[TEETH].mean() > colours[TONGUE].mean() > colours[DARK].mean()
    assert colours[GUMS].mean() > colours[TONGUE].mean()


def test_teeth_in_a_dark_picture_are_dark(shut: Points) -> None:
    count = len(looked_at(shut))
    dim, bright = (palette(np.full((count, 3), level)) for level in (0.08, 0.6))
    assert dim[TEETH].max() < 0.25
    assert 0.6 < bright[TEETH].max() <= 0.9


def test_a_face_turned_away_shows_fewer_teeth_and_nothing_odd(shut: Points) -> None:
    angle = np.radians(35)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    middle = np.array([SIDE / 2, SIDE / 3, 0])
    turned = ((opened(shut, 14) - middle) @ turn.T + middle).astype(np.float32)
    patch = drawn(mouth_patch(shut, turned, 1, SIZE, find_place(shut)))
    assert np.isfinite(patch.paint).all()
    assert 0.1 < (patch.teeth * patch.mask).sum() / patch.mask.sum() < 0.8


def test_16_bits_and_8_have_the_same_colours(shut: Points) -> None:
    picture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8), (0, 0), 30
    )
    deep: WarpSource = warp_source(picture.astype(np.uint16) * 257, shut)
    np.testing.assert_allclose(deep.palette / 257, warp_source(picture, shut).palette, atol=0.01)


def test_an_artist_may_hide_brighten_warm_and_shrink_the_teeth(shut: Points) -> None:
    picture = np.full((SIDE, SIDE, 3), (190, 150, 130), np.uint8)
    plain = find_palette(picture, shut)
    bright = find_palette(picture, shut, TeethLook(brightness=1.3))
    warm = find_palette(picture, shut, TeethLook(warmth=1.0))
    assert bright[TEETH].mean() > 1.15 * plain[TEETH].mean()
    assert warm[TEETH, 2] < plain[TEETH, 2] - 10
    assert warm[TEETH] @ (0.299, 0.587, 0.114) == pytest.approx(
        plain[TEETH] @ (0.299, 0.587, 0.114), rel=0.02
    )
    np.testing.assert_array_equal(warm[[DARK, GUMS, TONGUE]], plain[[DARK, GUMS, TONGUE]])
    seen = {
        look: drawn(mouth_patch(shut, opened(shut, 12), 1, SIZE, find_place(shut, look)))
        for look in (TeethLook(), TeethLook(seen=0.0), TeethLook(size=0.75))
    }
    whole, hidden, small = (float(each.teeth.sum()) for each in seen.values())
    assert hidden == 0
    assert 0.5 * whole < small < 0.95 * whole


@pytest.mark.parametrize("name", ["seen", "brightness", "warmth", "size"])
def test_a_choice_out_of_range_is_one_clear_line(name: str) -> None:
    with pytest.raises(InputError, match=rf"the {name} of the teeth is 9"):
        check_teeth(replace(TeethLook(), **{name: 9.0}))
