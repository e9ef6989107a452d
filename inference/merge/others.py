# SPDX-License-Identifier: GPL-3.0-or-later
"""A further picture between the time at which its face is found and that at which it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.capture.appearance import Features, face_features
from inference.errors import Cancelled, InputError
from inference.generator.identity import embedder_input
from inference.pictures import read_picture
from inference.portrait import Box, Portrait, open_portrait
from inference.progress import Progress


@dataclass(frozen=True)
class OtherPicture:
    """What a picture shows, without its pixels: 32 large ones would not fit in memory.

    points, box: as the portrait's. sha256: of the file. seen: (6, 128, 128), the embedder's input.
    looks: of its face, to tell people apart.
    """

    path: Path
    points: NDArray[np.float32]
    box: Box
    sha256: str
    seen: NDArray[np.float32]
    looks: Features

    def open(self) -> Portrait:
        """Read the picture again. Raises InputError where it cannot be, or is another one now."""
        picture = read_picture(self.path)
        if picture.sha256 != self.sha256:
            raise InputError(f"{self.path}: the file changed while it was read; start again")
        return Portrait(self.path, picture, self.points, self.box)


def find_others(
    paths: Sequence[Path],
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[OtherPicture]:
    """Find the face in each further picture. Raises InputError as `open_portrait`, Cancelled."""
    found = []
    for path in paths:
        if cancelled():
            raise Cancelled(f"{path}: cancelled before its face was looked for")
        each = open_portrait(path)
        seen, looks = embedder_input(each), face_features(each.picture.rgb8(), each.points)
        found.append(OtherPicture(path, each.points, each.box, each.picture.sha256, seen, looks))
        progress(len(found), len(paths))
    return found
