# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour match: monochrome stays monochrome, a graded plate is met, off is off, chunks agree."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.colour.grade import Look, grade_between
from inference.colour.match import ColourMatch, colour_match
from inference.colour.tint import into_range, join, palette_of, split
from inference.composite import merge
from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError
from inference.frames import encode_frame
from inference.generator.model import GeneratorOutput
from inference.jobs import SynthesizeJob, parse_job
from inference.pictures import read_picture
from inference.portrait import open_portrait
from inference.render import StageClock, render_frame
from inference.scene import build_scene
from inference.synthesis import synthesize
from inference.track import load_track

MOUTH_OPEN = 100  # a frame of the sample performance with the mouth wide open

Rgb = np.ndarray


def own() -> Rgb:
    return read_picture(PORTRAIT).rgb8().astype(np.float64) / 255


def grey(rgb: Rgb) -> Rgb:
    return np.repeat((rgb @ (0.2126, 0.7152, 0.0722))[..., None], 3, axis=2)


def sepia(rgb: Rgb) -> Rgb:
    return grey(rgb) * (1.0, 0.84, 0.66)


def split_toned(rgb: Rgb) -> Rgb:
    return grey(rgb) ** (0.85, 1.1, 1.35) * (1.0, 0.88, 0.75)


def cold(rgb: Rgb) -> Rgb:
    graded = np.clip(rgb * (0.75, 0.9, 1.1) + (0, 0.01, 0.04), 0, 1) ** (1.1, 1, 0.9)
    return grey(graded) + 0.8 * (graded - grey(graded))


def warm_night(rgb: Rgb) -> Rgb:
    return np.clip(rgb * (0.62, 0.5, 0.36), 0, 1)


def saved(path: Path, rgb: Rgb) -> Path:
    path.write_bytes(encode_frame(np.round(rgb * 255).astype(np.uint8), None, "png"))
    return path


def rendered(folder: Path, portrait: Path, **how: object) -> tuple[Rgb, ColourMatch | None]:
    """The frame with the open mouth, of the whole picture in [0, 1], and the match."""
    plain = SynthesizeJob((portrait,), TRACK, folder, provider="cpu", layer="full", match="off")
    job = replace(plain, **how)  # type: ignore[arg-type]
    scene = build_scene(job, load_track(TRACK))
    return render_frame(scene, MOUTH_OPEN, StageClock())[0] / 255.0, scene.match


@pytest.fixture(scope="module")
def painted(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rgb, Rgb]:
    """The frame without a match, and where in it the network paints: beside one that does not."""
    folder = tmp_path_factory.mktemp("plain")
    plain, _ = rendered(folder, PORTRAIT)
    bare, _ = rendered(folder, PORTRAIT, model=untrained)
    return plain, np.abs(plain - bare).max(axis=2) > 0.2


def frames_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("head_*.*"))}


@pytest.mark.parametrize("look", [grey, sepia])
def test_a_print_of_one_tint_stays_one_where_the_network_paints(
    tmp_path: Path, look: Callable[[Rgb], Rgb]
) -> None:
    """What the network adds has the tint that belongs to its lightness; that lightness is kept."""
    portrait = saved(tmp_path / "print.png", look(own()))
    off, none = rendered(tmp_path, portrait)
    matched, match = rendered(tmp_path, portrait, match="portrait")
    assert none is None and match is not None and match.share == 1

    def off_tint(frame: Rgb) -> Rgb:
        """Distance of each pixel from the tint of its own lightness in the portrait."""
        lightness, chroma = split(frame.reshape(-1, 3).astype(np.float32))
        astray = np.abs(chroma - match.palette.chroma(lightness)).max(axis=1)
        return np.asarray(astray.reshape(frame.shape[:2]))

    face = np.abs(off - matched).max(axis=2) > 3 / 255
    assert 100 < face.sum() < 0.1 * face.size, "the mouth changes, and little else"
    assert off_tint(off)[face].mean() > 6 / 255, "without, the mouth is pink: the case is real"
    assert off_tint(matched)[face].mean() < 0.35 * off_tint(off)[face].mean()
    weights = np.array((0.2126, 0.7152, 0.0722))
    assert np.abs((off - matched) @ weights).max() < 3 / 255
    if look is grey:
        assert np.ptp(matched, axis=2).max() <= 1.01 / 255


def test_a_colour_photo_is_left_as_it_is(tmp_path: Path) -> None:
    """And so it is byte for byte, as with strength 0 and with off."""
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path / "off", frames=(100, 101), match="off")
    synthesize(job)
    assert SynthesizeJob((PORTRAIT,), TRACK, tmp_path).match == "portrait", "what is done unasked"
    for name, how in (
        ("portrait", {"match": "portrait"}),
        ("nothing", {"match": str(PORTRAIT), "match_strength": 0.0}),
    ):
        synthesize(replace(job, out=tmp_path / name, **how))
        assert frames_of(tmp_path / name) == frames_of(tmp_path / "off")
        assert "match" not in json.loads((tmp_path / name / "head.json").read_text())


