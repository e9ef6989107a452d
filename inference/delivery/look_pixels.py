# SPDX-License-Identifier: GPL-3.0-or-later
"""The invisible mark in the skin: what is left when a file has lost everything else."""

from __future__ import annotations

from fractions import Fraction

from inference.delivery.found import ABSENT, BROKEN, MOVIES, PRESENT, Found, Target
from inference.delivery.look_metadata import read_all
from inference.errors import Cancelled, InputError
from inference.inputs import checked_rate
from inference.mark.detect import detect_mark
from inference.sidecar import known_placement

LAYER = "pixels"


def look(target: Target) -> Found:
    """The mark names a portrait; where the metadata names another, one of the two is not true."""
    movies = [path for path in target.files if path.suffix.lower() in MOVIES]
    pictures = [path for path in target.files if not path.name.startswith("matte")]
    path = (movies or pictures or target.files)[0]
    rate = None if path in movies else _rate(target)
    if path not in movies and len(target.files) < 2:
        return Found(LAYER, ABSENT, "not looked for: a mark is read over a second or more")
    try:
        seen = detect_mark(path, rate, target.progress, target.cancelled)
    except Cancelled:
        raise
    except InputError as error:
        return Found(LAYER, ABSENT, f"not looked for: {error}", {"looked_at": False})
    values: dict[str, object] = {"found": seen.found, "seconds": seen.seconds}
    if seen.payload is None:
        return Found(LAYER, ABSENT, f"no mark found in {seen.seconds} seconds of a face", values)
    values |= {"portrait": seen.digits, "others": [f"{other:08x}" for other in seen.others]}
    marked, _ = read_all(target)
    hashes = [facts["Portrait"] for facts in marked if "Portrait" in facts]
    named = {digest.removeprefix("sha256:")[:8] for digest in hashes}
    if named and seen.digits not in named:
        said = f"the mark names portrait {seen.digits}, the metadata {min(named)}"
        return Found(LAYER, BROKEN, said, values)
    where = "over all seconds together" if seen.whole else f"{seen.found} of {seen.seconds} seconds"
    return Found(LAYER, PRESENT, f"portrait {seen.digits}, in {where}", values)


def _rate(target: Target) -> Fraction | None:
    """What the folder's head.json says of numbered pictures; None: it says nothing."""
    rate = known_placement(target.folder).get("rate")
    try:
        return checked_rate(int(rate[0]), int(rate[1]))  # type: ignore[index]
    except (TypeError, ValueError, IndexError):
        return None
