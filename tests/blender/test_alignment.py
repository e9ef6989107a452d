# SPDX-License-Identifier: GPL-3.0-or-later
"""The head strip lies over the portrait strip: Blender's render against numpy's own compositing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender import material
from tests.blender.conftest import Blender, compose

pytestmark = pytest.mark.blender

# Portrait size, box: x, y, width, height. Width and height are odd where the portrait's are.
PLACES = {
    "even": ((320, 240), (100, 40, 120, 140)),
    "odd": ((321, 241), (83, 54, 121, 141)),
    "odd and higher than wide": ((201, 340), (20, 61, 151, 180)),
    "beyond the upper left": ((320, 241), (-30, -41, 200, 181)),
    "beyond the lower right": ((321, 240), (150, 90, 221, 180)),
    "larger than the picture": ((160, 121), (-20, -20, 200, 161)),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_rendered_strip_lies_over_the_portrait(
    blender: Blender, tmp_path: Path, place: str
) -> None:
    made = _composed(tmp_path, *PLACES[place])
    shots = {1: tmp_path / "a.png", 3: tmp_path / "c.png"}
    blender({"blend": str(tmp_path / "x.blend"), "frames": {k: str(v) for k, v in shots.items()}})
    for frame, path in shots.items():
        _assert_same(material.load(path), _even(made.expected[frame - 1]), 0.5, 2)


def test_a_strip_off_by_one_pixel_is_noticed(blender: Blender, tmp_path: Path) -> None:
    made = _composed(tmp_path, *PLACES["odd"])
    nudges = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    shots = [tmp_path / f"{k}.png" for k in range(4)]
    blender(
        *(
            {"blend": str(tmp_path / "x.blend"), "frames": {2: str(shot)}, "nudge": nudge}
            for nudge, shot in zip(nudges, shots, strict=True)
        )
    )
    for shot in shots:
        with pytest.raises(AssertionError, match="mean difference"):
            _assert_same(material.load(shot), _even(made.expected[1]), 0.5, 2)


@pytest.mark.parametrize("kind", ["full", "16 bit", "exr"])
def test_other_frames_than_8_bit_heads(blender: Blender, tmp_path: Path, kind: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "full": {"layer": "full"},
        "16 bit": {"write": material.save_16_bit},
        "exr": {"write": material.save_linear_exr, "alpha": "premultiplied"},
    }
    size, box = PLACES["odd"]
    made = _composed(tmp_path, size, (0, 0, *size) if kind == "full" else box, **kinds[kind])
    shot = tmp_path / "a.png"
    facts = blender({"blend": str(tmp_path / "x.blend"), "frames": {1: str(shot)}})
    head = facts["strips"]["Likeness head"]
    assert head["space"] == ("Linear Rec.709" if kind == "exr" else "sRGB")
    assert head["alpha"] == ("PREMUL" if kind == "exr" else "STRAIGHT")
    _assert_same(material.load(shot), _even(made.expected[0]), 0.6, 3)


# What an artist does to the portrait strip, the frame and the percentage.
MOVES: dict[str, dict[str, Any]] = {
    "moved": {"portrait": {"offset_x": 31.0, "offset_y": -17.0}},
    "moved by part of a pixel": {"portrait": {"offset_x": 10.4, "offset_y": 3.7}},
    "scaled": {"portrait": {"scale_x": 1.6, "scale_y": 1.6}},
    "stretched": {"portrait": {"scale_x": 0.7, "scale_y": 1.3}},
    "rotated": {"portrait": {"rotation": 0.4}},
    "all, about another origin": {
        "portrait": {
            "offset_x": -22.3, "offset_y": 9.1, "scale_x": 1.3, "scale_y": 1.1,
            "rotation": -0.7, "origin": (0.2, 0.85),
        },
    },
    "mirrored": {"portrait": {"use_flip_x": True, "rotation": 0.2, "offset_x": 20.0}},
    "upside down": {"portrait": {"use_flip_y": True, "scale_x": 1.2, "scale_y": 1.2}},
    "cropped": {
        "portrait": {"crop_min_x": 120, "crop_max_x": 150, "crop_min_y": 70, "crop_max_y": 60},
    },
    "in a larger frame": {"resolution": (500, 401)},
    "in a smaller frame": {"resolution": (201, 150)},
    "in an odd frame, in part": {
        "resolution": (455, 391), "percentage": 67,
        "portrait": {"rotation": 0.3, "scale_x": 1.2, "scale_y": 1.2, "origin": (0.3, 0.3)},
    },
}  # fmt: skip


@pytest.mark.parametrize("place", ["odd", "beyond the upper left"])
def test_the_head_follows_the_portrait_strip(blender: Blender, tmp_path: Path, place: str) -> None:
    # The reference is one flat picture, composited beforehand, under the very same transform.
    made = _composed(tmp_path, *PLACES[place])
    flat = tmp_path / "flat.png"
    material.save(flat, np.round(made.expected[1]).astype(np.uint8))
    jobs = []
    for move, change in MOVES.items():
        job: dict[str, Any] = {"blend": str(tmp_path / "x.blend"), **change}
        jobs.append({**job, "head": str(made.folder), "frames": {2: str(tmp_path / f"{move}.png")}})
        jobs.append({**job, "flat": str(flat), "frames": {2: str(tmp_path / f"{move} flat.png")}})
    blender(*jobs)
    for move in MOVES:
        got = material.load(tmp_path / f"{move}.png")
        wanted = material.load(tmp_path / f"{move} flat.png")
        # Where the edges of both strips cross a pixel, each covers a part of it: it may differ.
        off = np.abs(got - wanted).max(axis=2) > 12
        assert off.mean() < 0.005, f"{move}: {off.mean():.1%} of the pixels differ"
        _assert_same(got[~off], wanted[~off], 0.5, 12, move)


def _composed(
    folder: Path, size: tuple[int, int], box: tuple[int, int, int, int], **how: Any
) -> material.Material:
    made = material.write_material(folder / "head frames ü", size, box, **how)
    done = compose("--head", made.folder, "--blend", folder / "x.blend", "--max-size", 0)
    assert done.returncode == 0, done.stderr
    return made


def _even(picture: np.ndarray) -> np.ndarray:
    """H.264 needs even sizes: the column at the right and the row at the top are left out."""
    height, width = picture.shape[:2]
    return picture[height % 2 :, : width - width % 2]


def _assert_same(
    got: np.ndarray, wanted: np.ndarray, mean: float, most: float, case: str = ""
) -> None:
    assert got.shape == wanted.shape
    difference = np.abs(got - wanted)
    assert difference.mean() < mean, f"{case} mean difference {difference.mean():.3f}"
    assert difference.max() <= most, f"{case} largest difference {difference.max():.1f}"
