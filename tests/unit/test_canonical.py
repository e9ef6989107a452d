# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped canonical face: a symmetric mean, a whole mesh, and controls that do as named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export.face.locality import locality
from inference.errors import InputError
from inference.landmarks import RIGID, SKIN_COUNT, interocular, mirror_order
from inference.performance.face.canonical import (
    CanonicalFace,
    canonical_face,
    control_index,
    load_face,
    save_face,
)
from inference.performance.face.controls import CONTROL_NAMES, CONTROLS, OPPOSITES, Control
from inference.performance.face.regions import LID_COLUMNS, LIP_COLUMNS

FLIP = np.array([-1, 1, 1])


@pytest.fixture(scope="module")
def face() -> CanonicalFace:
    return canonical_face()


def mirrored(points: NDArray[np.floating]) -> NDArray[np.floating]:
    return points[..., mirror_order(), :] * FLIP


def at(face: CanonicalFace, control: str, value: float = 1.0) -> NDArray[np.float32]:
    """What a control does to the mean face, (478, 3)."""
    return face.basis[control_index(control)] * np.float32(value)


def gap(shape: NDArray[np.floating], columns: tuple[tuple[int, ...], tuple[int, ...]]) -> float:
    """Of the lower edge below the upper one."""
    upper, lower = columns
    return float((shape[list(lower), 1] - shape[list(upper), 1]).mean())


def facing(shape: NDArray[np.floating], triangles: NDArray[np.int32]) -> NDArray[np.floating]:
    corners = shape[triangles][..., :2]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def test_the_mean_is_symmetric_upright_and_in_canonical_units(face: CanonicalFace) -> None:
    assert np.abs(face.mean - mirrored(face.mean)).max() < 1e-6
    assert interocular(face.mean) == pytest.approx(1, abs=1e-5)
    assert np.abs(face.mean[list(RIGID)].mean(axis=0)).max() < 1e-5
    assert face.mean[152, 1] > face.mean[13, 1] > face.mean[4, 1] > face.mean[10, 1]
    assert face.mean[10, 2] == pytest.approx(face.mean[152, 2], abs=1e-4)
    assert face.mean[4, 2] < face.mean[152, 2] < face.mean[234, 2]  # the nose is nearest


def test_the_mesh_is_wound_one_way_with_lips_and_eyes_open(face: CanonicalFace) -> None:
    directed = Counter(
        (int(row[i]), int(row[j])) for row in face.triangles for i, j in ((0, 1), (1, 2), (2, 0))
    )
    assert max(directed.values()) == 1  # neighbours run along their common edge opposite ways
    borders = {edge for edge in directed if edge[::-1] not in directed}
    for name in ("mouth_inner", "right_eye", "left_eye", "oval"):
        line = face.contours[name].tolist()
        edges = list(zip(line, line[1:] + line[:1], strict=True))
        assert all(edge in borders or edge[::-1] in borders for edge in edges), name
        borders -= {*edges, *(edge[::-1] for edge in edges)}
    assert not borders
    assert face.triangles.max() < SKIN_COUNT <= face.iris_triangles.min()
    assert facing(face.mean, face.triangles).min() > -1e-4  # two at the nostrils are edge-on
    assert facing(face.mean, face.iris_triangles).min() > 0


def test_the_controls_are_those_of_the_table(face: CanonicalFace) -> None:
    assert len(face.basis) == len(CONTROLS) == 25
    assert face.low.tolist() == [control.low for control in CONTROLS]
    assert face.high.tolist() == [control.high for control in CONTROLS]
    for control in CONTROLS:
        assert CONTROLS[control_index(control.mirror)].mirror == control.name
    assert {name for pair in OPPOSITES for name in pair} <= set(CONTROL_NAMES)


@pytest.mark.parametrize("control", CONTROLS, ids=CONTROL_NAMES)
def test_a_controls_mirror_image_is_its_partner(control: Control, face: CanonicalFace) -> None:
    partner = at(face, control.mirror)
    assert np.array_equal(at(face, control.name), control.mirror_sign * mirrored(partner))


def test_a_control_leaves_the_other_parts_of_the_face_alone(face: CanonicalFace) -> None:
    for control, reach in zip(CONTROLS, locality(face), strict=True):
        assert reach.elsewhere < 0.02, control.name
        assert reach.most > 0.03, control.name
    for eye, other in (("right", "left"), ("left", "right")):
        lids = list(face.contours[f"{other}_eye"])
        assert np.abs(at(face, f"blink_{eye}")[lids]).max() == 0


