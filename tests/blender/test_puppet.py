# SPDX-License-Identifier: GPL-3.0-or-later
"""The puppet, and its capture through the camera: what is captured is what Blender renders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.capture.video import open_footage, read_frames
from inference.landmarks import face_triangles
from inference.performance.face.canonical import canonical_face
from inference.performance.face.decompose import compose
from inference.performance.taking.performance import save_performance
from inference.track import load_track
from tests.blender.scenes import BLENDERS, Scenario, real_performance, scenario_in

pytestmark = pytest.mark.blender


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Scenario:
    return scenario_in(request.param, tmp_path)


@pytest.mark.parametrize(("camera", "aspect"), [("PERSP", 1), ("PERSP", 1.5), ("ORTHO", 1)])
def test_captured_landmarks_are_blenders_own_projection(
    scenario: Scenario, tmp_path: Path, camera: str, aspect: float
) -> None:
    out = tmp_path / "puppet é.track.npz"
    facts = scenario("project", out=out, camera=camera, aspect=aspect)
    assert facts["frames"] == 6
    assert max(facts["errors"]) < 1e-3
    assert facts["nose is nearer"]
    assert facts["kept"] == 3
    track = load_track(out)  # the worker reads it
    assert track.size == (321, 240)
    assert track.rate == 24


def test_the_depth_of_an_orthographic_view_is_in_pixels_too(
    scenario: Scenario, tmp_path: Path
) -> None:
    out = tmp_path / "puppet.track.npz"
    scenario("project", out=out, camera="ORTHO")
    track = load_track(out)
    # A rigid head that turns keeps its distances when depth has the unit of the picture.
    a, b = track.points[0, [10, 4, 234, 454]], track.points[-1, [10, 4, 234, 454]]
    for i, j in ((0, 1), (1, 2), (2, 3), (0, 3)):
        one, two = np.linalg.norm(a[i] - a[j]), np.linalg.norm(b[i] - b[j])
        assert abs(one / two - 1) < 0.02


def test_captured_landmarks_lie_on_the_rendered_picture(scenario: Scenario, tmp_path: Path) -> None:
    out, picture = tmp_path / "puppet.track.npz", tmp_path / "puppet.png"
    scenario("silhouette", out=out, picture=picture)
    track = load_track(out)
    alpha = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)[..., 3] > 127
    fine = 8  # a pixel counts where half of it is covered
    drawn = np.zeros([side * fine for side in alpha.shape], np.uint8)
    irises = canonical_face().iris_triangles
    for triangle in track.points[0, :, :2][np.concatenate([face_triangles(), irises])]:
        # Pixels have their middle at one half.
        corners = np.round((triangle * fine - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(drawn, corners, 255, cv2.LINE_8, 4)
    covered = cv2.resize(drawn, alpha.shape[::-1], interpolation=cv2.INTER_AREA) > 127
    assert alpha.sum() > 5000
    assert (alpha & covered).sum() / (alpha | covered).sum() > 0.99
    # Half a pixel beside is seen: the edges would differ on one side.
    columns = np.flatnonzero(alpha.any(axis=0))
    assert abs(track.points[0, :, 0].min() - columns[0]) < 0.75
    assert abs(track.points[0, :, 0].max() - columns[-1] - 1) < 0.75


def test_a_puppet_bound_to_a_character_is_captured_as_deformed(
    scenario: Scenario, tmp_path: Path
) -> None:
    facts = scenario("bound")
    assert facts["bound"]
    assert facts["moved"] > 3
    assert facts["error"] < 1e-3


def test_what_cannot_be_captured_is_refused_in_one_line(scenario: Scenario, tmp_path: Path) -> None:
    facts = scenario("refusals", out=tmp_path / "puppet.track.npz")
    lines = facts["lines"]
    assert "no puppet in the scene" in lines["no puppet"]
    assert "Suzanne" in lines["wrong name"]
    assert "478 vertices" in lines["not a face"]
    assert ".track.npz" in lines["name of the file"]
    assert lines["no name"]
    assert "modifier" in lines["other vertices"]
    assert "behind" in lines["behind"]
    assert "panoramic" in lines["panoramic"]
    assert "camera" in lines["no camera"]
    assert "no control curves" in lines["no curves"]
    assert "several puppets" in lines["two puppets"]
    assert not facts["written"]
    assert facts["frame"] == 1


def test_another_camera_begins_another_shot(scenario: Scenario, tmp_path: Path) -> None:
    out = tmp_path / "puppet.track.npz"
    facts = scenario("cameras", out=out)
    assert facts["cuts"] == [3]
    assert facts["valid"] == [True] * 5 + [False]  # it has moved through the face
    assert facts["heard"] == [["track", str(out), "1", "24"]]


def test_the_face_camera_sees_the_face_straight_and_whole(
    scenario: Scenario, tmp_path: Path
) -> None:
    facts = scenario("face_camera", out=tmp_path / "puppet.track.npz")
    assert facts["camera"] == "Likeness camera"
    points, (width, height) = np.array(facts["points"]), facts["size"]
    left, top = points[:, :2].min(axis=0)
    right, bottom = points[:, :2].max(axis=0)
    assert 0 < left < right < width and 0.2 * height < bottom - top < 0.9 * height
    # As the canonical face stands in the picture: moved and scaled, not turned.
    mean = canonical_face().mean
    scale = (right - left) / np.ptp(mean[:, 0])
    apart = (points - points.mean(axis=0)) / scale - (mean - mean.mean(axis=0))
    assert np.abs(apart[:, :2]).max() < 0.1


def test_a_reloaded_puppet_is_captured_alike(scenario: Scenario, tmp_path: Path) -> None:
    facts = scenario(
        "reloaded", out=tmp_path / "a.track.npz", again=tmp_path / "b.track.npz",
        blend=tmp_path / "shot.blend",
    )  # fmt: skip
    assert facts["same"]


def test_the_scene_is_rendered_as_footage_without_its_strips(
    scenario: Scenario, tmp_path: Path
) -> None:
    out = tmp_path / "any é.mp4"
    facts = scenario("footage", out=out)
    assert facts["changed"] == []  # every render setting is back
    assert "none" in facts["line"]
    movie = open_footage(out)
    pictures = [frame.picture for frame in read_frames(movie)]
    assert len(pictures) == 3
    assert movie.size == (160, 120)
    # The strip is red all over; the face is in the middle, on the empty world's grey.
    assert np.ptp(pictures[0].astype(int).mean(axis=2)) > 10
    assert np.abs(pictures[0].astype(int).mean(axis=(0, 1)) - (255, 0, 0)).max() > 100
    assert not list(tmp_path.glob("likeness-*"))


def test_a_puppet_that_follows_curves_is_seen_where_the_performance_says(
    scenario: Scenario, samples: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "take.performance.npz", tmp_path / "puppet.track.npz"
    performance = real_performance(samples, 8)
    # The puppet has the mean face and the controls, no one's own shape.
    performance = replace(
        performance, neutral=canonical_face().mean, residual=np.zeros_like(performance.residual)
    )
    save_performance(performance, path)
    facts = scenario("follow", performance=path, out=out)
    wanted, found = compose(performance).points, load_track(out).points
    assert np.abs(found[..., :2] - wanted[..., :2]).max() < 0.01
    # Depth counts from the head itself.
    away = found[..., 2] - wanted[..., 2]
    assert np.abs(away - away.mean(axis=1, keepdims=True)).max() < 0.01
    assert facts["held"] < 0.01  # released, it stays as it was
    assert facts["drivers"] == 0
