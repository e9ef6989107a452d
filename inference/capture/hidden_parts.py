# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a face's parts are seen, by their colours in the rest of the take.

The mesh says nothing of it: it draws a mouth onto the hand before it, and for a few frames a whole
face onto what no face is. A part that has other colours than it ever has is hidden; a face without
light and dark is none.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.appearance import skin_cells
from inference.capture.faces import Piece
from inference.capture.identity import Looks

Cells = NDArray[np.float32]

# Shorter takes have nothing to be compared with; longer ones are, with so many of their frames.
_LEAST, _MOST = 8, 400
# A cell is hidden that is so far off its usual colour, in units of its usual distance and of the
# face's own contrast. So many shares of cells do not matter, and the second leave no trust.
_OFF, _CONTRAST = 3.0, 1.0
_FEW, _MANY = 0.04, 0.3
_LEFT = 0.05  # the trust that is left at least where there is a face
# What has less than the first share of the usual contrast is no face, nor what has less than the
# second and is hidden by the third.
_FLAT, _FLATTER, _MOSTLY = 0.45, 0.7, 0.5


def clear_shares(looks: Looks, person: list[Piece]) -> dict[int, float]:
    """Of each frame of a person: how much of the face is seen, 0 (it is none) to 1."""
    frames = {f: cells for piece in person for f, cells in looks.cells[piece.number].items()}
    order = sorted(frames)
    if len(order) < _LEAST:
        return dict.fromkeys(order, 1.0)
    skin = skin_cells()
    some = order[:: -(-len(order) // _MOST)]
    usual_cells = np.median([_normal(frames[f], skin)[0] for f in some], axis=0)
    contrast = max(1.0, float(np.median([_normal(frames[f], skin)[1] for f in some])))
    off = [_distance(frames[f], usual_cells, skin, contrast) for f in some]
    usual = np.maximum(np.median(off, axis=0), _CONTRAST / _OFF)
    return {f: _clear(frames[f], usual_cells, usual, skin, contrast) for f in order}


def _normal(cells: NDArray[np.uint8], skin: NDArray[np.bool_]) -> tuple[Cells, float]:
    """The cells less the face's own middle, whatever its light, and how much they differ."""
    values = cells.astype(np.float32)
    values = values - np.median(values[skin], axis=0)
    return values, float(values[skin].std())


def _distance(
    cells: NDArray[np.uint8], usual: Cells, skin: NDArray[np.bool_], contrast: float
) -> Cells:
    """How far each cell (12, 12) is off its usual colour, in units of the face's contrast."""
    off = np.abs(_normal(cells, skin)[0] - usual).max(axis=2) / contrast
    return np.asarray(off * skin, np.float32)


def _clear(
    cells: NDArray[np.uint8],
    usual_cells: Cells,
    usual: Cells,
    skin: NDArray[np.bool_],
    contrast: float,
) -> float:
    hidden = (_distance(cells, usual_cells, skin, contrast) > _OFF * usual) & skin
    # A cell alone is a wrinkle or a shadow.
    hidden &= cv2.blur(hidden.astype(np.float32), (3, 3)) > 0.3
    share = float(hidden.sum() / skin.sum())
    own = _normal(cells, skin)[1] / contrast
    if own < _FLAT or (own < _FLATTER and share > _MOSTLY):
        return 0.0
    return max(_LEFT, 1 - float(np.clip((share - _FEW) / (_MANY - _FEW), 0, 1)))
