# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m blender_addon.compose` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from tests.blender.processes import ROOT


def compose(*arguments: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """Runs it with these arguments in this environment's Blender, 5.0."""
    python = os.environ.get("LIKENESS_PYTHON", sys.executable)  # named where another Blender is
    return subprocess.run(
        [python, "-m", "blender_addon.compose", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **how,
    )
