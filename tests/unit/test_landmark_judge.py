# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's face mesh in torch: it sees what MediaPipe sees, and a gradient can ask it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from export.networks.tflite import TfliteNetwork
from export.training import landmark_judge
from export.training.landmark_judge import (
    SIDE,
    LandmarkJudge,
    Seen,
    face_distance,
    face_window,
    landmark_distance,
)
from inference.errors import InputError
from inference.landmarks import EYES, LIPS_LOWER, LIPS_UPPER
from inference.pictures import read_picture

_LOOKS = 16  # until MediaPipe's search window has settled on a still picture


@pytest.fixture(scope="module")
def judge() -> LandmarkJudge:
    return LandmarkJudge()


@pytest.fixture(scope="module")
def portrait(samples: Path) -> Tensor:
    return _tensor(read_picture(samples / "eileen_collins.png").rgb8())


@pytest.fixture(scope="module")
def points(portrait: Tensor) -> Tensor:
    return torch.from_numpy(_settled(_pixels(portrait))[1])[None]


@pytest.mark.parametrize("turn", [0.0, 25.0, -40.0])
def test_the_judge_sees_what_mediapipe_sees(
    judge: LandmarkJudge, portrait: Tensor, turn: float
) -> None:
    height, width = portrait.shape[2:]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    turned = cv2.warpAffine(
        _pixels(portrait), matrix, (width, height), flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    before, found = _settled(turned)
    window = face_window(torch.from_numpy(before)[None])
    with torch.no_grad():
        seen = judge(_tensor(turned), torch.from_numpy(before)[None])
    ours = window.placed(seen.landmarks)[0].numpy()
    apart = np.linalg.norm(ours - found, axis=1) * SIDE / float(window.side)
    assert apart.mean() < 0.05
    assert apart.max() < 0.2


def test_each_picture_of_a_batch_is_looked_at_alone(
    judge: LandmarkJudge, portrait: Tensor, points: Tensor
) -> None:
    mirrored = portrait.flip(3)
    across = points * torch.tensor([-1.0, 1.0]) + torch.tensor([portrait.shape[3], 0.0])
    with torch.no_grad():
        both = judge(torch.cat([portrait, mirrored]), torch.cat([points, across + 3]))
        alone = judge(mirrored, across + 3)
    torch.testing.assert_close(both.landmarks[1:], alone.landmarks, atol=2e-3, rtol=0)
    torch.testing.assert_close(both.features[3][1:], alone.features[3], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("part", ["mouth", "eyes"])
def test_following_the_term_brings_a_part_back_to_where_the_target_has_it(
    judge: LandmarkJudge, portrait: Tensor, points: Tensor, part: str
) -> None:
    """A mouth, or the eyes, are pushed down in a picture; how far is all that can be learned."""
    with torch.no_grad():
        target = judge(portrait, points)
    where = points[:, [*LIPS_UPPER, *LIPS_LOWER]] if part == "mouth" else points[
        :, [i for upper, lower, _ in EYES for i in (*upper, *lower)]
    ]  # fmt: skip
    shift = torch.tensor(4.0, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.5)
    first = landmark_distance(judge(_pushed(portrait, where, shift), points), target)
    for _ in range(25):
        optimizer.zero_grad()
        landmark_distance(judge(_pushed(portrait, where, shift), points), target).backward()
        optimizer.step()
    last = landmark_distance(judge(_pushed(portrait, where, shift), points), target)
    assert abs(float(shift.detach())) < 1.0
    assert float(last.detach()) < 0.35 * float(first.detach())


def test_the_gradient_is_that_of_the_distance(
    judge: LandmarkJudge, portrait: Tensor, points: Tensor
) -> None:
    with torch.no_grad():
        target = judge(portrait, points)
    where = points[:, [*LIPS_UPPER, *LIPS_LOWER]]

    def distance(shift: Tensor) -> Tensor:
        return landmark_distance(judge(_pushed(portrait, where, shift), points), target)

    shift = torch.tensor(3.0, requires_grad=True)
    (slope,) = torch.autograd.grad(distance(shift), shift)
    with torch.no_grad():
        rise = distance(torch.tensor(3.1)) - distance(torch.tensor(2.9))
    assert float(slope) == pytest.approx(float(rise) / 0.2, rel=0.2)


def test_lips_and_eyes_count_more_than_the_rest() -> None:
    still = Seen(torch.zeros(1, 478, 2), [])

    def moved(points: tuple[int, ...]) -> float:
        landmarks = torch.zeros(1, 478, 2)
        landmarks[:, list(points), 0] = 3.0
        return float(landmark_distance(Seen(landmarks, []), still)) / len(points)

    cheek = (50, 101, 205)
    assert moved((13, 14, 61)) > 10 * moved(cheek)
    assert moved((159, 145, 468)) > 10 * moved(cheek)
    assert float(landmark_distance(still, still)) == 0.0


def test_faces_look_less_alike_the_more_they_differ(
    judge: LandmarkJudge, portrait: Tensor, points: Tensor
) -> None:
    def unlike(picture: Tensor) -> float:
        with torch.no_grad():
            return float(face_distance(judge(picture, points), judge(portrait, points)))

    soft = F.avg_pool2d(F.pad(portrait, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = F.avg_pool2d(F.pad(portrait, (3, 3, 3, 3), mode="replicate"), 7, 1)
    assert unlike(portrait) < 1e-6
    assert 1e-3 < unlike(soft) < 0.7 * unlike(softer)


def test_what_is_no_network_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "face.tflite"
    for data in (b"nothing", b"\x1c\0\0\0TFL3" + bytes(range(64))):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"face\.tflite: is no TFLite file, or a damaged one"):
            TfliteNetwork(path, ())
    with pytest.raises(InputError, match=r"none\.tflite: cannot be read"):
        TfliteNetwork(tmp_path / "none.tflite", ())


def test_networks_of_other_kinds_are_refused() -> None:
    mesh = landmark_judge._model_file()
    with pytest.raises(InputError, match=r"has no tensor 'teeth'"):
        TfliteNetwork(mesh, ("teeth",))
    other = mesh.parents[1] / "selfie_segmentation" / "selfie_segmentation.tflite"
    with pytest.raises(InputError, match=r"has an operation '\w+' that cannot be read here"):
        TfliteNetwork(other, ("activation_10",))


def test_a_mediapipe_without_models_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmark_judge, "_NETWORK", "modules/none.tflite")
    with pytest.raises(InputError, match=r"no face mesh .* --share-landmarks 0"):
        LandmarkJudge()


def _pushed(picture: Tensor, where: Tensor, shift: Tensor) -> Tensor:
    """The picture with what lies around points (1, P, 2) moved down by `shift` pixels."""
    height, width = picture.shape[2:]
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    at = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    low, high = where[0].amin(dim=0), where[0].amax(dim=0)
    beyond = torch.maximum(low - at, at - high).clamp_min(0)
    near = torch.exp(-(beyond / 12).square().sum(dim=-1))
    at = torch.stack([at[..., 0], at[..., 1] - shift * near], dim=-1)
    grid = 2 * at[None] / torch.tensor([width, height]) - 1
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)


def _settled(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """MediaPipe's last two answers, (478, 2) each, to the same picture over and over."""
    from mediapipe.python.solutions import face_mesh

    size = np.array([picture.shape[1], picture.shape[0]], np.float32)
    found = []
    with face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh:
        for _ in range(_LOOKS):
            (face,) = mesh.process(np.ascontiguousarray(picture)).multi_face_landmarks
            found.append(np.array([(mark.x, mark.y) for mark in face.landmark], np.float32) * size)
    return found[-2], found[-1]


def _tensor(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def _pixels(picture: Tensor) -> NDArray[np.uint8]:
    return np.round(picture[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
