# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames look as they did, or the version of the pixels says that they do not."""

from __future__ import annotations

import numpy as np
import pytest

from inference.sidecar import PIXELS_VERSION
from tests.golden.cases import CASES, Case, differs, golden, made, stored_version


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_frame_looks_as_it_did(case: Case) -> None:
    difference = differs(made(case), golden(case))
    assert difference is None, (
        f"{case.name}: {difference}. If that is not meant, undo it. If it is: raise PIXELS_VERSION "
        "in inference/sidecar.py, so that frames on artists' disks are made again, run "
        "`python -m tests.golden`, look at the new pictures and commit them"
    )


def test_the_golden_frames_are_of_this_version_of_the_pixels() -> None:
    assert stored_version() == PIXELS_VERSION


def test_a_change_that_is_seen_is_noticed() -> None:
    rgb, alpha = kept = golden(CASES[0]) or pytest.fail("no golden frame")
    assert differs(kept, kept) is None
    assert differs((np.roll(rgb, 1, axis=1), alpha), kept) is not None
    brighter = np.clip(rgb.astype(int) + 2, 0, 255).astype(np.uint8)
    assert differs((brighter, alpha), kept) is not None
