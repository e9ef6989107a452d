# SPDX-License-Identifier: GPL-3.0-or-later
"""Real drivers on real portraits: the portrait does what the driver does, and stays whole."""

from pathlib import Path

import numpy as np
import pytest

from export.evaluation.retargeting import FOLLOWED, compare, lip_gap, make_driver, parted, report
from inference.capture.capture import capture_footage
from inference.landmarks import interocular
from inference.performance.retargeting.resting import resting_face
from inference.portrait import open_portrait

PORTRAITS = ("s_mona_lisa_pd", "s_girl_pearl_earring_pd", "s_obama_official_pd")


@pytest.mark.footage
@pytest.mark.parametrize("clip", ["sample/s_obama_whitehouse_pd.mp4", "clips/v042_tv42_0.mp4"])
def test_portraits_follow_a_driver_and_stay_whole(footage: Path, clip: str) -> None:
    driver = make_driver(clip, capture_footage(footage / clip).track, every=3)
    pairs = []
    for name in PORTRAITS:
        points = open_portrait(footage / "sample" / f"{name}.jpg").points
        pairs.append(compare(driver, name, points, neutralize=parted(points)))
    for pair in pairs:
        moved = {key: value for key, value in pair.correlation.items() if not np.isnan(value)}
        assert {"mouth", "eyes"} <= set(moved)
        assert min(moved.values()) > 0.95, (pair.portrait, moved)
        assert pair.neutral < 0.005
        assert pair.folds == 0
        assert np.isnan(pair.lips) or pair.lips < 0.006
        assert np.isnan(pair.lids) or pair.lids < 0.015
    text = report(pairs)
    assert all(f"| {name}" in text for name in PORTRAITS)
    assert all(name in text for name in FOLLOWED)


@pytest.mark.footage
@pytest.mark.parametrize("name", ["s_mona_lisa_pd", "s_obama_official_pd"])
def test_the_own_expression_goes_and_the_person_stays(footage: Path, name: str) -> None:
    points = open_portrait(footage / "sample" / f"{name}.jpg").points
    rest = resting_face(points)
    unit = interocular(points)
    assert lip_gap(rest) < 0.006 * unit
    moved = np.linalg.norm((rest - points)[:468, :2], axis=1) / unit
    # Brows, lids, nose and forehead are nobody's smile.
    assert moved[[70, 300, 159, 386, 168, 4, 10]].max() < 0.01
    if name == "s_mona_lisa_pd":
        assert moved.max() < 0.03, "a mouth that is closed already has nothing to give"
    else:
        assert moved.max() > 0.1