def test_the_mouths_controls_do_what_their_names_say(face: CanonicalFace) -> None:
    right, left, upper, lower, chin = 61, 291, 0, 17, 152  # the person's own sides
    rest = gap(face.mean, LIP_COLUMNS)
    jaw = at(face, "jaw_open")
    assert gap(face.mean + jaw, LIP_COLUMNS) > 0.25 > 10 * rest
    assert jaw[chin, 1] > 0.1 and abs(jaw[upper, 1]) < 0.05
    pressed = at(face, "lips_together")
    assert pressed[upper, 1] > 0 > pressed[lower, 1]
    assert gap(face.mean + pressed, LIP_COLUMNS) < rest + 0.005
    for name, sign in (("mouth_wide", 1), ("mouth_narrow", -1)):
        corners = at(face, name)[[left, right], 0]
        assert sign * corners[0] > 0.05 and sign * corners[1] < -0.05
    for name, axis, sign in (
        ("mouth_up", 1, -1),
        ("mouth_down", 1, 1),
        ("mouth_left", 0, 1),
        ("mouth_right", 0, -1),
    ):
        assert (sign * at(face, name)[[right, left, upper, lower], axis]).min() > 0.03, name
    raised, dropped = at(face, "upper_lip_raise"), at(face, "lower_lip_drop")
    assert raised[13, 1] < -0.08 and abs(raised[14, 1]) < 0.03
    assert dropped[14, 1] > 0.08 and abs(dropped[13, 1]) < 0.03
    assert at(face, "smile_left")[left, 0] > 0.08 and at(face, "smile_left")[left, 1] < -0.08
    assert at(face, "frown_left")[left, 1] > 0.08
    assert np.abs(at(face, "smile_left")[right]).max() < 0.02


def test_the_controls_of_eyes_and_brows_do_what_their_names_say(face: CanonicalFace) -> None:
    for eye, side in enumerate(("right", "left")):
        rest = gap(face.mean, LID_COLUMNS[eye])
        upper, lower = (list(column) for column in LID_COLUMNS[eye])
        shut = face.mean + at(face, f"blink_{side}")
        assert np.abs(shut[lower, 1] - shut[upper, 1]).max() < 0.02 * rest
        assert gap(face.mean + at(face, "eyes_wide"), LID_COLUMNS[eye]) > 1.2 * rest
        brow = list(face.contours[f"{side}_brow"])
        assert at(face, f"brow_up_{side}")[brow, 1].max() < -0.03
        assert at(face, f"brow_down_{side}")[brow, 1].min() > 0.01
    together = at(face, "brows_together")
    assert together[107, 0] > 0.01 and together[336, 0] < -0.01
    assert at(face, "cheek_raise")[[50, 280], 1].max() < -0.03
    irises = list(face.regions["irises"])
    assert at(face, "gaze_x")[irises, 0].min() > 0.05
    assert at(face, "gaze_y")[irises, 1].max() < -0.03


def test_no_control_turns_a_triangle_over(face: CanonicalFace) -> None:
    for control in CONTROLS:
        areas = facing(face.mean + at(face, control.name), face.triangles)
        # A usual triangle has 0.01; those of a lip's corner and a jaw's edge come edge-on.
        assert areas.min() > -2e-3, control.name


def test_a_face_comes_back_from_its_file(face: CanonicalFace, tmp_path: Path) -> None:
    path = tmp_path / "face.npz"
    save_face(face, path)
    again = load_face(path)
    assert again.digest == face.digest
    assert {*again.regions} == {*face.regions} and {*again.contours} == {*face.contours}


def test_a_wrong_face_file_gets_one_line(face: CanonicalFace, tmp_path: Path) -> None:
    path = tmp_path / "face.npz"
    with pytest.raises(InputError, match="no such canonical face; install"):
        load_face(path)
    path.write_bytes(b"no face")
    with pytest.raises(InputError, match="damaged"):
        load_face(path)
    save_face(face, path)
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}
    np.savez(path, **{**arrays, "controls": arrays["controls"][::-1]})
    with pytest.raises(InputError, match="another version"):
        load_face(path)


def test_an_unknown_control_is_named() -> None:
    with pytest.raises(InputError, match="no control 'jaw_shut'"):
        control_index("jaw_shut")
