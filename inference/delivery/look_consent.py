# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the files name a consent record, and whether the one beside them is that one."""

from __future__ import annotations

from inference.consent import RECORD, read_consent
from inference.delivery.found import ABSENT, BROKEN, PRESENT, Found, Target
from inference.delivery.look_metadata import read_all
from inference.errors import InputError

LAYER = "consent"


def look(target: Target) -> Found:
    """The record is named by its id; whose it is stands in the record alone."""
    marked, _ = read_all(target)
    named = {facts["Consent"][:64] for facts in marked if facts.get("Consent", "none") != "none"}
    if not named:
        return Found(LAYER, ABSENT, "no consent is named")
    if len(named) > 1:
        return Found(LAYER, BROKEN, "the files do not all name the same consent record")
    (wanted,) = named
    path = target.folder / RECORD
    values: dict[str, object] = {"id": wanted, "record": path.is_file() and not path.is_symlink()}
    if not values["record"]:
        return Found(LAYER, PRESENT, f"record {wanted}; it does not lie beside the file", values)
    try:
        consent = read_consent(path)
    except InputError as error:
        return Found(LAYER, BROKEN, str(error), values)
    if consent.id != wanted:
        said = f"{path.name} is another record than the one that is named, or was edited"
        return Found(LAYER, BROKEN, said, values)
    values |= {"basis": consent.basis, "date": consent.date}
    return Found(LAYER, PRESENT, f"{consent.basis}, {consent.date}, record {wanted}", values)
