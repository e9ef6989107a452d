# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's selfie segmentation: which pixels of a picture are a person's."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.capture.tflite_file import bundled_model
from inference.errors import InputError
from inference.quiet import quiet_libraries

MODEL = "modules/selfie_segmentation/selfie_segmentation.tflite"


class PersonFinder:
    """Tells a person from the background. Use it as a context: it holds MediaPipe's model."""

    def __init__(self) -> None:
        """Raises InputError where the installed MediaPipe has no such model in it."""
        if bundled_model(MODEL) is None:
            raise InputError(
                "the installed MediaPipe has no selfie segmentation for mattes (0.10.21 has): "
                "install that, or leave mattes out"
            )
        from mediapipe.python.solutions import selfie_segmentation

        with quiet_libraries():
            self._model: Any = selfie_segmentation.SelfieSegmentation(model_selection=0)
            self._model.process(np.zeros((64, 64, 3), np.uint8))  # models are opened in threads

    def __enter__(self) -> PersonFinder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._model.close()

    def mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of an RGB picture (H, W, 3): (H, W) in [0, 1], 1 is person."""
        found = self._model.process(np.ascontiguousarray(picture)).segmentation_mask
        return np.asarray(found, np.float32)
