# SPDX-License-Identifier: GPL-3.0-or-later
"""Portraits and head frames with known pixels, and what they must look like on each other.

Pictures are (H, W, 3) uint8 RGB, head frames (h, w, 4) uint8 RGB with straight alpha.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SHIFT = (3, -2)  # by which the head in frame k of the track is moved, times k + 1, in pixels


@dataclass(frozen=True)
class Material:
    """A folder as the worker leaves it, and the picture that each frame must give."""

    folder: Path
    portrait: np.ndarray
    box: tuple[int, int, int, int]
    expected: list[np.ndarray]


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Detail of every size, like a photo's: soft noise, grain, an oval, a grid of lines."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    for sigma, gain in ((24, 900), (6, 260), (1.5, 70)):
        noise = rng.normal(0, 1, (height, width, 3))
        image += cv2.GaussianBlur(noise, (0, 0), sigma) * gain
    image = np.clip(image + 128, 0, 255).astype(np.uint8)
    centre, axes = (width // 2, height // 2), (width // 4, height // 3)
    cv2.ellipse(image, centre, axes, 0, 0, 360, (220, 170, 140), -1, cv2.LINE_AA)
    for k in range(0, width, 23):
        cv2.line(image, (k, 0), (width - k, height), (30, 60, 90), 1, cv2.LINE_AA)
    return image


def write_material(
    folder: Path,
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    count: int = 3,
    rate: tuple[int, int] = (30000, 1001),
    layer: str = "head",
    write: Callable[[Path, np.ndarray], Path] | None = None,
    alpha: str = "straight",
    first: int = 0,
) -> Material:
    """Write a portrait, head frames and head.json; `write` puts a frame (float32) on the disk."""
    folder.mkdir(parents=True)
    portrait = picture(*size)
    path = folder / "portrait é.png"
    save(path, portrait)
    x, y, width, height = box
    edge = max(width, height) + 16
    wide = cv2.copyMakeBorder(portrait, edge, edge, edge, edge, cv2.BORDER_REFLECT)
    rows, columns = np.mgrid[:height, :width]
    distance = np.minimum.reduce([columns, rows, width - 1 - columns, height - 1 - rows])
    opacity = np.round(255 * np.clip(distance / (min(width, height) / 5), 0, 1)).astype(np.uint8)

    expected, suffix = [], ".png"
    for k in range(count):
        left, top = edge + x - SHIFT[0] * (k + 1), edge + y - SHIFT[1] * (k + 1)
        colour = wide[top : top + height, left : left + width].astype(int) + (40, -20, 10)
        frame = np.dstack([np.clip(colour, 0, 255).astype(np.uint8), opacity])
        name = folder / f"head_{first + k:06d}.png"
        if layer == "full":
            frame[..., 3] = 255
        if write is None:
            save(name, frame)
        else:
            suffix = write(name, frame.astype(np.float32) / 255).suffix
        expected.append(composite(portrait, frame, box))
    (folder / "head.json").write_text(
        json.dumps(
            {
                "likeness": 1,
                "portrait": str(path),
                "portrait_size": list(size),
                "box": list(box),
                "rate": list(rate),
                "first": first,
                "count": count,
                "pattern": "head_%06d" + suffix,
                "layer": layer,
                "alpha": alpha,
            }
        ),
        encoding="utf-8",
    )
    return Material(folder, portrait, box, expected)


def composite(
    portrait: np.ndarray, frame: np.ndarray, box: tuple[int, int, int, int]
) -> np.ndarray:
    """Straight-alpha over, (H, W, 3) float64 in 0..255; what lies outside the portrait is lost."""
    height, width = portrait.shape[:2]
    x, y, w, h = box
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    out = portrait.astype(np.float64)
    part = frame[top - y : bottom - y, left - x : right - x].astype(np.float64)
    alpha = part[..., 3:] / 255
    behind = out[top:bottom, left:right]
    out[top:bottom, left:right] = part[..., :3] * alpha + behind * (1 - alpha)
    return out


def save(path: Path, image: np.ndarray) -> None:
    """Write an 8-bit or 16-bit picture, RGB or RGBA."""
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    cv2.imencode(path.suffix, cv2.cvtColor(image, order))[1].tofile(path)


def save_16_bit(path: Path, frame: np.ndarray) -> Path:
    """A 16-bit PNG with straight alpha from float32 RGBA in [0, 1]."""
    save(path, np.round(frame * 65535).astype(np.uint16))
    return path


def save_linear_exr(path: Path, frame: np.ndarray) -> Path:
    """A half-float EXR, linear light, premultiplied, from float32 sRGB RGBA in [0, 1]."""
    path = path.with_suffix(".exr")
    colour, alpha = frame[..., :3], frame[..., 3:]
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    pixels = np.dstack([linear * alpha, alpha]).astype(np.float32)
    raw = path.with_suffix(".npy")
    np.save(raw, cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA))
    # In a process of its own: OpenCV looks once, early, whether it may write EXR.
    script = (
        "import sys, cv2, numpy\n"
        "half = [cv2.IMWRITE_EXR_TYPE, cv2.IMWRITE_EXR_TYPE_HALF]\n"
        "assert cv2.imwrite(sys.argv[2], numpy.load(sys.argv[1]), half)"
    )
    subprocess.run(
        [sys.executable, "-c", script, raw, path],
        env={**os.environ, "OPENCV_IO_ENABLE_OPENEXR": "1"},
        check=True,
    )
    raw.unlink()
    return path


def load_linear_exr(path: Path) -> np.ndarray:
    """A linear, premultiplied EXR as float64 sRGB RGBA, straight, in 0..255."""
    raw = path.with_suffix(".npy")
    # In a process of its own: OpenCV looks once, early, whether it may read EXR.
    script = (
        "import sys, cv2, numpy\n"
        "numpy.save(sys.argv[2], cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED))"
    )
    subprocess.run(
        [sys.executable, "-c", script, path, raw],
        env={**os.environ, "OPENCV_IO_ENABLE_OPENEXR": "1"},
        check=True,
    )
    pixels = cv2.cvtColor(np.load(raw), cv2.COLOR_BGRA2RGBA).astype(np.float64)
    raw.unlink()
    alpha = pixels[..., 3:]
    linear = pixels[..., :3] / np.maximum(alpha, 1e-6)
    colour = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.dstack([colour, alpha]) * 255


def load(path: Path) -> np.ndarray:
    """An 8-bit picture as (H, W, 3) float64 RGB in 0..255."""
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    return image[..., ::-1].astype(np.float64)
