# SPDX-License-Identifier: GPL-3.0-or-later
"""Every button once: each is an undo step, and each is in the file that is saved after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.scenes import BLENDERS, Scenario, steps_in

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("chain_inside.py")


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_every_step_is_undone_redone_saved_and_reopened(scenario: Scenario, footage: Path) -> None:
    facts = scenario("chain", second=footage / "sample" / "s_girl_pearl_earring_pd.jpg")
    assert facts["same"] == []  # every step changed something
    assert facts["undo"] == []
    assert facts["redo"] == []
    assert facts["reopen"] == []
    assert facts["then"].startswith("0 frames made, 4 kept")
