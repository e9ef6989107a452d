# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance as curves on an Empty: edits come back, all else keeps its bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blender_addon.performance.head_pose import from_eulers, rotation_vectors, to_eulers
from inference.performance.face.controls import CONTROL_NAMES
from inference.performance.face.decompose import compose
from inference.performance.face.rotations import to_matrices
from inference.performance.taking.performance import Performance, load_performance, save_performance
from tests.blender.scenes import BLENDERS, Scenario, real_performance, scenario_in

pytestmark = pytest.mark.blender

FRAMES, GAP = 30, (10, 11, 12)
MOVING = ("controls", "rotation", "translation", "scale", "residual")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Scenario:
    return scenario_in(request.param, tmp_path)


@pytest.fixture
def take(samples: Path, tmp_path: Path) -> Path:
    path = tmp_path / "take é.performance.npz"
    save_performance(real_performance(samples, FRAMES, GAP), path)
    return path


def changed(one: Performance, two: Performance) -> dict[str, list[int]]:
    """For each array the frames whose bits differ."""
    found = {}
    for name in MOVING:
        pairs = zip(getattr(one, name), getattr(two, name), strict=True)
        frames = [f for f, (a, b) in enumerate(pairs) if a.tobytes() != b.tobytes()]
        if frames:
            found[name] = frames
    return found


def test_edited_keys_change_their_frames_alone(
    scenario: Scenario, take: Path, tmp_path: Path
) -> None:
    untouched, out = tmp_path / "same.performance.npz", tmp_path / "new.performance.npz"
    # The gap has no keys: key 20 is frame 23.
    edits: list[list[Any]] = [
        ['["jaw_open"]', 0, 4, 0.25], ["location", 2, 6, 0.01],
        ["rotation_euler", 2, 20, 0.1], ["scale", 0, 8, 0.1],
        ["scale", 1, 8, 0.1], ["scale", 2, 8, 0.1],
    ]  # fmt: skip
    facts = scenario(
        "edit", performance=take, start=101, pace=1.25, untouched=untouched, out=out,
        edits=edits, blend=tmp_path / "shot.blend",
    )  # fmt: skip
    source, same, new = load_performance(take), load_performance(untouched), load_performance(out)
    assert facts["shown"] and facts["held"] == 0
    assert facts["untouched"] == []
    assert changed(source, same) == {}
    assert facts["curves"] == len(CONTROL_NAMES) + 9
    assert facts["keys"] == FRAMES - len(GAP)
    assert facts["ranges"] == [[-1, 1], [0, 1]]
    assert facts["edited"] == [4, 6, 8, 23]
    assert changed(source, new) == {
        "controls": [4], "translation": [6], "scale": [8], "rotation": [23]
    }  # fmt: skip
    beside = load_performance(tmp_path / "take é.edited.performance.npz")
    assert changed(new, beside) == {}

    jaw = CONTROL_NAMES.index("jaw_open")
    assert new.controls[4, jaw] == pytest.approx(source.controls[4, jaw] + 0.25, abs=1e-6)
    # A centimetre up is that much of the eyes' distance of 63 mm, at the usual scale.
    pixels = 0.01 / 0.063 * float(np.median(source.scale[source.valid]))
    move = new.translation[6] - source.translation[6]
    assert move == pytest.approx([0, -pixels, 0], abs=1e-3)
    assert new.scale[8] / source.scale[8] == pytest.approx(1.1, abs=0.01)
    turn = to_matrices(new.rotation[[23]])[0] @ to_matrices(source.rotation[[23]])[0].T
    assert np.arccos((np.trace(turn) - 1) / 2) == pytest.approx(0.1, abs=1e-4)
    # Up in Blender and in the picture's y: to the person's left is to the right of the picture.
    points = compose(new).points[23] - compose(source).points[23]
    assert points[4, 0] > 0.5


def test_saving_over_the_source_settles_and_a_strange_source_is_refused(
    scenario: Scenario, take: Path, tmp_path: Path
) -> None:
    facts = scenario("overwrite", performance=take, out=tmp_path / "new.performance.npz")
    assert facts["first"] == [3]
    assert facts["second"] == []
    assert facts["same"]
    lines = facts["lines"]
    assert "load them again" in lines["another file"]
    assert "no such performance" in lines["gone"]
    assert "nobody" in lines["which one"]
    assert "no such performance" in lines["no file"]
    assert not (tmp_path / "new.performance.npz").exists()


def test_angles_come_back_as_the_same_rotation(rng: np.random.Generator) -> None:
    axes = rng.normal(size=(500, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    vectors = axes * rng.uniform(0, np.pi - 1e-3, (500, 1))
    vectors[0] = 0
    assert np.abs(from_eulers(to_eulers(vectors)) - vectors).max() < 1e-6
    assert np.abs(rotation_vectors(to_matrices(vectors)) - vectors).max() < 1e-6


def test_angles_of_a_head_that_turns_around_do_not_jump() -> None:
    yaw = np.linspace(-4, 4, 200)
    vectors = np.outer(yaw, [0.1, 1, 0.05])
    assert np.abs(np.diff(to_eulers(vectors), axis=0)).max() < 0.2
