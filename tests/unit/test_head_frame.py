# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of a head in depth: exact at rest, still grounds, no holes, no flicker, true marks."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from export.evaluation.measures import psnr
from inference.head.frame import (
    BACK,
    BODY,
    FACE,
    NOTHING,
    SHELL,
    HeadFrame,
    draw_head,
    lay_head_over,
    pose_head,
)
from inference.head.source import HeadSource, build_head, resized
from inference.landmarks import MOUTH_LOWER, OVAL
from inference.warp.mesh import build_mesh
from inference.warp.warp import pose_target, warp, warp_source
from tests.unit.drawn_person import UNIT, DrawnPerson, draw_person, turned


@pytest.fixture(scope="module")
def person() -> DrawnPerson:
    return draw_person()


@pytest.fixture(scope="module")
def source(person: DrawnPerson) -> HeadSource:
    return person.head()


def frame(source: HeadSource, target: np.ndarray) -> HeadFrame:
    return draw_head(source, pose_head(source, target))


def crop_of(person: DrawnPerson, plane: np.ndarray) -> np.ndarray:
    """The crop's part of a picture; the drawn person's crop lies in its picture."""
    left, top, right, bottom = person.portrait.visible()
    box = person.portrait.box
    return plane[box.y + top : box.y + bottom, box.x + left : box.x + right]


def test_at_rest_the_picture_is_the_portrait(person: DrawnPerson, source: HeadSource) -> None:
    made = frame(source, person.portrait.crop_points())
    whole = lay_head_over(person.portrait, person.plate, source, made)
    assert psnr(whole.astype(np.uint8), person.portrait.picture.rgb8()) > 45
    assert made.unseen.max() < 0.01


