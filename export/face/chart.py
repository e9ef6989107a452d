# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of what each control does: the mean face at its ends, shaded, the rest as lines."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.files import write_whole
from inference.performance.face.canonical import CanonicalFace
from inference.performance.face.controls import CONTROLS

_TILE, _COLUMNS, _SHARPER = 236, 7, 3
_ZOOM = 68.0  # pixels a canonical unit
_MIDDLE = (0.5, 0.345)
_GROUND = (30, 32, 37)
_SKIN = np.array((214, 178, 152), float)
_MOVED, _TINTED = np.array((96, 190, 176), float), 0.8
_IRIS = (92, 62, 40)
_EYE = (228, 226, 220)
_LINE = (70, 48, 44)
_LIP = (178, 84, 84)
_REST = (92, 190, 220)
_QUALITY = 88
_START, _COMMENT = b"\xff\xd8", b"\xff\xfe"  # of a JPEG file, and of a comment in it
_WORDS = b"Likeness: the controls of the canonical face"


def write_chart(face: CanonicalFace, path: Path) -> None:
    """Write the chart as a JPEG of about 1650 pixels."""
    tiles = [_tile(face, np.zeros(len(CONTROLS)), "rest")]
    for c, control in enumerate(CONTROLS):
        for end in {control.high, control.low} - {0.0}:
            values = np.zeros(len(CONTROLS))
            values[c] = end
            which = f" {end:+.0f}" if control.low else ""
            tiles.append(_tile(face, values, control.name + which))
    tiles += [np.full_like(tiles[0], 30)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    done, data = cv2.imencode(
        ".jpg",
        cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, _QUALITY],
    )
    assert done
    # By these words the chart is known as one, and may be replaced.
    comment = _COMMENT + (2 + len(_WORDS)).to_bytes(2, "big") + _WORDS
    write_whole(path, _START + comment + data.tobytes()[len(_START) :])


def is_chart(path: Path) -> bool:
    """Was this file written by `write_chart`?"""
    with path.open("rb") as file:
        return _WORDS in file.read(200)


def _tile(face: CanonicalFace, controls: NDArray[np.floating], name: str) -> NDArray[np.uint8]:
    size = _TILE * _SHARPER
    picture = np.full((size, size, 3), _GROUND, np.uint8)
    shape = face.shape(controls).astype(np.float64)
    pixels = _pixels(shape)
    for eye in ("right_eye", "left_eye"):
        cv2.fillPoly(picture, [pixels[face.contours[eye]]], _EYE, cv2.LINE_AA)
    cv2.fillPoly(picture, [pixels[face.contours["mouth_inner"]]], (40, 14, 16), cv2.LINE_AA)
    for center, *rim in face.regions["irises"].reshape(2, -1):
        radius = np.linalg.norm(pixels[rim] - pixels[center], axis=1).mean()
        cv2.circle(picture, pixels[center].tolist(), round(radius), _IRIS, -1, cv2.LINE_AA)
    moved = np.linalg.norm(shape - face.mean, axis=1)
    _skin(picture, shape, pixels, face.triangles, moved / max(moved.max(), 1e-6))
    rest = _pixels(face.mean.astype(np.float64))
    for name_of, points in face.contours.items():
        closed = not name_of.endswith("brow")
        color = _LIP if name_of.startswith("mouth") else _LINE
        cv2.polylines(picture, [rest[points]], closed, _REST, _SHARPER // 2, cv2.LINE_AA)
        cv2.polylines(picture, [pixels[points]], closed, color, _SHARPER, cv2.LINE_AA)
    small = cv2.resize(picture, (_TILE, _TILE), interpolation=cv2.INTER_AREA)
    cv2.putText(
        small, name, (8, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.44, (235, 235, 230), 1, cv2.LINE_AA
    )
    return np.asarray(small, np.uint8)


def _skin(
    picture: NDArray[np.uint8],
    shape: NDArray[np.float64],
    pixels: NDArray[np.int32],
    triangles: NDArray[np.int32],
    moved: NDArray[np.float64],
) -> None:
    """Triangles from the farthest to the nearest, lit from the camera; turned ones stand out.

    moved: (478,), 0 to 1; skin that moves is tinted.
    """
    share = moved[triangles].mean(axis=1)[:, None] * _TINTED
    skin = _SKIN * (1 - share) + _MOVED * share
    corners = shape[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = normals[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    for i in np.argsort(-corners[:, :, 2].mean(axis=1)):
        color = skin[i] * (0.35 + 0.65 * facing[i]) if facing[i] > 0 else np.array((235, 60, 200))
        cv2.fillConvexPoly(picture, pixels[triangles[i]], color.tolist(), cv2.LINE_8)


def _pixels(shape: NDArray[np.float64]) -> NDArray[np.int32]:
    middle = np.array(_MIDDLE) * _TILE
    return np.round((shape[:, :2] * _ZOOM + middle) * _SHARPER).astype(np.int32)
