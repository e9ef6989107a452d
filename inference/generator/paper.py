# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator of the 2019 paper in the place of the product's own: it invents the whole face.

It gets the landmarks alone and knows the person by its weights (psi is folded in). Its face is laid
into the warped portrait, whose hair, ground and light stay: no pixel of the portrait's own face is
kept, and there is no detail finer than its 256 pixels.
"""

from __future__ import annotations

from dataclasses import fields

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError, LikenessError
from inference.generator import contract
from inference.generator.model import Generator, GeneratorOutput
from inference.sessions import run_session

SIZE = 256
INPUT, OUTPUT = "landmarks", "frame"
_LINES = contract.CHANNELS.index("line_face")
_OPENINGS = contract.CHANNELS.index("mouth"), contract.CHANNELS.index("eyes")
_GAIN = (0.5, 2.0)  # within which its skin is brought to the portrait's colour


class PaperGenerator(Generator):
    """Answers as the product's own generators do, with a face of its own invention."""

    def run(
        self, picture: NDArray[np.float32], identity: NDArray[np.float32] | None = None
    ) -> GeneratorOutput:
        """One frame, as `Generator.run`; the person's vector is in the weights."""
        lines = picture[_LINES : _LINES + 3] * 2 - 1
        (frame,) = run_session(self.session, self.path, (OUTPUT,), {INPUT: lines[None]})
        made = np.moveaxis(frame[0], 0, -1) * np.float32(0.5) + np.float32(0.5)
        coarse = SIZE // contract.FLOW_STRIDE
        return GeneratorOutput(
            np.zeros((coarse, coarse, 2), np.float32),
            _in_light(made, picture),
            np.zeros((SIZE, SIZE), np.float32),
            np.ones((SIZE, SIZE), np.float32),
        )


def as_generator(loaded: Generator) -> PaperGenerator:
    """What was loaded, as a generator. Raises InputError when it is nobody's or no such network."""
    generator = PaperGenerator(**{f.name: getattr(loaded, f.name) for f in fields(loaded)})
    given = {value.name: value.shape[1:] for value in generator.session.get_inputs()}
    made = {value.name: value.shape[1:] for value in generator.session.get_outputs()}
    if "identity" in given:
        raise InputError(
            f"{generator.path}: this generator of the paper is nobody's yet; make it one person's "
            "with: python -m export personalize --generator paper"
        )
    if given != {INPUT: [3, SIZE, SIZE]} or made != {OUTPUT: [3, SIZE, SIZE]}:
        raise InputError(
            f"{generator.path}: the model's inputs or outputs are of another version; export it "
            "again"
        )
    try:
        generator.run(np.full((len(contract.CHANNELS), SIZE, SIZE), 0.5, np.float32))
    except LikenessError as error:
        raise InputError(str(error)) from None
    return generator


def _in_light(made: NDArray[np.float32], picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The face (S, S, 3) with its skin of the colour that the warped portrait's has."""
    skin = _inside(picture[_LINES])
    for opening in _OPENINGS:
        skin &= picture[opening] < 0.05
    if not skin.any():
        return made
    wanted, own = picture[:3, skin].mean(axis=1), made[skin].mean(axis=0)
    return np.asarray(made * np.clip(wanted / np.maximum(own, 1e-2), *_GAIN), np.float32)


def _inside(lines: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Within the face's outline, where it is closed: (S, S)."""
    open_ = np.pad((lines < 0.2).astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(open_, None, (0, 0), 2)
    return np.asarray(open_[1:-1, 1:-1] != 2)