def test_at_rest_a_bad_matte_and_plate_do_not_show(person: DrawnPerson) -> None:
    dark = np.asarray(person.plate // 2, np.uint8)
    worse = DrawnPerson(person.portrait, np.roll(person.alpha, 3, axis=1), person.person, dark)
    source = worse.head()
    rest, near, away = (
        lay_head_over(worse.portrait, worse.plate, source, frame(source, turned(worse, yaw)))
        for yaw in (0.0, 0.5, 20.0)
    )
    own = person.portrait.picture.rgb8()
    assert psnr(rest.astype(np.uint8), own) > 45
    assert psnr(near.astype(np.uint8), own) > psnr(away.astype(np.uint8), own) + 5


def test_ground_within_the_faces_outline_becomes_skin(person: DrawnPerson) -> None:
    """As beside a cheek that the portrait hides, where the outline strays over what lies behind."""
    portrait, box = person.portrait, person.portrait.box
    rgb, alpha = portrait.picture.rgb8().copy(), person.alpha.copy()
    oval = portrait.points[list(OVAL), :2]
    beside = np.arange(rgb.shape[1]) > oval[:, 0].max() - 0.25 * UNIT
    face = cv2.fillPoly(np.zeros(alpha.shape, np.uint8), [np.round(oval).astype(np.int32)], 1) > 0
    strays = face & beside
    rgb[strays], alpha[strays] = (30, 220, 40), 0
    plate, colours = person.plate.copy(), person.person.copy()
    plate[strays], colours[strays] = (30, 220, 40), (30, 220, 40)
    shown = replace(portrait, picture=replace(portrait.picture, rgb=rgb))
    source = DrawnPerson(shown, alpha, colours, plate).head()
    here = strays[box.y : box.y + box.height, box.x : box.x + box.width]
    skin = (face & ~beside)[box.y : box.y + box.height, box.x : box.x + box.width]
    found = source.person.pixels[here].mean(axis=0)
    assert np.abs(found - source.person.pixels[skin].mean(axis=0)).max() < 30
    rest = lay_head_over(shown, plate, source, frame(source, shown.crop_points()))
    assert psnr(rest.astype(np.uint8), rgb) > 45


def test_a_faint_edge_of_another_colour_makes_no_specks(person: DrawnPerson) -> None:
    """What a matte wrongly gives a fifth of to the person is not explained by a glaring colour."""
    alpha = person.alpha.copy()
    ring = cv2.dilate((alpha > 0.5).astype(np.uint8), np.ones((9, 9))) - (alpha > 0.5)
    alpha[ring > 0] = 0.3
    rgb = person.portrait.picture.rgb8().copy()
    rgb[ring > 0] = np.clip(rgb[ring > 0].astype(int) - 40, 0, 255)
    shown = replace(person.portrait, picture=replace(person.portrait.picture, rgb=rgb))
    source = DrawnPerson(shown, alpha, person.person, person.plate).head()
    wanted = DrawnPerson(shown, alpha, person.person, person.plate)
    edge = crop_of(person, ring) > 0
    left, top, right, bottom = shown.visible()
    apart = source.person.pixels[top:bottom, left:right].astype(int) - crop_of(
        person, wanted.person
    )
    assert np.abs(apart[edge]).max() < 60


def test_the_face_is_the_mesh_warps_own_but_for_streaks(
    person: DrawnPerson, source: HeadSource
) -> None:
    target = turned(person, 25)
    box = person.portrait.box
    size = (box.width, box.height)
    points = person.portrait.crop_points()
    flat = warp_source(source.person.pixels, points)
    old, _ = warp(flat, pose_target(build_mesh(points, size), target, size), size)
    made = frame(source, target)
    inside = made.layer == FACE
    inside[:, 1:] &= inside[:, :-1]
    inner = np.zeros_like(inside)
    inner[4:-4, 4:-4] = np.all(
        [np.roll(inside, shift, axis)[4:-4, 4:-4] for shift in (-4, 4) for axis in (0, 1)], axis=0
    )
    assert inner.sum() > 4000
    same = (made.pixels == old).all(axis=2)
    assert same[inner].mean() > 0.6
    # What is drawn out across is smoother down the picture, and of the same colour.
    drawn_out = (inner & ~same)[1:]
    down = [
        np.abs(np.diff(picture.astype(int), axis=0))[drawn_out] for picture in (made.pixels, old)
    ]
    assert down[0].mean() < 0.8 * down[1].mean()
    changed = made.pixels[inner & ~same].mean(axis=0) - old[inner & ~same].mean(axis=0)
    assert np.abs(changed).max() < 2


def test_streaks_of_skin_are_softened_beside_an_open_mouth_and_not_within(
    person: DrawnPerson, source: HeadSource
) -> None:
    target = person.portrait.crop_points().copy()
    target[list(MOUTH_LOWER[1:-1]), 1] += 0.5 * UNIT
    pose = pose_head(source, target)
    everywhere = [np.ones((256, 256), np.float32), None]
    sharp = draw_head(source, replace(pose, streaks=[None, None]))
    soft = draw_head(source, replace(pose, streaks=everywhere))
    mouth = next(patch for patch in sharp.patches if patch.teeth is not None)
    height, width = mouth.mask.shape
    here = np.s_[mouth.top : mouth.top + height, mouth.left : mouth.left + width]
    within = mouth.mask == 1
    assert (soft.pixels[here][within] == sharp.pixels[here][within]).all()
    assert (soft.pixels != sharp.pixels).any(axis=2).mean() > 0.2


@pytest.mark.parametrize("yaw", [-35, -12, 12, 35])
def test_where_the_head_is_not_the_plate_stands_to_the_last_bit(
    person: DrawnPerson, source: HeadSource, yaw: int
) -> None:
    made = frame(source, turned(person, yaw))
    whole = lay_head_over(person.portrait, person.plate, source, made)
    outside = np.ones(whole.shape[:2], bool)
    left, top, right, bottom = person.portrait.visible()
    crop_of(person, outside)[:] = made.alpha[top:bottom, left:right] == 0
    below = person.portrait.picture.rgb8().copy()
    crop_of(person, below)[:] = crop_of(person, person.plate)
    assert outside.mean() > 0.2
    assert np.array_equal(whole[outside], below[outside])


@pytest.mark.parametrize("yaw", [-35, -20, 20, 35])
def test_a_turned_head_has_no_hole(source: HeadSource, person: DrawnPerson, yaw: int) -> None:
    made = frame(source, turned(person, yaw))
    solid = made.alpha > 0.9
    rows = np.flatnonzero(solid.any(axis=1))
    for row in rows[len(rows) // 8 : len(rows) // 2]:  # the skull's
        across = np.flatnonzero(solid[row])
        assert np.ptp(across) + 1 - len(across) < 0.02 * solid.shape[1]


def test_ears_leave_no_hole_either() -> None:
    person = draw_person(hair=1.0, ears=True)
    source = person.head()
    for yaw in (-35, 35):
        made = frame(source, turned(person, yaw))
        solid = made.alpha > 0.9
        rows = np.flatnonzero(solid.any(axis=1))
        for row in rows[len(rows) // 8 : len(rows) // 3]:
            across = np.flatnonzero(solid[row])
            assert np.ptp(across) + 1 - len(across) < 0.03 * solid.shape[1]
        assert (made.layer == BACK).any()


def test_a_soft_fringe_goes_with_the_crown_and_is_not_drawn_out(person: DrawnPerson) -> None:
    fringe = cv2.dilate(person.alpha, np.ones((37, 37), np.uint8))
    soft = np.maximum(person.alpha, 0.35 * cv2.GaussianBlur(fringe, (0, 0), 2))
    source = DrawnPerson(person.portrait, soft, person.person, person.plate).head()

    def height(target: np.ndarray) -> int:
        """Rows from the fringe's beginning to the crown's."""
        alpha = frame(source, target).alpha
        middle = alpha.shape[1] // 2
        column = alpha[:, middle - 20 : middle + 20].mean(axis=1)
        return int(np.argmax(column > 0.9) - np.argmax(column > 0.05))

    own = height(turned(person, 0))
    assert own > 15
    for pitch, down in ((-15, 45), (15, 45), (12, 60)):
        nodded = turned(person, 0, pitch)
        nodded[:, 1] += down
        assert height(nodded) < 1.5 * own


def test_alpha_ends_where_the_fringe_is_carried_along_no_more(person: DrawnPerson) -> None:
    halo = cv2.dilate(person.alpha, np.ones((61, 61), np.uint8))
    faint = np.maximum(person.alpha, 0.2 * halo)
    source = DrawnPerson(person.portrait, faint, person.person, person.plate).head()
    inner, outer = source.mesh.fringe()
    up = np.argmin(inner[:, 1])
    column, row = outer[up] + (0, -0.1 * UNIT)
    assert source.alpha[int(row), int(column)] == 0
    column, row = inner[up]
    assert source.alpha[int(row), int(column)] > 0.15 * 255


def test_a_slow_turn_neither_pops_nor_flickers(person: DrawnPerson) -> None:
    for who in (person, draw_person(hair=1.0, ears=True)):
        source = who.head()
        planes = [
            frame(source, turned(who, yaw)).alpha.astype(np.float64)
            for yaw in np.arange(0.0, 36.0, 0.75)
        ]
        steps = [np.abs(b - a).mean() for a, b in zip(planes, planes[1:], strict=False)]
        assert max(steps) < 3.0 * np.median(steps) + 1e-3


def test_what_was_never_seen_is_marked(person: DrawnPerson) -> None:
    who = draw_person(hair=1.0, ears=True)
    source = who.head()
    near = frame(source, turned(who, 10)).unseen.sum()
    far = frame(source, turned(who, 35)).unseen.sum()
    assert far > near
    assert far > 200


def test_layers_are_told_apart(person: DrawnPerson, source: HeadSource) -> None:
    made = frame(source, turned(person, 15))
    box = made.layer.shape[0]
    points = turned(person, 15)
    nose = np.round(points[4, :2]).astype(int)
    assert made.layer[nose[1], nose[0]] == FACE
    assert made.layer[round(points[10, 1] - 20), round(points[10, 0])] == SHELL
    assert made.layer[box - 8, box // 2] == BODY
    assert made.layer[4, 4] == NOTHING
    assert (made.layer[made.alpha == 0] == NOTHING).all()


def test_a_residual_moves_colours_and_alpha(person: DrawnPerson, source: HeadSource) -> None:
    pose = pose_head(source, person.portrait.crop_points())
    shift = np.zeros((8, 8, 2), np.float32)
    shift[..., 0] = 5
    still, moved = draw_head(source, pose), draw_head(source, pose, shift)
    assert np.allclose(moved.alpha[60:200, 60:-60], still.alpha[60:200, 65:-55], atol=0.02)
    assert (
        psnr(
            moved.pixels[20:60, 60:-60].astype(np.uint8),
            still.pixels[20:60, 65:-55].astype(np.uint8),
        )
        > 35
    )


def test_the_same_head_at_another_size(person: DrawnPerson, source: HeadSource) -> None:
    small = resized(source, (128, 128))
    pose = pose_head(source, turned(person, 20))
    made, full = draw_head(small, pose), draw_head(source, pose)
    assert made.pixels.shape == (128, 128, 3)
    assert made.alpha.mean() == pytest.approx(full.alpha.mean(), abs=0.01)
    assert made.unseen.mean() == pytest.approx(full.unseen.mean(), abs=0.01)


def test_nothing_is_mirrored_in_at_the_pictures_edge() -> None:
    """A head cut by the picture's upper edge: above it there is no second head upside down."""
    person = draw_person(up=95.0)
    source = person.head()
    box = person.portrait.box
    assert box.y < -10
    top = np.array(person.portrait.visible())[1]
    shell = source.mesh.shell
    highest = shell.center[1] - shell.edge().max() - 0.3 * shell.unit
    if highest > 0:
        assert source.alpha[: int(min(highest, top)) + 1].max(initial=0) == 0
    middle = round(float(shell.center[0]))
    assert np.array_equal(source.person.pixels[0, middle], source.person.pixels[top, middle])


def test_sixteen_bits_stay_sixteen_bits(person: DrawnPerson) -> None:
    rgb = _deep(person.portrait.picture.rgb)
    portrait = replace(person.portrait, picture=replace(person.portrait.picture, rgb=rgb))
    plate = _deep(person.plate)
    source = build_head(portrait, person.alpha, _deep(person.person), plate)
    whole = lay_head_over(portrait, plate, source, frame(source, portrait.crop_points()))
    assert whole.dtype == np.uint16
    assert psnr((whole // 257).astype(np.uint8), person.portrait.picture.rgb8()) > 45


def _deep(pixels: np.ndarray) -> NDArray[np.uint16]:
    return np.asarray(pixels.astype(np.uint16) * np.uint16(257), np.uint16)
