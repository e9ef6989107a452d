# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of a made picture against the real one, and of its landmarks against the real ones.

Pictures are (H, W, 3) uint8 RGB. SSIM, GMSD and sharpness look at luma (Rec. 601, not rounded),
PSNR and L1 at the three colours. Landmarks are (478, 3) in pixels of the picture.
What cannot be measured in a frame is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    LIPS_LOWER,
    LIPS_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    OVAL,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
    interocular,
)
from inference.performance.face.measures import eye_opening, mouth_opening
from inference.performance.face.pose import fit_pose

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]
Map = NDArray[np.float64]
Mask = NDArray[np.bool_]
Area = tuple[slice, slice]  # rows and columns of a picture

MOUTH_POINTS = tuple(sorted({*MOUTH_UPPER, *MOUTH_LOWER, *LIPS_UPPER, *LIPS_LOWER}))
EYE_POINTS = tuple(
    sorted(
        {*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER, *RIGHT_IRIS}
        | {*LEFT_EYE_UPPER, *LEFT_EYE_LOWER, *LEFT_IRIS}
    )
)
# The lips' gap in units of the mouth's width from which on there is an inside to compare.
OPEN_MOUTH = 0.08
HIGHEST_PSNR = 100.0  # dB, of pictures that are the same

_WINDOW, _SIGMA = 11, 1.5  # of SSIM, Wang et al. 2004
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_GMSD_C = 170.0  # Xue et al. 2014, for values of 0 to 255
_MARGIN = 0.2  # of a box around lips or an eye, in units of its width


@dataclass(frozen=True)
class Regions:
    """Where to look in a picture, from the real frame's landmarks.

    whole, face, lips: boxes; eyes: one box for each. skin: (H, W) inside the face's outline;
    mouth: (H, W) inside the lips, or None when they are closed.
    """

    whole: Area
    face: Area
    lips: Area
    eyes: tuple[Area, Area]
    skin: Mask
    mouth: Mask | None


def find_regions(points: Points, whole: Area, size: tuple[int, int]) -> Regions:
    """The regions of a face in a picture of `size` (width, height); boxes end where it does."""
    lips = (*LIPS_UPPER, *LIPS_LOWER)
    right, left = (*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER), (*LEFT_EYE_UPPER, *LEFT_EYE_LOWER)
    opened = mouth_opening(points) > OPEN_MOUTH
    mouth = _filled(points, (*MOUTH_UPPER, *MOUTH_LOWER[-2:0:-1]), size) if opened else None
    return Regions(
        whole,
        _box(points, OVAL, size, 0),
        _box(points, lips, size, _MARGIN),
        (_box(points, right, size, _MARGIN), _box(points, left, size, _MARGIN)),
        _filled(points, OVAL, size),
        mouth if mouth is not None and mouth.any() else None,
    )


def compare_pictures(made: Picture, real: Picture, regions: Regions) -> dict[str, float]:
    """Every measure of pixels, by the names in `export.evaluation.tables`."""
    similar = ssim_map(made, real)
    whole = regions.whole
    return {
        "ssim": float(similar[whole].mean()),
        "ssim_face": float(similar[regions.face].mean()),
        "ssim_lips": float(similar[regions.lips].mean()),
        "ssim_eyes": float(np.mean([similar[eye].mean() for eye in regions.eyes])),
        "psnr": psnr(made[whole], real[whole]),
        "psnr_face": psnr(made[regions.face], real[regions.face]),
        "mouth_l1": mean_difference(made, real, regions.mouth),
        "sharpness": sharpness(made, regions.skin) / max(sharpness(real, regions.skin), 1e-9),
        "gmsd": gmsd(made[whole], real[whole]),
    }


def compare_faces(made: Points | None, real: Points) -> dict[str, float]:
    """Every measure of landmarks; all NaN when no face was found in the made picture."""
    if made is None:
        return dict.fromkeys(
            ("landmarks", "landmarks_mouth", "landmarks_eyes", "eye_opening", "pose"), np.nan
        )
    return {
        "landmarks": landmark_error(made, real),
        "landmarks_mouth": landmark_error(made, real, MOUTH_POINTS),
        "landmarks_eyes": landmark_error(made, real, EYE_POINTS),
        "eye_opening": 100 * abs(eye_opening(made) - eye_opening(real)),
        "pose": pose_error(made, real),
    }


def luma(picture: Picture) -> Map:
    """(H, W) 0 to 255, Rec. 601."""
    return picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


