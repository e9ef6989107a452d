# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's vector: what the generator's embedder makes of the portrait's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError, LikenessError
from inference.generator import contract
from inference.generator.inputs import landmark_channels
from inference.generator.model import Generator
from inference.portrait import Portrait
from inference.sessions import metadata, open_session, run_session


def embedder_path(model: Path) -> Path:
    """Where the embedder of a generator's ONNX file lies; that of `X.int8.onnx` is X's."""
    name = model.name.removesuffix(contract.INT8_SUFFIX).removesuffix(".onnx")
    return model.with_name(name + contract.EMBEDDER_SUFFIX)


def person_vector(
    generator: Generator, pictures: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The mean of the pictures' vectors, (256,); zeros for a generator without an embedder.

    pictures: of `embedder_input`. Zeros mean "nobody in particular": generators are trained with
    them too.
    Raises InputError when the embedder belongs to another generator.
    """
    path = embedder_path(generator.path)
    if not path.is_file():
        return np.zeros(contract.IDENTITY_SIZE, np.float32)
    # One run for each job: the CPU is as good as any.
    session, _ = open_session(path, "cpu", 1)
    meta = metadata(session, path)
    if meta.get(contract.META_CHECKPOINT) != generator.checkpoint:
        raise InputError(
            f"{path}: this embedder was trained beside another generator than {generator.path}; "
            "export both from one checkpoint"
        )
    try:
        (vectors,) = run_session(session, path, ("identity",), {"picture": np.stack(pictures)})
    except LikenessError as error:
        raise InputError(str(error)) from None
    if vectors.shape != (len(pictures), contract.IDENTITY_SIZE):
        raise InputError(
            f"{path}: this embedder answers in the shape {vectors.shape}; export it again"
        )
    return vectors.mean(axis=0)


def embedder_input(portrait: Portrait) -> NDArray[np.float32]:
    """The crop as the embedder takes it: (6, 128, 128) float32."""
    size = contract.EMBEDDER_SIZE
    crop = portrait.crop()
    top = np.float32(np.iinfo(crop.dtype).max)
    small = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / top
    zoom = np.array([size / portrait.box.width, size / portrait.box.height], np.float32)
    lines = landmark_channels(portrait.crop_points()[:, :2] * zoom, size)[:3]
    return np.concatenate([small.transpose(2, 0, 1), lines])
