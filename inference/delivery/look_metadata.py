# SPDX-License-Identifier: GPL-3.0-or-later
"""The layer that every file has: XMP, in which it says what it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from inference.delivery.found import ABSENT, BROKEN, PRESENT, Found, Target
from inference.provenance.facts import COMPOSITE, GENERATED, SOURCE_TYPES, parse_packet
from inference.provenance.xmp import find_xmp

LAYER = "metadata"
_LONGEST = 300  # characters of a value that is shown; it may come from anybody


def look(target: Target) -> Found:
    """Which files say that a trained algorithm made them, or a part of them."""
    marked, broken = read_all(target)
    total = len(target.files)
    if broken:
        path, why = broken[0]
        said = f"{len(broken)} of {total} broken, the first is {path.name}: {why}"
        return Found(LAYER, BROKEN, said, {"broken": len(broken), "of": total})
    if not marked:
        return Found(LAYER, ABSENT, "no mark found", {"marked": 0, "of": total})
    names = ("DigitalSourceType", "CreatorTool", "Portrait", "Model", "Consent", "Preview")
    values: dict[str, object] = {"marked": len(marked), "of": total}
    for name in names:
        counted = Counter(facts[name][:_LONGEST] for facts in marked if facts.get(name))
        if counted:
            values[name] = counted.most_common(1)[0][0]
            if len(counted) > 1:
                values[f"{name} differs"] = True
    kind = str(values["DigitalSourceType"]).removeprefix(SOURCE_TYPES)
    said = f"{len(marked)} of {total}" if total > 1 else "marked"
    said += f": {kind}, by {values.get('CreatorTool', 'a program that is not named')}"
    if any(facts.get("Preview") == "True" for facts in marked):
        said += "; a preview"
    return Found(LAYER, PRESENT, said, values)


def read_all(target: Target) -> tuple[list[dict[str, str]], list[tuple[Path, str]]]:
    """What the files say that are marked; and those whose mark or structure is broken, and why."""
    marked, broken = [], []
    for path in target.files:
        try:
            packet = find_xmp(path)
            said = parse_packet(packet) if packet else {}
        except ValueError as error:
            broken.append((path, str(error)))
            continue
        if said.get("DigitalSourceType", "").removeprefix(SOURCE_TYPES) in (COMPOSITE, GENERATED):
            marked.append(said)
    return marked, broken
