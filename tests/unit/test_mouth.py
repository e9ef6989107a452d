# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of an open mouth: teeth of the head and of the jaw, in the portrait's own paint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.composite import keep_teeth
from inference.errors import InputError
from inference.generator.model import GeneratorOutput
from inference.jobs import SynthesizeJob
from inference.landmarks import LIPS_LOWER, LIPS_UPPER, MOUTH_LOWER, MOUTH_UPPER
from inference.mouth.inside import find_place
from inference.mouth.look import TeethLook
from inference.mouth.own import find_own_teeth
from inference.mouth.paint import (
    DARK,
    GUMS,
    TEETH,
    TONGUE,
    find_palette,
    looked_at,
    palette,
    tinted,
)
from inference.mouth.plate import TeethPlate, draw_template, make_plate
from inference.performance.face.canonical import canonical_face
from inference.pictures import StillPicture
from inference.portrait import Box, Portrait
from inference.teeth import find_grain, find_teeth
from inference.warp.mesh import build_mesh
from inference.warp.openings import Patch, mouth_patch
from inference.warp.warp import WarpSource, pose_target, warp, warp_source

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
    painted: Plane | None = None


def drawn(patch: Patch | None) -> Drawn:
    assert patch is not None and patch.paint is not None and patch.teeth is not None
    return Drawn(patch.left, patch.top, patch.mask, patch.paint, patch.teeth, patch.painted)


def patch_of(shut: Points, gap: float) -> Drawn:
    return drawn(mouth_patch(shut, opened(shut, gap), 1, SIZE, find_place(shut)))


def looking(shut: Points, gap: float, look: TeethLook, plate: TeethPlate | None = None) -> Drawn:
    """The mean face's mouth, its teeth changed."""
    place = replace(find_place(shut), look=look, plate=plate)
    return drawn(mouth_patch(shut, opened(shut, gap), 1, SIZE, place))


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
    if not grey:  # of one tint alone a toned print would be
        lips = np.round(shut[[*LIPS_UPPER, *LIPS_LOWER[::-1]], :2]).astype(np.int32)
        cv2.fillPoly(picture, [lips], (190, 100, 90))
    colours = find_palette(picture, shut)
    spread = np.ptp(colours, axis=1)
    if grey:
        assert spread.max() < 1
    else:
        assert (np.argmax(colours, axis=1) == 0).all()  # red leads in all of them
        assert spread[TEETH] < 0.4 * colours[TEETH].max()  # no gold teeth
    assert colours[TEETH].mean() > colours[TONGUE].mean() > colours[DARK].mean()
    assert colours[GUMS].mean() > colours[TONGUE].mean()


def test_a_sepia_print_has_sepia_teeth(shut: Points) -> None:
    tone, light = np.array([0.95, 0.78, 0.55]), np.linspace(0.3, 0.9, len(looked_at(shut)))
    colours = palette(light[:, None] * tone)
    np.testing.assert_allclose(
        colours / colours.max(axis=1, keepdims=True), [tone / 0.95] * 4, atol=0.12
    )
    np.testing.assert_allclose(colours[TEETH] / colours[TEETH].max(), tone / 0.95, atol=0.01)


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
    bright, warm = (
        tinted(plain[TEETH], look) for look in (TeethLook(brightness=1.3), TeethLook(warmth=1.0))
    )
    assert bright.mean() > 1.15 * plain[TEETH].mean()
    assert warm[2] < plain[TEETH, 2] - 10
    assert warm @ (0.299, 0.587, 0.114) == pytest.approx(
        plain[TEETH] @ (0.299, 0.587, 0.114), rel=0.02
    )
    seen = {
        look: looking(shut, 26, look)
        for look in (TeethLook(), TeethLook(seen=0.0), TeethLook(size=0.75), TeethLook(gap=3))
    }
    whole, hidden, small, gap = (float(each.teeth.sum()) for each in seen.values())
    assert hidden == 0
    assert 0.5 * whole < small < 0.95 * whole
    assert gap < whole
    middle = SIDE // 2 - seen[TeethLook()].left
    plain_tooth, with_gap = (
        each.teeth[:, middle - 2 : middle + 3].max()
        for each in (seen[TeethLook()], seen[TeethLook(gap=3)])
    )
    assert plain_tooth > 0.9 and with_gap < 0.1


