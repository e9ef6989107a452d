# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances come back from their files as they were, and wrong files get one clear line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from inference.errors import InputError
from inference.performance.face.controls import CONTROL_NAMES
from inference.performance.face.decompose import decompose
from inference.performance.taking.performance import (
    SUFFIX,
    Performance,
    load_performance,
    save_performance,
)
from inference.track import load_track


@pytest.fixture(scope="module")
def performance(samples: Path) -> Performance:
    """Thirty frames of a real performance, two of them a gap."""
    track = load_track(samples / "weekly_address.track.npz")
    points, valid = track.points[:30].copy(), track.valid[:30].copy()
    points[7:9], valid[7:9] = np.nan, False
    taken = decompose(replace(track, points=points, valid=valid, cuts=(20,)))
    return replace(taken, rest=np.array([0.1, -0.2, 0.05, 300.0, 200.0, 0.0, 80.0]))


def changed(path: Path, **arrays: object) -> Path:
    """The file with some of its arrays replaced; None leaves one out."""
    with np.load(path) as data:
        kept = {name: data[name] for name in data.files} | arrays
    other = path.with_name(f"changed{SUFFIX}")
    np.savez(other, **{name: value for name, value in kept.items() if value is not None})
    return other


def test_a_performance_comes_back_bit_for_bit(performance: Performance, tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIX}"
    save_performance(performance, path)
    again = load_performance(path)
    for field in fields(Performance):
        before, after = getattr(performance, field.name), getattr(again, field.name)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype, field.name
            assert np.array_equal(after, before, equal_nan=before.dtype.kind == "f"), field.name
        else:
            assert after == before, field.name
    assert [path] == list(tmp_path.iterdir())


def with_nan(performance: Performance) -> dict[str, object]:
    scale = performance.scale.copy()
    scale[3] = np.nan
    return {"scale": scale}


def without_faces(performance: Performance) -> dict[str, object]:
    return {"valid": np.zeros(len(performance), bool)}


def without_frames(performance: Performance) -> dict[str, object]:
    per_frame = ("controls", "rotation", "translation", "scale", "residual", "valid", "filled")
    arrays = {name: getattr(performance, name)[:0] for name in (*per_frame, "confidence")}
    return {**arrays, "cuts": np.zeros(0, np.int32)}


def of_another_face(_: Performance) -> dict[str, object]:
    return {"canonical": "0" * 64}


def of_another_topology(_: Performance) -> dict[str, object]:
    return {"topology": "other-68"}


def of_another_format(_: Performance) -> dict[str, object]:
    return {"format": 2}


def with_another_control(_: Performance) -> dict[str, object]:
    return {"controls_names": np.array(["jaw_shut", *CONTROL_NAMES[1:]])}


def with_fewer_controls(performance: Performance) -> dict[str, object]:
    return {"controls": performance.controls[:, :-1]}


def without_an_array(_: Performance) -> dict[str, object]:
    return {"residual": None}


def with_a_lens_of_nothing(_: Performance) -> dict[str, object]:
    return {"camera": "perspective"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (with_nan, "scale holds a value that is not a number in frame 3"),
        (without_faces, "empty"),
        (without_frames, "empty"),
        (of_another_face, "another canonical face"),
        (of_another_topology, "other-68"),
        (of_another_format, "format 2"),
        (with_another_control, "'jaw_open' is missing"),
        (with_fewer_controls, "controls has the shape (30, 24)"),
        (without_an_array, "not a performance"),
        (with_a_lens_of_nothing, "focal length of 0"),
    ],
)
def test_a_wrong_file_gets_one_line_that_names_it(
    wrong: Callable[[Performance], dict[str, object]],
    said: str,
    performance: Performance,
    tmp_path: Path,
) -> None:
    path = tmp_path / f"a{SUFFIX}"
    save_performance(performance, path)
    other = changed(path, **wrong(performance))
    with pytest.raises(InputError) as caught:
        load_performance(other)
    assert said in str(caught.value)
    assert str(other) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_archive_or_not_there_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIX}"
    with pytest.raises(InputError, match="there is no such performance"):
        load_performance(path)
    path.write_bytes(b"frame,jaw_open\n0,0.5\n")
    with pytest.raises(InputError, match="not a performance, or a damaged one"):
        load_performance(path)
