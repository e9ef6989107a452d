# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand damaged files: each ends in success or in one line.

LIKENESS_HOSTILE_CASES makes it a shorter or a longer run; `python -m tests.hostile --cases 20000`
does the same without pytest, and reproduces a single case.
"""

from __future__ import annotations

import os

import pytest

from tests.hostile.families import FAMILIES
from tests.hostile.harness import run_cases

CASES = int(os.environ.get("LIKENESS_HOSTILE_CASES", "1000"))
SEED = 1


@pytest.mark.timeout(0)  # each case has a time of its own
def test_no_damaged_file_does_more_than_be_refused() -> None:
    outcome = run_cases(SEED, range(CASES))
    found = "\n\n".join(f"{number}: {text}" for number, text in outcome.findings.items())
    assert not outcome.findings, f"{len(outcome.findings)} of {CASES}:\n{found}"
    assert sum(outcome.counts.values()) == CASES
    if CASES >= 1000:
        assert set(outcome.counts) == {name for name, (weight, _) in FAMILIES.items() if weight}