@pytest.mark.parametrize("look", [grey, split_toned, cold, warm_night])
def test_a_graded_still_of_the_portrait_is_met(
    tmp_path: Path, painted: tuple[Rgb, Rgb], look: Callable[[Rgb], Rgb]
) -> None:
    """The finished frame, graded by hand, is what comes out: face, hair, background."""
    plate = saved(tmp_path / "plate.png", look(own()))
    plain, inside = painted
    matched, match = rendered(tmp_path, PORTRAIT, match=str(plate))
    assert match is not None and match.by == "same picture"
    wanted = look(plain)
    assert np.abs(matched - wanted).mean() < 1.6 / 255
    assert np.abs((matched - wanted).mean(axis=(0, 1))).max() < 1 / 255
    assert np.abs(plain - wanted).mean() > 12 / 255, "the grade is a strong one"
    # So it is where the network painted.
    missed, far = (np.abs(one - wanted)[inside].mean() for one in (matched, plain))
    assert inside.sum() > 50 and missed < min(8.5 / 255, 0.4 * far)
    half, _ = rendered(tmp_path, PORTRAIT, match=str(plate), match_strength=0.5)
    middle = np.abs(half - (plain + matched) / 2)
    # Roundings, and single hairs: their colours were told from the ground's before they are graded.
    assert np.quantile(middle, 0.999) < 4 / 255 and middle.max() < 48 / 255


def test_another_person_s_grade_is_taken_and_their_skin_is_not(tmp_path: Path) -> None:
    """Skin differs: a darker face in the same light asks for no change of light or tint."""
    picture = own()
    darker = picture.copy()
    face = open_portrait(PORTRAIT)
    outline = cv2.convexHull(np.ascontiguousarray(face.points[:468, :2])).astype(np.int32)
    inside = cv2.fillConvexPoly(np.zeros(picture.shape[:2], np.uint8), outline, 1) > 0
    darker[inside] *= (0.6, 0.5, 0.45)
    # Moved, so that it is another picture.
    other = cv2.warpAffine(
        darker[:, ::-1],
        np.array([[0.8, 0, 60], [0, 0.8, 70]]),
        (600, 560),
        borderMode=cv2.BORDER_REFLECT,
    )
    plain, _ = rendered(tmp_path, PORTRAIT)
    like, match = rendered(tmp_path, PORTRAIT, match=str(saved(tmp_path / "other.png", other)))
    assert match is not None and match.by == "faces and surroundings"
    assert np.abs((like - plain).mean(axis=(0, 1))).max() < 12 / 255

    graded, _ = rendered(tmp_path, PORTRAIT, match=str(saved(tmp_path / "o.png", cold(other))))
    moved = (graded - plain)[inside].mean(axis=0)
    wanted = (cold(plain) - plain)[inside].mean(axis=0)
    assert moved[0] < -0.05 and moved[2] > 0.02  # less red, more blue
    assert np.abs(moved - wanted).max() < 0.7 * np.abs(wanted).max()


def test_what_two_witnesses_do_not_both_say_is_not_done() -> None:
    plain = Look(0.0, 0.8, np.zeros(2, np.float32), 0.2)
    cold_dark = Look(0.0, 0.4, np.array((-0.2, 0.2), np.float32), 0.1)
    warm_light = Look(0.0, 0.9, np.array((0.2, -0.1), np.float32), 0.3)
    greys = np.repeat(np.linspace(0, 0.6, 50, dtype=np.float32)[:, None], 3, axis=1)
    both = grade_between([(plain, cold_dark), (plain, warm_light)], 1.0)
    np.testing.assert_allclose(both.of(greys), greys, atol=1e-5)
    less = Look(0.0, 0.6, np.array((-0.1, 0.3), np.float32), 0.1)
    agreed = grade_between([(plain, cold_dark), (plain, less)], 1.0).of(greys)
    lightness, chroma = split(agreed)
    np.testing.assert_allclose(lightness, 0.75 * greys[:, 0], atol=1e-4)
    np.testing.assert_allclose(chroma[10:] / lightness[10:, None], [(-0.1, 0.2)] * 40, atol=1e-3)


def test_a_plate_without_a_face_gives_its_look_as_a_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    clouds = cv2.GaussianBlur(rng.random((200, 300, 3)), (0, 0), 9)
    dusk = np.clip((clouds - 0.5) * 4 + 0.4, 0, 1) * (0.4, 0.45, 0.7)
    plain, _ = rendered(tmp_path, PORTRAIT)
    matched, match = rendered(tmp_path, PORTRAIT, match=str(saved(tmp_path / "dusk.png", dusk)))
    assert match is not None and match.by == "whole pictures"
    assert matched.mean() < 0.85 * plain.mean()
    assert (matched[..., 2] - matched[..., 0]).mean() > (plain[..., 2] - plain[..., 0]).mean() + 0.1