def ssim_map(a: Picture, b: Picture) -> Map:
    """Structural similarity of luma at every pixel, (H, W), -1 to 1.

    A Gaussian window of 11 pixels, sigma 1.5; at the picture's edge it sees the picture mirrored.
    """
    x, y = luma(a), luma(b)
    mean_x, mean_y = _window(x), _window(y)
    var_x = _window(x * x) - mean_x**2
    var_y = _window(y * y) - mean_y**2
    shared = _window(x * y) - mean_x * mean_y
    return ((2 * mean_x * mean_y + _C1) * (2 * shared + _C2)) / (
        (mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)
    )


def psnr(a: Picture, b: Picture) -> float:
    """Peak signal to noise ratio over all colours in dB, at most HIGHEST_PSNR."""
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return HIGHEST_PSNR if error == 0 else min(HIGHEST_PSNR, 10 * np.log10(255**2 / error))


def mean_difference(a: Picture, b: Picture, mask: Mask | None) -> float:
    """Mean absolute difference of the colours inside a mask, 0 to 255; NaN without one."""
    if mask is None:
        return float("nan")
    return float(np.abs(a[mask].astype(np.float64) - b[mask]).mean())


def sharpness(picture: Picture, mask: Mask) -> float:
    """Energy of the gradient (squared steps from pixel to pixel of luma), mean over a mask."""
    light = luma(picture)
    energy = np.zeros_like(light)
    energy[:, :-1] += np.diff(light, axis=1) ** 2
    energy[:-1] += np.diff(light, axis=0) ** 2
    inside = energy[mask]
    return float(inside.mean()) if inside.size else 0.0


def gmsd(a: Picture, b: Picture) -> float:
    """Gradient magnitude similarity deviation (Xue et al. 2014) of luma at half size; 0 is best."""
    x, y = _gradient(_halved(luma(a))), _gradient(_halved(luma(b)))
    return float(((2 * x * y + _GMSD_C) / (x**2 + y**2 + _GMSD_C)).std())


def landmark_error(made: Points, real: Points, which: tuple[int, ...] | None = None) -> float:
    """Mean distance in the picture's plane in percent of the real face's eye distance."""
    chosen = slice(None) if which is None else list(which)
    gaps = np.linalg.norm(made[chosen, :2] - real[chosen, :2], axis=1)
    return 100 * float(gaps.mean()) / interocular(real[:, :2])


def pose_error(made: Points, real: Points) -> float:
    """Angle between two head poses in degrees."""
    cosine = (np.trace(fit_pose(real, made).rotation) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def jitter(points: list[Points | None], run: int) -> float:
    """How much landmarks shake: mean change of their speed, in percent of the eye distance.

    points: the faces of consecutive frames, `run` at a time; between runs lies a leap. NaN when
    no three consecutive frames show the face.
    """
    shakes = []
    for start in range(0, len(points), run):
        faces = points[start : start + run]
        for before, here, after in zip(faces, faces[1:], faces[2:], strict=False):
            if before is not None and here is not None and after is not None:
                change = (before - 2 * here + after)[:, :2]
                unit = interocular(here[:, :2])
                shakes.append(100 * float(np.linalg.norm(change, axis=1).mean()) / unit)
    return float(np.mean(shakes)) if shakes else float("nan")


def _window(values: Map) -> Map:
    return cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT_101)


def _halved(values: Map) -> Map:
    height, width = (length // 2 * 2 for length in values.shape)
    even = values[:height, :width]
    return even.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def _gradient(values: Map) -> Map:
    """Prewitt's gradient magnitude."""
    across = np.array([[1, 0, -1]] * 3, np.float64) / 3
    x = cv2.filter2D(values, cv2.CV_64F, across, borderType=cv2.BORDER_REFLECT_101)
    y = cv2.filter2D(values, cv2.CV_64F, across.T, borderType=cv2.BORDER_REFLECT_101)
    return np.hypot(x, y)


def _box(points: Points, which: tuple[int, ...], size: tuple[int, int], margin: float) -> Area:
    corners = points[list(which), :2]
    low, high = corners.min(axis=0), corners.max(axis=0)
    room = margin * (high[0] - low[0])
    left, top = np.clip(np.floor(low - room), 0, np.array(size) - 1).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + room), (left + 1, top + 1), size).astype(int).tolist()
    return slice(top, bottom), slice(left, right)


def _filled(points: Points, outline: tuple[int, ...], size: tuple[int, int]) -> Mask:
    mask = np.zeros((size[1], size[0]), np.uint8)
    corners = np.round((points[list(outline), :2] - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1, cv2.LINE_8, 4)
    return mask > 0
