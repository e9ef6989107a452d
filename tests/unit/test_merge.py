# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pictures of one person: what each frame takes from which, and which are of no use."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.demo import PORTRAIT
from inference.errors import InputError
from inference.frames import encode_frame
from inference.head.frame import draw_head, pose_head
from inference.jobs import SynthesizeJob
from inference.landmarks import OVAL
from inference.layers.layers import Layers, portrait_layers
from inference.merge.light import to_light
from inference.merge.look import Apart, apart, look_of
from inference.merge.merged import lay_parts, plan
from inference.merge.weights import CANDIDATES, candidates
from inference.pictures import StillPicture, read_picture
from inference.portrait import Portrait, open_portrait
from inference.render import StageClock, render_frame
from inference.scene import Scene, build_scene
from inference.track import LandmarkTrack, save_track
from inference.warp.mesh import build_mesh

Points = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Write = Callable[[str, Pixels], Path]

AWAY, GREEN = 20.0, (30, 210, 40)
CHEEK = 280  # a landmark of the left cheek


def turned(points: Points, degrees: float) -> Points:
    """The landmarks (478, 3) turned to the side about their own middle."""
    rotation = cv2.Rodrigues(np.radians([0.0, degrees, 0.0]))[0]
    middle = points.mean(axis=0)
    return ((points - middle) @ rotation.T + middle).astype(np.float32)


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    folder = tmp_path_factory.mktemp("pictures")

    def write(name: str, rgb: Pixels) -> Path:
        path = folder / f"{name}.png"
        path.write_bytes(encode_frame(rgb, None, "png"))
        return path

    return write


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return open_portrait(PORTRAIT)


@pytest.fixture(scope="module")
def scene_of(untrained: Path, portrait: Portrait, write: Write) -> Callable[..., Scene]:
    """The scene of pictures whose network changes nothing; frame N is the head turned N degrees."""
    track = LandmarkTrack(
        portrait.points[None], np.ones(1, bool), Fraction(25), portrait.picture.size
    )
    path = write("a", portrait.picture.rgb8()).with_name("t.track.npz")
    save_track(track, path)

    def scene_of(*pictures: Path) -> Scene:
        job = SynthesizeJob(
            pictures, path, path.parent, model=untrained, layer="full", match="off",
            transfer="absolute",
        )  # fmt: skip
        scene = build_scene(job, track)
        return replace(scene, retarget=lambda frame: turned(portrait.points, frame))

    return scene_of


@pytest.fixture(scope="module")
def marked(scene_of: Callable[..., Scene], portrait: Portrait, write: Write) -> Path:
    """A second picture of the person, turned away, with a green mark on the cheek."""
    made, _ = render_frame(scene_of(PORTRAIT), int(AWAY), StageClock())
    x, y = turned(portrait.points, AWAY)[CHEEK, :2].round().astype(int)
    cv2.circle(made, (int(x), int(y)), 5, GREEN, -1)
    return write("marked", np.asarray(made, np.uint8))


def greenness(scene: Scene, frame: int, portrait: Portrait) -> float:
    made, _ = render_frame(scene, frame, StageClock())
    x, y = turned(portrait.points, frame)[CHEEK, :2].round().astype(int)
    spot = made[y - 2 : y + 3, x - 2 : x + 3].astype(float)
    return float((spot[..., 1] - spot[..., 0]).mean())


def test_skin_is_taken_from_the_picture_that_is_held_alike(
    scene_of: Callable[..., Scene], marked: Path, portrait: Portrait
) -> None:
    scene = scene_of(PORTRAIT, marked)
    assert greenness(scene, int(AWAY), portrait) > 100
    assert greenness(scene, 0, portrait) < 0


def test_a_head_that_is_held_as_in_the_first_picture_is_the_first_picture(
    scene_of: Callable[..., Scene], marked: Path
) -> None:
    alone, both = (
        render_frame(scene_of(*pictures), 0, StageClock())[0]
        for pictures in ((PORTRAIT,), (PORTRAIT, marked))
    )
    np.testing.assert_array_equal(alone, both)


def test_a_slow_turn_changes_pictures_without_a_leap(
    scene_of: Callable[..., Scene], marked: Path, portrait: Portrait
) -> None:
    """From frame to frame little more changes than in a turn of the first picture alone."""
    steps = np.arange(2, AWAY - 1.9, 1)
    largest = []
    for pictures in ((PORTRAIT,), (PORTRAIT, marked)):
        scene = scene_of(*pictures)
        scene = replace(scene, retarget=lambda i: turned(portrait.points, float(steps[i])))
        frames = [
            cv2.GaussianBlur(render_frame(scene, i, StageClock())[0].astype(np.float32), (0, 0), 2)
            for i in range(len(steps))
        ]
        changes = [np.abs(b - a).mean() for a, b in zip(frames, frames[1:], strict=False)]
        largest.append(max(changes))
    assert largest[1] < 3 * largest[0]


