# SPDX-License-Identifier: GPL-3.0-or-later
"""Who signed a file, or the contact sheet that speaks for a folder, and whether it was changed."""

from __future__ import annotations

from pathlib import Path

from inference.delivery.c2pa_files import TYPES, Signed, is_installed, read_signed
from inference.delivery.found import (
    ABSENT,
    BROKEN,
    CREDENTIALS,
    MOVIES,
    PRESENT,
    Found,
    Target,
)
from inference.delivery.sign import FRAMES, changed_files

LAYER = "signature"
_MOST = 100  # movies of a folder that are looked at


def look(target: Target) -> Found:
    """A signature tells who vouches, and that nothing was changed since; not that it is true."""
    if not is_installed():
        said = "not looked at: c2pa-python is not installed"
        return Found(LAYER, ABSENT, said, {"looked_at": False})
    sheet = target.folder / CREDENTIALS
    if target.path.is_dir() and sheet.is_file() and not sheet.is_symlink():
        return _folder(target, sheet)
    paths = [p for p in target.files if not target.path.is_dir() or p.suffix.lower() in MOVIES]
    found = [(path, read_signed(path)) for path in paths[:_MOST] if path.suffix.lower() in TYPES]
    signed = [(path, one) for path, one in found if one is not None]
    if not signed:
        return Found(LAYER, ABSENT, "not signed")
    wrong = [(path, one) for path, one in signed if not one.valid]
    if wrong:
        return _broken(*wrong[0])
    values: dict[str, object] = {
        "signed": len(signed), "of": len(found), "here": all(one.here for _, one in signed),
        "issuer": signed[0][1].issuer,
    }  # fmt: skip
    said = _who(signed[0][1]) + (f"; {len(signed)} of {len(found)}" if len(found) > 1 else "")
    return Found(LAYER, PRESENT, said, values)


def _folder(target: Target, sheet: Path) -> Found:
    signed = read_signed(sheet)
    if signed is None:
        return Found(LAYER, ABSENT, f"{CREDENTIALS} is not signed")
    if not signed.valid:
        return _broken(sheet, signed)
    try:
        changed, count = changed_files(target.folder, signed.assertions.get(FRAMES))
    except ValueError as error:
        return Found(LAYER, BROKEN, f"{CREDENTIALS}: {error}")
    values: dict[str, object] = {"here": signed.here, "issuer": signed.issuer, "of": count}
    if changed:
        said = f"{len(changed)} of {count} files were changed or are gone, such as {changed[0]}"
        return Found(LAYER, BROKEN, said, values | {"changed": len(changed)})
    more = len(target.files) - count
    said = f"{_who(signed)}; {count} files are as they were" + (
        f", {more} more are not spoken of" if more > 0 else ""
    )
    return Found(LAYER, PRESENT, said, values)


def _who(signed: Signed) -> str:
    return "made on this machine" if signed.here else f"signed, signer unknown: {signed.issuer}"


def _broken(path: Path, signed: Signed) -> Found:
    why = ", ".join(signed.why) or "not valid"
    return Found(LAYER, BROKEN, f"{path.name} was changed after it was signed ({why})")