def test_nothing_clips_that_did_not(tmp_path: Path) -> None:
    """A bright warm plate: light parts grow less coloured, they do not break."""
    bright = np.clip(own() * (1.5, 1.35, 1.0), 0, 1)
    flipped = saved(tmp_path / "bright.png", bright[:, ::-1][:, 30:])
    plain, _ = rendered(tmp_path, PORTRAIT)
    matched, _ = rendered(tmp_path, PORTRAIT, match=str(flipped))
    assert matched.mean() > plain.mean()
    full = (plain == 1).any(axis=2).mean()
    assert (matched == 1).all(axis=2).mean() < full + 0.01
    # One after the other: what was lighter is lighter still.
    ramp = np.repeat(np.linspace(0, 1, 500, dtype=np.float32)[:, None], 3, axis=1)
    match = colour_match(str(flipped), 1.0, open_portrait(PORTRAIT))
    assert match is not None and match.grade is not None
    lightness, _ = split(match.grade.of(ramp))
    every = np.stack(np.meshgrid(*[np.linspace(0, 1, 9, dtype=np.float32)] * 3), -1).reshape(-1, 3)
    graded = match.grade.of(every)
    assert graded.min() > -1e-5 and graded.max() < 1 + 1e-5
    assert (np.diff(lightness) > -1e-5).all() and lightness[0] >= 0 and lightness[-1] <= 1


def test_chunks_and_resumed_runs_find_the_same_match(tmp_path: Path) -> None:
    plate = saved(tmp_path / "plate.png", cold(own())[:, 20:])
    job = SynthesizeJob(
        (PORTRAIT,), TRACK, tmp_path / "whole", frames=(98, 103), provider="cpu", match=str(plate)
    )
    synthesize(job)
    for frames in ((102, 103), (98, 101)):
        synthesize(replace(job, out=tmp_path / "chunks", frames=frames))
    assert len(frames_of(tmp_path / "whole")) == 6
    assert frames_of(tmp_path / "chunks") == frames_of(tmp_path / "whole")
    read = [json.loads((tmp_path / name / "head.json").read_text()) for name in ("whole", "chunks")]
    assert read[0]["match"] == read[1]["match"]
    assert read[0]["match"]["by"] == "faces and surroundings"
    assert len(read[0]["match"]["lightness"]) == 33

    # The plate's content counts, not its name; the strength and the choice do.
    moved = tmp_path / "renamed.png"
    plate.rename(moved)
    assert synthesize(replace(job, match=str(moved))).kept == 6
    assert synthesize(replace(job, match=str(moved), match_strength=0.5)).made == 6
    saved(moved, warm_night(own())[:, 20:])
    assert synthesize(replace(job, match=str(moved), match_strength=0.5)).made == 6
    off = replace(job, match="off")
    assert synthesize(off).made == 6
    assert synthesize(replace(off, match_strength=0.5)).kept == 6
    assert "match" not in json.loads((off.out / "head.json").read_text())


@pytest.mark.parametrize("form", ["png16", "exr"])
def test_every_format_and_the_head_layer_get_the_same_colours(tmp_path: Path, form: str) -> None:
    plate = saved(tmp_path / "plate.png", cold(own()))
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path / "png", frames=(100, 100), match=str(plate))
    synthesize(job)
    synthesize(replace(job, out=tmp_path / form, format=form))
    expected = cv2.imread(str(tmp_path / "png" / "head_000100.png"), cv2.IMREAD_UNCHANGED)
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
    path = next((tmp_path / form).glob("head_000100.*"))
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float64)
    if form == "exr":
        linear = found[..., :3] / np.maximum(found[..., 3:], 1e-4)
        srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
        found = np.concatenate([srgb, found[..., 3:]], axis=-1) * 65535
    solid = expected[..., 3] > 64
    assert np.abs(found[solid] / 257 - expected[solid]).max() < 1.5
    # Straight: the alpha is the one without a match.
    synthesize(replace(job, out=tmp_path / "off", match="off"))
    plain = cv2.imread(str(tmp_path / "off" / "head_000100.png"), cv2.IMREAD_UNCHANGED)
    assert (plain[..., 3] == expected[..., 3]).all()
    assert (plain[..., :3] != expected[..., :3]).any()
    # The full layer is the graded portrait with this head over it.
    whole, _ = rendered(tmp_path, PORTRAIT, match=str(plate))
    box = open_portrait(PORTRAIT).box
    above = slice(max(0, box.y) - box.y, None), slice(max(0, box.x) - box.x, None)
    shown = np.round(whole[max(0, box.y) :, max(0, box.x) :, ::-1] * 255).astype(int)
    head = expected[above][: shown.shape[0], : shown.shape[1]]
    shown = shown[: head.shape[0], : head.shape[1]]
    sure = head[..., 3] == 255
    assert (shown[sure] == head[..., :3][sure]).all()