def test_body_and_ground_stay_the_first_picture_s(
    scene_of: Callable[..., Scene], marked: Path, portrait: Portrait, write: Write
) -> None:
    """Whatever the second picture has below the neck and behind the head."""
    rgb = open_portrait(marked).picture.rgb8().copy()
    chin = int(portrait.points[152, 1])
    rgb[chin + 60 :] = GREEN
    rgb[:, :8] = GREEN
    made, _ = render_frame(scene_of(PORTRAIT, write("painted", rgb)), int(AWAY), StageClock())
    greens = (made[..., 1].astype(int) - made[..., 0] > 80) & (made[..., 1] > 150)
    assert not greens[chin + 60 :].any()
    assert not greens[:, :8].any()


def test_of_a_picture_with_other_hair_only_the_skin_is_taken(
    scene_of: Callable[..., Scene], marked: Path, portrait: Portrait, write: Write
) -> None:
    dyed = open_portrait(marked)
    rgb = dyed.picture.rgb8().astype(np.float32)
    oval = np.round(dyed.points[list(OVAL), :2]).astype(np.int32)
    face = cv2.dilate(cv2.fillPoly(np.zeros(rgb.shape[:2], np.uint8), [oval], 1), np.ones((5, 5)))
    above = np.arange(len(rgb))[:, None] < dyed.points[1, 1]
    rgb[(face == 0) & above] *= np.array([0.4, 0.5, 1.3], np.float32)
    scene = scene_of(PORTRAIT, write("dyed", np.clip(rgb, 0, 255).astype(np.uint8)))
    assert scene.pictures and not scene.pictures.further[0].same_hair
    assert greenness(scene, int(AWAY), portrait) > 100
    x, y = (turned(portrait.points, AWAY)[10, :2] - [0, 25]).round().astype(int)
    hairs = []
    for shown in (scene, scene_of(PORTRAIT)):
        made, _ = render_frame(shown, int(AWAY), StageClock())
        hairs.append(made[y - 4 : y + 5, x - 9 : x + 10].reshape(-1, 3).mean(axis=0))
    assert np.abs(hairs[0] - hairs[1]).max() < 4


def test_weights_are_one_together_and_smooth_in_the_target(
    scene_of: Callable[..., Scene], marked: Path, portrait: Portrait
) -> None:
    scene = scene_of(PORTRAIT, marked)
    assert scene.pictures and scene.ground
    corner = np.array([scene.portrait.box.x, scene.portrait.box.y, 0], np.float32)
    before = None
    for degrees in np.arange(6, 16, 0.1):
        points = turned(portrait.points, float(degrees)) - corner
        merge = plan(scene.pictures, pose_head(scene.ground.full, points))
        weight = sum((part.weight for part in merge.parts), np.zeros((256, 256), np.float32))
        assert weight.min() >= 0 and weight.max() <= 1 + 1e-5
        if before is not None:
            assert np.abs(weight - before).mean() < 0.05
        before = weight


def test_of_many_pictures_a_few_are_used_and_none_of_them_leaps() -> None:
    rng = np.random.default_rng(4)
    looks = rng.uniform(0, 5, (32, 3))
    before = None
    for step in np.linspace(0, 1, 200):
        moved = np.abs(looks - 5 * step)
        shares = candidates([Apart(*row) for row in moved.tolist()])
        assert shares[0] == 1 and sum(share > 0 for share in shares) <= CANDIDATES
        if before is not None:
            assert np.abs(np.array(shares) - before).max() < 0.25
        before = np.array(shares)


def test_a_look_knows_turns_mouths_and_eyes_apart(portrait: Portrait) -> None:
    face = portrait.points
    rest = look_of(face, face)
    away = apart(look_of(turned(face, 18), face), rest)
    assert away.turn == pytest.approx(3, abs=0.5)
    assert max(away.mouth, away.eyes) < 0.6
    rolled = (face - face.mean(axis=0)) @ cv2.Rodrigues(np.radians([0.0, 0.0, 30.0]))[0].T
    assert apart(look_of(rolled.astype(np.float32), face), rest).turn < 0.3
    opened = face.copy()
    opened[[14, 87, 317, 178, 402, 88, 318], 1] += 20
    wide = apart(look_of(opened, face), rest)
    assert wide.mouth > 1 and wide.eyes < 0.3


