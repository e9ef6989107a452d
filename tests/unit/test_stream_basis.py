# SPDX-License-Identifier: GPL-3.0-or-later
"""The directions of the dense rest: computed from people's tracks, written, read, refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.face.clips import FaceClip
from export.face.rest import make_basis
from inference.errors import InputError
from inference.stream.rest import is_basis, load_basis, rest_basis, save_basis
from inference.track import load_track


def test_a_basis_is_made_of_people_and_comes_back(samples: Path, tmp_path: Path) -> None:
    track = load_track(samples / "weekly_address.track.npz")
    clips = [
        FaceClip(str(i), replace(track, points=track.points[i::40], valid=track.valid[i::40]))
        for i in range(8)
    ]
    basis, people = make_basis(clips, 12)
    assert people == 8
    assert (np.diff(basis.deviation) <= 0).all()
    rest = basis.rest(np.eye(12) * basis.deviation)
    np.testing.assert_allclose(basis.amounts(rest), np.eye(12) * basis.deviation, atol=1e-9)
    path = tmp_path / "basis.npz"
    save_basis(basis, path)
    assert is_basis(path)
    np.testing.assert_array_equal(load_basis(path).directions, basis.directions)
    with pytest.raises(InputError, match="too few"):
        make_basis(clips[:3], 12)


def test_a_damaged_basis_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "basis.npz"
    save_basis(rest_basis(), path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="damaged"):
        load_basis(path)