def test_a_deep_portrait_stays_deep(tmp_path: Path) -> None:
    deep = np.round(own() * 65535).astype(np.uint16)
    deep[..., 1] ^= np.random.default_rng(0).integers(0, 200, deep.shape[:2]).astype(np.uint16)
    portrait = tmp_path / "deep.png"
    portrait.write_bytes(encode_frame(deep, None, "png16"))
    match = colour_match(
        str(saved(tmp_path / "plate.png", cold(own()))), 1.0, open_portrait(portrait)
    )
    assert match is not None and match.grade is not None
    graded = match.grade.of_picture(deep)
    assert graded.dtype == np.uint16
    assert len(np.unique(graded)) > 2000
    shallow = match.grade.of_picture(np.round(deep / 257).astype(np.uint8))
    assert np.abs(graded / 257 - shallow).max() < 2.5


def test_where_the_network_changes_nothing_nothing_is_changed() -> None:
    """Also not a red flower on a monochrome print."""
    rng = np.random.default_rng(3)
    lightness = rng.uniform(0.1, 0.9, 4000).astype(np.float32)
    match = ColourMatch(palette_of(np.repeat(lightness[:, None], 3, axis=1)), 1.0)
    assert match.palette.freedom == 0
    small = rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)
    full = rng.integers(0, 256, (400, 400, 3)).astype(np.uint8)
    alpha = np.full((256, 256), 0.95, np.float32)
    colour = small.astype(np.float32) / 255
    answer = GeneratorOutput(np.zeros((64, 64, 2), np.float32), colour, alpha, alpha)
    same = merge(answer, small, full, match.of_network).astype(int)
    assert np.abs(same - full).max() <= 1


@pytest.mark.parametrize(
    ("look", "freedom"), [(grey, 0), (sepia, 0), (split_toned, 0), (cold, 1), (np.copy, 1)]
)
def test_a_palette_knows_how_free_it_is(look: Callable[[Rgb], Rgb], freedom: float) -> None:
    face = look(own()[40:220, 150:290]).reshape(-1, 3).astype(np.float32)
    assert palette_of(face).freedom == freedom


def test_colours_out_of_range_grow_paler_at_their_own_lightness(rng: np.random.Generator) -> None:
    lightness = rng.uniform(0, 1, 500).astype(np.float32)
    wild = join(lightness, rng.normal(0, 0.5, (500, 2)).astype(np.float32))
    tame = into_range(wild)
    assert tame.min() >= 0 and tame.max() <= 1
    np.testing.assert_allclose(split(tame)[0], lightness, atol=2e-6)
    fine = (wild >= 0).all(axis=1) & (wild <= 1).all(axis=1)
    assert 20 < fine.sum() < 480
    np.testing.assert_allclose(tame[fine], wild[fine], atol=2e-6)


def test_a_match_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    text = tmp_path / "plate.jpg"
    text.write_text("no picture")
    flat = saved(tmp_path / "flat.png", np.full((90, 90, 3), 0.4))
    clear = tmp_path / "clear.png"
    nothing = np.zeros((90, 90), np.float32)
    clear.write_bytes(encode_frame(np.zeros((90, 90, 3), np.uint8), nothing, "png"))
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path / "out", frames=(0, 0), provider="cpu")
    for how, words in (
        ({"match": str(tmp_path / "gone.png")}, "there is no such picture to match"),
        ({"match": "Portrait"}, "say off or portrait"),
        ({"match": str(tmp_path)}, "this is a folder; name a picture to match"),
        ({"match": ""}, "there is no such picture"),
        ({"match": str(text)}, "not a picture that can be read"),
        ({"match": str(flat)}, "shows one flat colour"),
        ({"match": str(clear)}, "transparent all over"),
        ({"match": "portrait", "match_strength": 1.5}, "strength is 1.5; give 0 to 1"),
        ({"match": "off", "match_strength": float("nan")}, "give 0 to 1"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            synthesize(replace(job, **how))
        assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*")), "nothing was begun"


def test_the_worker_s_job_takes_it() -> None:
    job = parse_job(
        {
            "do": "synthesize",
            "portrait": ["a.png"],
            "track": "t",
            "out": "o",
            "match": "plate.png",
            "match_strength": 0.5,
        }
    )
    assert isinstance(job, SynthesizeJob)
    assert (job.match, job.match_strength) == ("plate.png", 0.5)