@pytest.fixture(scope="module")
def template(shut: Points) -> tuple[Plane, Plane, Plane]:
    """A template's colours and alpha, of a warm picture, and that one's palette."""
    colours = find_palette(np.full((SIDE, SIDE, 3), (190, 150, 130), np.uint8), shut) / 255
    return (*draw_template(colours), colours)


def plate_of(rgb: Plane, alpha: Plane) -> TeethPlate:
    eight, share = (np.round(plane * 255).astype(np.uint8) for plane in (rgb, alpha))
    return make_plate(StillPicture(eight, share))


def test_a_template_that_is_not_painted_on_changes_nothing_that_is_seen(
    shut: Points, template: tuple[Plane, Plane, Plane]
) -> None:
    rgb, alpha, colours = template
    for look in (TeethLook(), TeethLook(size=1.2, gap=2.5, warmth=0.6)):
        drawn_ones = looking(shut, 16, look)
        painted = looking(shut, 16, look, plate_of(rgb, alpha))
        assert painted.painted is not None
        tint = colours.copy()
        tint[TEETH] = tinted(colours[TEETH], look)
        away = painted.paint @ colours + painted.painted - drawn_ones.paint @ tint
        inside = drawn_ones.mask > 0.5
        assert np.abs(away[inside]).mean() < 0.004
        assert np.quantile(np.abs(away[inside]), 0.99) < 0.06  # an edge, by less than a pixel
        assert np.abs(painted.teeth - drawn_ones.teeth)[inside].mean() < 0.01


