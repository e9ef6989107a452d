# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several pictures may show somebody else than the others do."""

from __future__ import annotations

from collections.abc import Sequence

from inference.capture.appearance import Features, alike

# A picture that is less like every other one than this may be somebody else's. Of 280 frames of 70
# people none was to the other frames of its own clip, and three of four were to somebody else's.
# Other light, another decade or a beard may do the same: so it is said, and not refused.
_STRANGE = 0.12


def strangers(names: Sequence[str], seen: Sequence[Features]) -> list[str]:
    """What to say of them; nothing where all look like one person.

    names, seen: of each picture, the leading one first.
    """
    likeness = [
        max((alike(one, other) for other in seen if other is not one), default=1.0) for one in seen
    ]
    odd = [index for index, most in enumerate(likeness) if most < _STRANGE]
    if len(odd) == len(seen) or (odd and len(seen) == 2):
        odd = odd[1:]  # which of them is the odd one, nobody knows: the leading one rules
    return [f"{names[i]} may show another person than the other pictures: check it" for i in odd]
