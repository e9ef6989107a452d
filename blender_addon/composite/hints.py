# SPDX-License-Identifier: GPL-3.0-or-later
"""What rendering still needs, in words that fit into a line of the sidebar.

The panels show it beside a button that is switched off, so that nobody has to press it to learn it.
"" says that nothing is missing.
"""

from __future__ import annotations

import bpy

from ..animate.hints import for_frames
from ..portrait import portraits
from ..properties import LikenessPortrait


def for_output(scene: bpy.types.Scene, active: LikenessPortrait | None) -> str:
    """Why no frames may be rendered of the active portrait, None where there is none."""
    missing = portraits.consent_missing(active) if active is not None else ""
    return for_frames(scene) or (f"{missing}: see Portrait" if missing else "")
