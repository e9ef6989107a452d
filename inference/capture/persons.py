# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's selfie segmentation: which pixels of a picture are a person's.

The model is shipped (`inference/models/person.md`) and run by ONNX Runtime, so it is the same with
every MediaPipe. Pictures go in and masks come out as in MediaPipe's own graph.
"""

from __future__ import annotations

from types import TracebackType

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.sessions import MODELS, open_session

MODEL = MODELS / "person.onnx"
SIDE = 256  # pixels that the model sees, whatever the picture's shape


class PersonFinder:
    """Tells a person from the background. Use it as a context: it holds the model."""

    def __init__(self) -> None:
        """Raises InputError where the model's file is missing or damaged."""
        self._session: onnxruntime.InferenceSession | None = open_session(MODEL, "cpu", 1)[0]

    def __enter__(self) -> PersonFinder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session = None

    def mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of an RGB picture (H, W, 3): (H, W) in [0, 1], 1 is person."""
        assert self._session is not None, "used after its end"
        height, width = picture.shape[:2]
        # As MediaPipe looks: the picture's corner is the middle of a pixel, in both.
        square = np.array([[0, 1], [0, 0], [1, 0], [1, 1]], np.float32)
        whole = square * np.array([width, height], np.float32)
        zoom = cv2.getPerspectiveTransform(whole, square * SIDE)
        seen = cv2.warpPerspective(picture, zoom, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        planes = np.ascontiguousarray(seen.transpose(2, 0, 1)[None], np.float32)
        planes *= np.float32(1 / 255)
        (found,) = self._session.run(None, {self._session.get_inputs()[0].name: planes})
        mask = cv2.resize(found[0, 0], (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(mask, np.float32)
