# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's layers: who is in it, what lies behind, and what is said where that is not clear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference import caches
from inference.capture.persons import PersonFinder
from inference.errors import Cancelled, InputError
from inference.landmarks import OVAL
from inference.layers import silhouette
from inference.layers.layers import Layers, portrait_layers
from inference.layers.matte import make_matte, shrink
from inference.layers.plate import find_hole
from inference.layers.silhouette import LONGEST, likely_person
from inference.layers.trimap import Face, make_face
from inference.pictures import StillPicture
from inference.portrait import Portrait, open_portrait

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this module's own."""
    folder = tmp_path_factory.mktemp("cache") / "layers"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(caches.FOLDER_VARIABLE, str(folder.parent))
        yield folder


@pytest.fixture(scope="module")
def collins(samples: Path) -> Portrait:
    return open_portrait(samples / "eileen_collins.png")


@pytest.fixture(scope="module")
def layers(collins: Portrait, kept: Path) -> Layers:
    return portrait_layers(collins)


@pytest.fixture
def fresh(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv(caches.FOLDER_VARIABLE, str(tmp_path / "fresh"))
    return tmp_path / "fresh" / "layers"


def face_of(portrait: Portrait) -> Face:
    return make_face(portrait.points[list(OVAL), :2])


def oval(portrait: Portrait) -> NDArray[np.bool_]:
    return face_of(portrait).filled(portrait.picture.rgb.shape, -0.05)


def still(pixels: Picture) -> StillPicture:
    return StillPicture(np.ascontiguousarray(pixels), None)


def test_the_matte_is_whole_on_the_face_and_nothing_on_the_ground(
    collins: Portrait, layers: Layers
) -> None:
    assert layers.fallback == ""
    assert layers.has_ground
    assert layers.alpha.shape == collins.picture.rgb.shape[:2]
    assert layers.alpha[oval(collins)].min() == 255
    face = face_of(collins)
    ground = ~silhouette.with_face(layers.alpha > 4, face)
    assert layers.alpha[ground].max() <= 4  # no islands
    assert layers.alpha[:40, :40].max() == 0
    assert 0.15 < (layers.alpha > 127).mean() < 0.8


def test_layers_laid_together_are_the_portrait(collins: Portrait, layers: Layers) -> None:
    share = layers.alpha[..., None] / 255
    together = share * layers.person + (1 - share) * layers.plate
    rgb = collins.picture.rgb.astype(float)
    whole = layers.alpha == 255
    np.testing.assert_array_equal(layers.person[whole], collins.picture.rgb[whole])
    far = ~find_hole(layers.alpha, face_of(collins))[0]
    np.testing.assert_array_equal(layers.plate[far], collins.picture.rgb[far])
    assert far.mean() > 0.05
    assert np.sqrt(np.square(together - rgb).mean()) < 6


def test_on_another_ground_the_matte_is_found_better_than_the_mask_of_persons(
    collins: Portrait, layers: Layers, footage: Path
) -> None:
    face = face_of(collins)
    size = collins.picture.size
    truth = layers.alpha.astype(np.float32) / 255
    errors = []
    for name in ("s_mona_lisa_pd.jpg", "s_obama_official_pd.jpg"):
        painting = cv2.imread(str(footage / "sample" / name))[: size[1] // 4, :, ::-1]
        ground = cv2.resize(np.ascontiguousarray(painting), size)
        share = truth[..., None]
        picture = np.round(share * layers.person + (1 - share) * ground).astype(np.uint8)
        found, _ = make_matte(picture, face)
        small, factor = shrink(picture, LONGEST)
        mask = cv2.resize(likely_person(small, face.times(factor)), size)
        errors.append([np.square(alpha - truth).mean() for alpha in (mask, found)])
    by_mask, by_matte = np.mean(errors, axis=0)
    assert by_matte < 0.7 * by_mask


def test_colours_at_the_hair_are_not_the_grounds(collins: Portrait, layers: Layers) -> None:
    """Over black and over white: what shines through is what the matte lets, not a rim."""
    alpha = layers.alpha.astype(float) / 255
    mixed = (alpha > 0.3) & (alpha < 0.9)
    assert mixed.sum() > 200
    ground = np.median(collins.picture.rgb[layers.alpha == 0], axis=0)
    own = np.median(collins.picture.rgb[(layers.alpha == 255) & _near(mixed, 12)], axis=0)
    towards = own - ground
    at = [
        float(((picture[mixed] - ground) @ towards / (towards @ towards)).mean())
        for picture in (collins.picture.rgb.astype(float), layers.person.astype(float))
    ]
    assert at[1] > at[0] + 0.1


def _near(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0


@pytest.mark.parametrize("number", [1, 2])
def test_of_two_people_only_the_chosen_one_is_the_person(
    number: int, footage: Path, fresh: Path, tmp_path: Path
) -> None:
    names = ("s_obama_official_pd.jpg", "s_mona_lisa_pd.jpg")
    people = [cv2.resize(cv2.imread(str(footage / "sample" / name)), (360, 360)) for name in names]
    path = tmp_path / "both.png"
    cv2.imwrite(str(path), np.hstack([people[0][:, 30:330], people[1][:, 30:330]]))
    one, other = open_portrait(path, number), open_portrait(path, 3 - number)
    layers = portrait_layers(one)
    assert layers.alpha[oval(one)].min() == 255
    assert layers.alpha[oval(other)].max() == 0


def test_a_portraits_own_alpha_is_its_matte(collins: Portrait, layers: Layers, fresh: Path) -> None:
    own = layers.alpha & np.uint8(254)
    cut = replace(collins, picture=StillPicture(collins.picture.rgb, own))
    found = portrait_layers(cut)
    np.testing.assert_array_equal(found.alpha, own)
    assert not found.has_ground
    assert found.fallback == ""


def test_an_artists_matte_is_taken_grey_or_as_alpha_and_resized_with_a_word(
    collins: Portrait, layers: Layers, fresh: Path
) -> None:
    grey = still(np.repeat(layers.alpha[..., None], 3, axis=2))
    np.testing.assert_array_equal(portrait_layers(collins, grey).alpha, layers.alpha)
    black = StillPicture(np.zeros_like(collins.picture.rgb), layers.alpha)
    np.testing.assert_array_equal(portrait_layers(collins, black).alpha, layers.alpha)
    half = still(np.ascontiguousarray(grey.rgb[::2, ::2]))
    resized = portrait_layers(collins, half)
    assert "resized" in resized.quality
    assert np.abs(resized.alpha.astype(int) - layers.alpha).mean() < 3


def test_a_matte_or_plate_that_does_not_fit_is_refused_in_one_line(
    collins: Portrait, layers: Layers, fresh: Path
) -> None:
    grey = np.repeat(layers.alpha[..., None], 3, axis=2)
    cases = [
        (still(grey[: len(grey) // 2]), None, "matte .* same shape"),
        (still(np.invert(grey)), None, "invert"),
        (None, still(grey[:, : len(grey) // 2]), "plate .* same shape"),
    ]
    for matte, plate, said in cases:
        with pytest.raises(InputError, match=said) as error:
            portrait_layers(collins, matte, plate)
        assert "\n" not in str(error.value)


def test_an_artists_plate_lies_behind_the_person(
    collins: Portrait, layers: Layers, fresh: Path
) -> None:
    green = np.zeros_like(collins.picture.rgb8())
    green[..., 1] = 200
    found = portrait_layers(collins, plate=still(green))
    np.testing.assert_array_equal(found.plate[layers.alpha > 10], green[layers.alpha > 10])
    assert np.array_equal(found.plate[:20, :20], collins.picture.rgb[:20, :20])


def test_without_a_person_the_fallback_is_said(
    collins: Portrait, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        PersonFinder, "mask", lambda self, picture: np.zeros(picture.shape[:2], "f4")
    )
    found = portrait_layers(collins)
    assert "no person was found" in found.fallback
    assert found.alpha.min() == 255
    np.testing.assert_array_equal(found.plate, collins.picture.rgb)
    np.testing.assert_array_equal(found.person, collins.picture.rgb)


def test_progress_only_rises_to_its_end(collins: Portrait, fresh: Path) -> None:
    seen: list[tuple[int, int]] = []
    portrait_layers(collins, progress=lambda done, total: seen.append((done, total)))
    done = [at for at, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == (100, 100)
    assert len(set(done)) > 20


def test_cancelled_layers_leave_nothing(collins: Portrait, fresh: Path) -> None:
    asked = 0

    def after_a_while() -> bool:
        nonlocal asked
        asked += 1
        return asked > 20

    with pytest.raises(Cancelled):
        portrait_layers(collins, cancelled=after_a_while)
    assert not fresh.exists()


def test_a_busy_ground_is_said_and_a_plain_one_is_not(
    collins: Portrait, layers: Layers, fresh: Path, rng: np.random.Generator
) -> None:
    share = layers.alpha[..., None] / 255
    said = []
    noise = cv2.resize(rng.integers(0, 256, (128, 128, 3)).astype(np.uint8), collins.picture.size)
    for ground in (np.full_like(noise, 128), noise):
        picture = np.round(share * layers.person + (1 - share) * ground).astype(np.uint8)
        said.append(portrait_layers(replace(collins, picture=still(picture))).quality)
    assert "busy background" not in said[0]
    assert "busy background" in said[1]


def test_sixteen_bits_stay_sixteen_bits(collins: Portrait, layers: Layers, fresh: Path) -> None:
    deep = replace(collins, picture=StillPicture(collins.picture.rgb8() * np.uint16(257), None))
    found = portrait_layers(deep)
    for layer in (found.alpha, found.person, found.plate):
        assert layer.dtype == np.uint16
    assert np.abs(found.alpha / 257 - layers.alpha).mean() < 0.5


@pytest.mark.footage
@pytest.mark.parametrize("side", [130, 2600])
def test_small_and_large_portraits_have_layers(
    side: int, footage: Path, fresh: Path, tmp_path: Path
) -> None:
    """130 pixels: a face of some 60."""
    painting = cv2.imread(str(footage / "sample" / "s_mona_lisa_pd.jpg"))
    how = cv2.INTER_AREA if side < 512 else cv2.INTER_CUBIC
    cv2.imwrite(str(tmp_path / "p.png"), cv2.resize(painting, (side, side), interpolation=how))
    portrait = open_portrait(tmp_path / "p.png")
    found = portrait_layers(portrait)
    assert found.fallback == ""
    assert found.alpha[oval(portrait)].min() == 255
    assert 0.3 < (found.alpha > 127).mean() < 0.6
    assert found.alpha[: side // 10, : side // 10].max() == 0