@pytest.mark.parametrize(("gain", "left"), [(0.55, 0.16), (1.5, 0.16), (1.06, 0.07)])
def test_another_light_is_taken_away_and_a_turn_s_is_not(
    portrait: Portrait, gain: float, left: float
) -> None:
    crop, points = portrait.crop(), portrait.crop_points()
    mesh = build_mesh(points, (portrait.box.width, portrait.box.height))
    other = np.clip(crop * np.array([1, 1, gain]), 0, 255).astype(crop.dtype)
    lit = to_light(crop, mesh, other, points, one_sitting=True)
    x, y = points[[50, 280, 151], :2].round().astype(int).T
    apart_before = np.abs(np.log(other[y, x, 2] / crop[y, x, 2])).max()
    apart_after = np.abs(np.log(lit[y, x, 2] / crop[y, x, 2])).max()
    assert apart_after < left
    if gain == 1.06:
        assert apart_after == pytest.approx(apart_before, abs=0.02)


def test_pictures_of_no_use_are_left_out_and_named(
    scene_of: Callable[..., Scene], portrait: Portrait, write: Write
) -> None:
    rgb = portrait.picture.rgb8()
    blurred = write("blurred", cv2.GaussianBlur(rgb, (0, 0), 6))
    small = write("small", cv2.resize(rgb, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA))
    scene = scene_of(PORTRAIT, blurred, small)
    assert scene.pictures is None
    assert "blurred.png is left out: it is blurred" in scene.words
    assert "small.png is left out: its face is much smaller" in scene.words


def test_a_picture_of_another_size_and_depth_fits(
    scene_of: Callable[..., Scene], marked: Path, portrait: Portrait
) -> None:
    rgb = open_portrait(marked).picture.rgb8()
    large = cv2.resize(rgb, None, fx=1.7, fy=1.7, interpolation=cv2.INTER_CUBIC)
    deep = marked.with_name("deep.png")
    deep.write_bytes(cv2.imencode(".png", large[..., ::-1].astype(np.uint16) * 257)[1].tobytes())
    assert greenness(scene_of(PORTRAIT, deep), int(AWAY), portrait) > 80


def test_heads_that_are_held_smaller_lie_where_they_did(
    scene_of: Callable[..., Scene],
    marked: Path,
    portrait: Portrait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the generator moves them."""
    points = turned(portrait.points, AWAY) - np.array(
        [portrait.box.x, portrait.box.y, 0], np.float32
    )
    drawn = []
    for most in (300_000_000, 100_000):
        monkeypatch.setattr("inference.merge.further._BYTES", most)
        scene = scene_of(PORTRAIT, marked)
        assert scene.pictures and scene.ground
        head = pose_head(scene.ground.full, points)
        for residual in (np.zeros((64, 64, 2), np.float32), np.full((64, 64, 2), 6, np.float32)):
            frame = draw_head(scene.ground.full, head, residual)
            frame = lay_parts(plan(scene.pictures, head), frame, residual=residual)
            shown = frame.alpha[..., None] * frame.pixels
            drawn.append(cv2.GaussianBlur(shown.astype(np.float32), (0, 0), 3))
    assert scene.pictures and scene.ground
    assert scene.pictures.further[0].full.size[0] < 0.8 * scene.ground.full.size[0]
    still, moved, still_small, moved_small = drawn
    assert np.abs(still - still_small).mean() < 2
    assert np.abs(moved - moved_small).mean() < 2
    assert np.abs(still - moved).mean() > 3


def test_pictures_are_held_one_at_a_time(
    scene_of: Callable[..., Scene], marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they were read: 32 of a camera's would not fit in memory."""
    known: list[weakref.ref[StillPicture]] = []
    most = 0

    def read(path: Path) -> StillPicture:
        nonlocal most
        picture = read_picture(path)
        known.append(weakref.ref(picture))
        most = max(most, sum(each() is not None for each in known))
        return picture

    for module in ("portrait", "merge.others"):
        monkeypatch.setattr(f"inference.{module}.read_picture", read)
    scene = scene_of(PORTRAIT, marked, marked, marked, marked)
    assert scene.pictures and len(scene.pictures.further) == 4
    assert most <= 3, "the first, one before and one that is read"


def test_a_picture_that_changes_while_it_is_read_is_named(
    scene_of: Callable[..., Scene], marked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.png"
    shutil.copy(marked, other)

    def layers(*args: object) -> Layers:
        shutil.copy(PORTRAIT, other)
        return portrait_layers(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("inference.scene.portrait_layers", layers)
    with pytest.raises(InputError, match=r"other\.png: the file changed"):
        scene_of(PORTRAIT, other)