def test_a_painted_tooth_is_where_it_was_painted(
    shut: Points, template: tuple[Plane, Plane, Plane]
) -> None:
    """One upper front tooth is gold, the one beside it is missing."""
    rgb, alpha = template[0].copy(), template[1].copy()
    middle, fine = rgb.shape[1] // 2, rgb.shape[1] / 96
    upper = slice(0, rgb.shape[0] // 2)
    rgb[upper, middle - round(8 * fine) : middle - round(0.5 * fine)] = (0.9, 0.7, 0.1)
    alpha[upper, middle : middle + round(8.5 * fine)] = 0
    seen = looking(shut, 16, TeethLook(), plate_of(rgb, alpha))
    assert seen.painted is not None
    column = SIDE // 2 - seen.left
    row = int(np.flatnonzero(seen.mask[:, column] > 0.9)[0]) + round(3 * MM)
    gold, missing = (seen.painted[row, column + side * round(4 * MM)] for side in (-1, 1))
    assert gold[0] > 0.3 and gold[2] < 0.2 * gold[0]
    assert missing.max() < 0.02
    assert seen.paint[row, column + round(4 * MM), DARK] > 0.9


SMILE = (190, 150, 130), (170, 80, 75)  # skin and lips


def smiling(shut: Points, inside: tuple[int, int, int], gap: float = 8) -> tuple[Any, Points]:
    """A picture of the mean face whose lips are apart, with this colour between them."""
    points = opened(shut, gap)
    picture = np.full((SIDE, SIDE, 3), SMILE[0], np.uint8)
    for ring, colour in (((*LIPS_UPPER, *LIPS_LOWER[::-1]), SMILE[1]),
                         ((*MOUTH_UPPER, *MOUTH_LOWER[::-1]), inside)):  # fmt: skip
        cv2.fillPoly(picture, [np.round(points[list(ring), :2]).astype(np.int32)], colour)
    return picture, points


@pytest.mark.parametrize(
    ("inside", "share"),
    [((225, 215, 190), 1.0), ((25, 12, 10), 0.0), ((235, 130, 125), 0.0), ((170, 80, 75), 0.0)],
    ids=["teeth", "dark", "a moist lip's gleam", "lip"],
)
def test_a_picture_s_own_teeth_are_told_from_dark_and_lips(
    shut: Points, inside: tuple[int, int, int], share: float
) -> None:
    picture, points = smiling(shut, inside)
    own = find_own_teeth(picture, points, find_palette(picture, points)[TEETH])
    assert own.share == share
    if share:
        assert np.abs(own.colour - inside).max() < 3
    closed = find_own_teeth(picture, shut, find_palette(picture, points)[TEETH])
    assert closed.share == 0


def test_below_a_picture_s_own_upper_teeth_no_second_row_is_drawn(shut: Points) -> None:
    smile, wide = opened(shut, 5), opened(shut, 20)
    rows = {}
    for own in (0.0, 1.0):
        place = replace(find_place(smile), own=own)
        patch = drawn(mouth_patch(smile, wide, 1, SIZE, place))
        column = SIDE // 2 - patch.left + 6
        below = patch.top + np.flatnonzero(patch.teeth[:, column] > 0.5) - wide[13, 1]
        rows[own] = below / MM
    assert ((rows[0.0] > 6) & (rows[0.0] < 9)).any()
    assert not (rows[1.0] < 12).any()
    assert (rows[1.0] > 14).any()  # lower ones are


@pytest.mark.parametrize("own", [False, True], ids=["drawn", "shown"])
def test_the_network_is_kept_off_the_mouth_alone(shut: Points, own: bool) -> None:
    place = replace(find_place(shut), own=float(own))
    patch = mouth_patch(opened(shut, 14 * own), opened(shut, 14), 1, SIZE, place)
    assert patch is not None
    zero = np.zeros((SIDE, SIDE), np.float32)
    answer = GeneratorOutput(zero[..., None], zero[..., None], zero + np.float32(0.4), zero)
    kept = keep_teeth(answer, [patch]).alpha
    height, width = patch.mask.shape
    here = kept[patch.top : patch.top + height, patch.left : patch.left + width]
    # By a part of the way from what it wants to none of it, the same all over the mouth.
    moved = (here[patch.mask == 1] - 0.4) / 0.6
    assert moved.min() > 0.2 and moved.max() < 1 and np.ptp(moved) < 1e-3
    here[:] = np.float32(0.4)
    assert (kept == np.float32(0.4)).all()
    assert (answer.alpha == np.float32(0.4)).all()


def test_drawn_teeth_take_the_portrait_s_grain_and_a_clean_one_stays_clean(
    shut: Points, rng: np.random.Generator
) -> None:
    grainy = {}
    for noise in (0.0, 12.0):
        picture, _ = smiling(shut, SMILE[1])
        noisy = picture + noise * rng.normal(size=(SIDE, SIDE, 1))
        rgb = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
        portrait = Portrait(Path("drawn.png"), StillPicture(rgb, None), shut, Box(0, 0, SIDE, SIDE))
        grain = find_grain(portrait)
        source = replace(warp_source(rgb, shut), grain=grain)
        target = pose_target(build_mesh(shut, SIZE), opened(shut, 14), SIZE)
        warped, patches = warp(source, target, SIZE)
        patch = next(each for each in patches if each.teeth is not None)
        height, width = patch.mask.shape
        here = warped[patch.top : patch.top + height, patch.left : patch.left + width]
        plain, _ = warp(replace(source, grain=None), target, SIZE)
        was = plain[patch.top : patch.top + height, patch.left : patch.left + width]
        teeth = (drawn(patch).teeth > 0.9) & (patch.mask > 0.9)
        change = here[teeth].astype(float) - was[teeth]
        grainy[noise] = float(change.std())
        assert np.ptp(change, axis=1).max() <= 10  # lighter and darker, of no other colour
    assert grainy[0.0] < 0.5
    assert grainy[12.0] > 4


def test_a_picture_lends_its_teeth_by_its_number(shut: Points) -> None:
    picture, points = smiling(shut, (225, 215, 190))
    portrait = Portrait(Path("a.png"), StillPicture(picture, None), points, Box(0, 0, SIDE, SIDE))
    job = SynthesizeJob((Path("a.png"),), None, Path("out"), teeth=TeethLook(picture=1))
    teeth, words = find_teeth(job, portrait, [], 128)
    assert words == "" and teeth.lent[1].pixels.shape == picture.shape
    assert teeth.small_lent[1].pixels.shape == (128, 128, 3)
    for number, line in ((2, "but the portrait has 1 picture"), (-1, "counted from 1")):
        with pytest.raises(InputError, match=line):
            find_teeth(replace(job, teeth=TeethLook(picture=number)), portrait, [], 128)
    shut_one = replace(portrait, points=shut)
    assert "a.png has no teeth to lend" in find_teeth(job, shut_one, [], 128)[1]
