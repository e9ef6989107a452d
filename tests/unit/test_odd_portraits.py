# SPDX-License-Identifier: GPL-3.0-or-later
"""Portraits that are not what one hopes for: a sensible picture, or one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError
from inference.frames import encode_frame
from inference.head.parts import HAIR, SKIN, find_parts
from inference.jobs import SynthesizeJob
from inference.landmarks import OVAL
from inference.layers.layers import Layers, portrait_layers
from inference.layers.plate import make_plate
from inference.layers.trimap import make_face
from inference.pictures import StillPicture, read_picture
from inference.portrait import Portrait, open_portrait
from inference.synthesis import synthesize
from tests.unit.drawn_person import draw_person

Picture = NDArray[np.uint8]
SIDE = 340  # pixels: enough for a matte, and quick


@pytest.fixture(scope="module")
def collins() -> Picture:
    return cv2.resize(read_picture(PORTRAIT).rgb8(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def written(path: Path, rgb: Picture, alpha: NDArray[np.float32] | None = None) -> Path:
    path.write_bytes(encode_frame(rgb, alpha, "png"))
    return path


def lines(portrait: Portrait) -> str:
    """What the artist is told; it must be one line."""
    layers = portrait_layers(portrait)
    said = layers.quality + layers.fallback
    assert "\n" not in said
    return said


def inside_face(portrait: Portrait, layers: Layers) -> float:
    face = make_face(portrait.points[list(OVAL), :2])
    return float(layers.alpha[face.filled(layers.alpha.shape, -0.05)].mean()) / 255


def test_of_two_who_touch_one_is_cut_out_and_the_other_stays(
    collins: Picture, tmp_path: Path
) -> None:
    half = collins[:, 60:270]
    path = written(tmp_path / "two.png", np.hstack([half, half[:, ::-1]]))
    with pytest.raises(InputError, match="2 faces were found; name the one"):
        open_portrait(path)
    left = open_portrait(path, 1)
    layers = portrait_layers(left)
    assert "another person is close: check where they touch" in layers.quality
    assert inside_face(left, layers) > 0.99
    right = make_face(open_portrait(path, 2).points[list(OVAL), :2])
    other = right.filled(layers.alpha.shape, 0.1)
    assert layers.alpha[other].max() == 0
    np.testing.assert_array_equal(layers.plate[other], left.picture.rgb[other])
    # Nothing of the neighbour's face or suit fills the gap.
    hole = make_face(left.points[list(OVAL), :2]).filled(layers.alpha.shape, -0.1)
    red, _, blue = layers.plate[hole].mean(axis=0)
    assert red - blue < 35  # the wall is grey; skin and suit are not, by 60 and more


def test_a_textured_ground_is_not_filled_with_the_neighbour() -> None:
    rng = np.random.default_rng(6)
    grey = cv2.resize(
        rng.integers(60, 200, (60, 60), np.uint8), (300, 300), interpolation=cv2.INTER_NEAREST
    )
    picture = np.repeat(grey[..., None], 3, axis=2)
    alpha, others = np.zeros((2, 300, 300), np.uint8)
    cv2.ellipse(alpha, (120, 170), (60, 130), 0, 0, 360, 255, -1)
    cv2.ellipse(others, (225, 170), (55, 130), 0, 0, 360, 255, -1)
    others[alpha > 0] = 0
    picture[others > 0] = picture[others > 0] // (1, 4, 4)  # a red neighbour, of the same texture
    outline = np.array(cv2.ellipse2Poly((120, 110), (30, 40), 0, 0, 360, 10)[:36], np.float32)
    face = make_face(outline)

    def red(plate: NDArray[Any]) -> float:
        inside = plate[cv2.erode(alpha, np.ones((9, 9), np.uint8)) > 0].astype(float)
        return float((inside[:, 0] > 2 * inside[:, 2]).mean())

    assert red(make_plate(picture, alpha, face)) > 0.1
    plate: NDArray[Any] = make_plate(picture, alpha, face, others=others > 0)
    assert red(plate) < 0.01
    np.testing.assert_array_equal(plate[others > 200][-50:], picture[others > 200][-50:])


def test_a_portrait_s_own_alpha_is_its_matte_if_it_shows_the_face(
    collins: Picture, tmp_path: Path
) -> None:
    alpha = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(alpha, (150, 150), (80, 140), 0, 0, 360, 1, -1)
    kept = open_portrait(written(tmp_path / "cut.png", collins, alpha))
    layers = portrait_layers(kept)
    assert kept.picture.alpha is not None
    np.testing.assert_array_equal(layers.alpha, kept.picture.alpha)
    assert not layers.has_ground
    hidden = alpha.copy()
    hidden[60:240, 60:230] = 0
    for name, wrong in (("hole.png", hidden), ("clear.png", 0 * alpha), ("inverse.png", 1 - alpha)):
        path = written(tmp_path / name, collins, wrong)
        with pytest.raises(InputError, match="its own alpha hides the chosen face") as error:
            synthesize(SynthesizeJob((path,), TRACK, tmp_path / "out", frames=(0, 0)))
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out").exists()
    # With a matte of one's own it serves all the same.
    own = StillPicture(np.repeat(np.round(255 * alpha).astype(np.uint8)[..., None], 3, 2), None)
    assert portrait_layers(open_portrait(path), own).fallback == ""


@pytest.mark.parametrize("cut", [np.s_[:, 120:], np.s_[45:, :], np.s_[:230, :]])
def test_a_head_that_the_edge_cuts_is_told_and_made(
    collins: Picture, tmp_path: Path, cut: tuple[slice, slice]
) -> None:
    path = written(tmp_path / "cut.png", np.ascontiguousarray(collins[cut]))
    portrait = open_portrait(path)
    said = lines(portrait)
    assert ("the head leaves the picture" in said) == (cut != np.s_[:230, :])
    assert inside_face(portrait, portrait_layers(portrait)) > 0.95
    job = SynthesizeJob((path,), TRACK, tmp_path / "out", frames=(0, 0), matte="channels")
    assert synthesize(job).made == 1


def test_a_face_of_sixty_pixels_is_cut_out(collins: Picture, tmp_path: Path) -> None:
    before = make_face(open_portrait(PORTRAIT).points[list(OVAL), :2])
    zoom = 60 / before.side * 512 / SIDE
    small = cv2.resize(collins, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    portrait = open_portrait(written(tmp_path / "small.png", small))
    face = make_face(portrait.points[list(OVAL), :2])
    assert face.side == pytest.approx(60, abs=3)
    layers = portrait_layers(portrait)
    assert layers.fallback == ""
    assert inside_face(portrait, layers) > 0.99
    assert layers.alpha[:10, :10].max() == 0
    assert 0.2 < layers.alpha.mean() / 255 < 0.7


def test_a_cartoon_is_cut_out_as_a_photo_is(collins: Picture, tmp_path: Path) -> None:
    flat = cv2.bilateralFilter(cv2.bilateralFilter(collins, 9, 75, 75), 9, 75, 75)
    flat = (flat // 48 * 48 + 24).astype(np.uint8)
    portrait = open_portrait(written(tmp_path / "cartoon.png", flat))
    layers = portrait_layers(portrait)
    assert layers.fallback == ""
    photo = portrait_layers(open_portrait(written(tmp_path / "photo.png", collins)))
    both = np.minimum(layers.alpha, photo.alpha).sum() / np.maximum(layers.alpha, photo.alpha).sum()
    assert both > 0.9


def test_a_bald_head_has_no_hair() -> None:
    person = draw_person(hair=1.0)
    skin = np.array([215.0, 170.0, 145.0])
    noise = np.random.default_rng(4).normal(0, 5, person.person.shape)
    bare = np.clip(skin + noise, 0, 255)
    share = person.alpha[..., None]
    picture = np.round(share * bare + (1 - share) * person.plate).astype(np.uint8)
    points, box = person.portrait.points, person.portrait.box
    portrait = Portrait(Path("bald"), StillPicture(picture, None), points, box)
    alpha = np.round(person.alpha * 255).astype(np.uint8)
    shares = find_parts(portrait, alpha).in_picture(portrait.picture.size)
    brow = int(points[list(OVAL), 1].min())
    head = person.alpha > 0.99
    head[brow:] = False  # the crown, above the face's outline
    assert head.sum() > 500
    assert shares[head][:, HAIR].mean() < 5
    assert shares[head][:, SKIN].mean() > 240
    haired = find_parts(person.portrait, alpha).in_picture(portrait.picture.size)
    assert haired[head][:, HAIR].mean() > 200


def test_a_picture_without_ground_says_that_the_head_moves_with_it(
    collins: Picture, tmp_path: Path
) -> None:
    portrait = open_portrait(PORTRAIT)
    face = make_face(portrait.points[list(OVAL), :2])
    x, y = (int(at) for at in face.middle)
    reach = int(0.4 * face.side)
    whole = read_picture(PORTRAIT).rgb8()[y - reach : y + reach, x - reach : x + reach]
    path = written(tmp_path / "close.png", np.ascontiguousarray(whole))
    job = SynthesizeJob((path,), TRACK, tmp_path / "out", frames=(0, 0))
    made = synthesize(job)
    assert made.made == 1
    assert "the picture shows no ground beside the person" in made.words
    assert "\n" not in made.words
