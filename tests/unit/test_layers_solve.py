# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed form, clean colours and enlarging: on pictures that are mixed from known parts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.layers.closed_form import closed_form
from inference.layers.colours import separate, settle
from inference.layers.enlarge import AlphaEnlarger, enlarged
from inference.layers.trimap import beside_edge, make_face, open_band
from inference.pictures import strips

Plane = NDArray[np.float32]
SIZE = 128


class Stop(Exception):
    pass


def soft_disc(size: int, radius: float, softness: float) -> Plane:
    """Alpha (size, size): 1 in the middle, 0 at the edge."""
    rows, columns = np.mgrid[:size, :size] + 0.5 - size / 2
    return np.clip((radius - np.hypot(rows, columns)) / softness + 0.5, 0, 1).astype(np.float32)


def painted(rng: np.random.Generator, tint: tuple[float, float, float]) -> Plane:
    """(SIZE, SIZE, 3): one colour that shades off, with a little noise."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    shade = (0.8 + 0.2 * rows - 0.1 * columns)[..., None]
    return (np.array(tint) * shade + rng.normal(0, 0.004, (SIZE, SIZE, 1))).astype(np.float32)


@pytest.fixture
def person(rng: np.random.Generator) -> Plane:
    return painted(rng, (0.7, 0.4, 0.2))


@pytest.fixture
def ground(rng: np.random.Generator) -> Plane:
    return painted(rng, (0.2, 0.5, 0.8))


@pytest.fixture
def alpha() -> Plane:
    """A disc with strands that leave it."""
    strands = np.zeros((4 * SIZE, 4 * SIZE), np.uint8)
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        ends = [
            tuple(
                int(v) for v in 2 * SIZE + reach * SIZE * np.array([np.cos(angle), np.sin(angle)])
            )
            for reach in (0.8, 1.25)
        ]
        cv2.line(strands, ends[0], ends[1], 255, 3)
    fine = cv2.resize(strands, (SIZE, SIZE), interpolation=cv2.INTER_AREA) / np.float32(255)
    return np.maximum(soft_disc(SIZE, 30, 5), 0.8 * fine)


def mix(person: Plane, ground: Plane, alpha: Plane) -> Plane:
    return alpha[..., None] * person + (1 - alpha[..., None]) * ground


def band(alpha: Plane) -> NDArray[np.bool_]:
    return cv2.dilate(((alpha > 0.01) & (alpha < 0.99)).astype(np.uint8), np.ones((5, 5))) > 0


def test_the_closed_form_finds_the_share_that_was_mixed(
    person: Plane, ground: Plane, alpha: Plane
) -> None:
    open_ = band(alpha)
    found = closed_form(mix(person, ground, alpha), np.round(alpha), open_)
    assert np.abs(found - alpha)[open_].mean() < 0.025
    # What a trimap alone would say is far off: the strands are really found.
    assert np.abs(np.round(alpha) - alpha)[open_].mean() > 0.08


def test_what_is_known_stays(person: Plane, ground: Plane, alpha: Plane) -> None:
    open_ = band(alpha)
    known = np.round(alpha)
    found = closed_form(mix(person, ground, alpha), known, open_)
    np.testing.assert_array_equal(found[~open_], known[~open_])
    assert found.min() >= 0
    assert found.max() <= 1
    nothing_open = closed_form(mix(person, ground, alpha), known, np.zeros_like(open_))
    np.testing.assert_array_equal(nothing_open, known)


def test_flat_colours_do_not_upset_the_solver() -> None:
    picture = np.zeros((96, 96, 3), np.float32)
    picture[:, 40:] = 1
    known = np.zeros((96, 96), np.float32)
    known[:, 48:] = 1
    open_ = np.zeros((96, 96), bool)
    open_[:, 8:88] = True
    found = closed_form(picture, known, open_)
    assert np.isfinite(found).all()
    assert found[:, :36].max() < 0.05
    assert found[:, 44:].min() > 0.95


def test_a_solver_that_is_stopped_stops(person: Plane, ground: Plane, alpha: Plane) -> None:
    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        closed_form(mix(person, ground, alpha), np.round(alpha), band(alpha), stop)


def test_colours_are_freed_of_the_ground(person: Plane, ground: Plane, alpha: Plane) -> None:
    picture = mix(person, ground, alpha)
    found, behind = separate(picture, alpha)
    mixed = (alpha > 0.3) & (alpha < 0.95)
    before = np.abs(picture - person)[mixed].mean()
    assert before > 0.1
    assert np.abs(found - person)[mixed].mean() < 0.2 * before
    assert np.abs(behind - ground)[(alpha < 0.7) & (alpha > 0.05)].mean() < 0.2 * before
    assert np.abs(found - picture)[alpha == 1].max() < 0.02
    # It goes on beyond the person in the person's colours.
    assert np.abs(found - person)[alpha == 0].mean() < 0.1


def test_settled_colours_give_the_picture_over_another_ground(
    person: Plane, ground: Plane, alpha: Plane
) -> None:
    picture = mix(person, ground, alpha)
    found, behind = separate(picture, alpha)
    other = np.clip(behind + 0.1, 0, 1)
    settled = settle(picture, alpha, found, other)
    half = alpha > 0.5
    missing = np.abs(mix(found, other, alpha) - picture)[half].mean()
    assert np.abs(mix(settled, other, alpha) - picture)[half].mean() < 0.3 * missing


def test_strands_thinner_than_a_small_pixel_come_back_at_full_size() -> None:
    large = np.zeros((512, 512), np.float32)
    large[:, 256:] = 1
    for row in range(20, 500, 40):
        cv2.line(large, (200, row), (256, row + 8), 1.0, 2)
    shades = np.array([0.9, 0.7, 0.5]), np.array([0.2, 0.1, 0.1])
    picture = (large[..., None] * shades[1] + (1 - large[..., None]) * shades[0]).astype(np.float32)
    small = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
    enlarger = AlphaEnlarger(small, alpha)
    full = np.concatenate([enlarger.rows(picture[r], (512, 512), r) for r in strips((512, 512))])
    plain = cv2.resize(alpha, (512, 512), interpolation=cv2.INTER_LINEAR)
    assert np.abs(full - large).mean() < 0.5 * np.abs(plain - large).mean()


def test_rows_enlarged_apart_are_those_enlarged_at_once(rng: np.random.Generator) -> None:
    small = rng.random((40, 30, 3)).astype(np.float32)
    whole = enlarged(small, (100, 140), slice(0, 140))
    parts = [enlarged(small, (100, 140), slice(r, r + 35)) for r in range(0, 140, 35)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=0.02)
    np.testing.assert_array_equal(enlarged(small, (30, 40), slice(3, 9)), small[3:9])


def test_the_band_is_wide_at_the_hair_and_narrow_at_the_body() -> None:
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    outline = np.column_stack([200 + 40 * np.cos(angles), 120 + 50 * np.sin(angles)])
    face = make_face(outline.astype(np.float32))
    person = np.zeros((400, 400), bool)
    person[50:, 120:280] = True
    known, open_ = open_band(person, face)
    at_ear, at_hip = open_[120].sum(), open_[380].sum()
    assert at_ear > 2.5 * at_hip > 0
    assert not open_[face.filled(person.shape, -0.06)].any()
    assert known[110:130, 190:210].all()
    assert not open_[399, 150:250].any()  # the picture's edge is no outline


def test_ground_that_the_edge_cuts_off_is_told_from_hair_by_its_colour() -> None:
    rng = np.random.default_rng(0)

    def grain(strength: float) -> Plane:
        return cv2.GaussianBlur(rng.normal(0, strength, (SIZE, SIZE, 3)), (0, 0), 1).astype("f4")

    hair, wall = painted(rng, (0.5, 0.38, 0.3)), painted(rng, (0.45, 0.5, 0.6))
    # A crown just below the upper edge: above it the band has no known ground on its other side.
    face = make_face(np.array([[40, 40], [88, 40], [88, 100], [40, 100]], np.float32))
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    alpha = np.clip(56 - np.hypot(columns - 64, rows - 58), 0, 1).astype(np.float32)
    picture = mix(hair + grain(0.5), wall + grain(0.2), alpha)
    known, open_ = open_band(alpha > 0.5, face)
    cut_off = open_[0] & (alpha[0] == 0)
    assert cut_off.sum() > 20
    guess, trust = beside_edge(picture, known, open_, face)
    assert trust is not None
    found = closed_form(picture, guess, open_, trust=trust)
    without = closed_form(picture, known, open_)
    assert found[0][cut_off].mean() < 0.6 * without[0][cut_off].mean()
    assert np.abs(found - alpha)[open_].mean() < np.abs(without - alpha)[open_].mean()


def test_a_band_with_ground_beyond_it_is_left_to_the_matting(person: Plane, ground: Plane) -> None:
    face = make_face(np.array([[44, 44], [84, 44], [84, 92], [44, 92]], np.float32))
    alpha = soft_disc(SIZE, 40, 5)
    known, open_ = open_band(alpha > 0.5, face)
    guess, trust = beside_edge(mix(person, ground, alpha), known, open_, face)
    assert trust is None
    np.testing.assert_array_equal(guess, known)
