# SPDX-License-Identifier: GPL-3.0-or-later
"""C2PA manifests in files, through c2pa-python: written, and read without a network.

https://c2pa.org/specifications; the library is native, and absent where it was not installed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.delivery.certificate import MISSING, Certificate, own_chain, serial_of
from inference.errors import InputError, LikenessError
from inference.files import written_whole
from inference.inputs import check_file
from inference.provenance.facts import PROGRAM, SOURCE_TYPES, VERSION

TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".png": "image/png",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".tif": "image/tiff", ".tiff": "image/tiff",
    ".webp": "image/webp", ".avif": "image/avif", ".heic": "image/heic", ".heif": "image/heif",
}  # fmt: skip
_QUIET: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


@dataclass(frozen=True)
class Signed:
    """What a file's own manifest says. valid: nothing was changed since. here: signed on this
    machine. issuer: of the certificate, as it names itself. why: what is wrong, in codes.
    assertions: of the last signer's, by label.
    """

    valid: bool
    here: bool
    issuer: str
    why: tuple[str, ...]
    assertions: dict[str, Any]


def is_installed() -> bool:
    """Can manifests be read here?"""
    try:
        import c2pa  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return False
    return True


def read_signed(path: Path) -> Signed | None:
    """A file's manifest; None where there is none, or the kind of file holds none.

    Raises LikenessError without the library, InputError where the file cannot be read.
    """
    kind = TYPES.get(path.suffix.lower())
    if kind is None:
        return None
    check_file(path, "file")
    c2pa = _library()
    settings = dict(_QUIET)
    own = own_chain()
    if own:
        settings["trust"] = {"trust_anchors": own.decode("ascii", "replace")}
    try:
        with path.open("rb") as file:
            context = c2pa.Context(c2pa.Settings.from_dict(settings))
            reader = c2pa.Reader.try_create(kind, file, context=context)
            if reader is None:
                return None
            state, content = reader.get_validation_state(), json.loads(reader.json())
    except (c2pa.C2paError, ValueError) as error:
        return Signed(False, False, "", (type(error).__name__, str(error)[:200]), {})
    codes = tuple(str(status.get("code")) for status in content.get("validation_status") or ())
    active = content.get("manifests", {}).get(content.get("active_manifest"), {})
    signer = active.get("signature_info", {})
    issuer = str(signer.get("issuer", ""))[:100]
    said = {one.get("label"): one.get("data") for one in active.get("assertions", ())}
    # Whoever else has a certificate of the same issuer's is trusted too, and somebody else.
    serial = str(signer.get("cert_serial_number", ""))
    here = state == "Trusted" and bool(own) and bool(serial) and serial == serial_of(own or b"")
    return Signed(state in ("Valid", "Trusted"), here, issuer, codes, said)


@dataclass(frozen=True)
class Ingredient:
    """What an output was made from. role: "portrait" or "driver"."""

    path: Path
    role: str


def write_signed(
    source: Path,
    out: Path,
    certificate: Certificate,
    source_type: str,
    actions: list[dict[str, Any]],
    assertions: dict[str, Any],
    ingredients: list[Ingredient],
) -> None:
    """Write `source` with a manifest to `out`; one that it has already becomes its parent.

    source_type: one of IPTC's, its last part. Raises LikenessError where it cannot be signed.
    """
    c2pa = _library()
    kind = TYPES[source.suffix.lower()]
    manifest = {
        "claim_generator_info": [{"name": PROGRAM, "version": VERSION}],
        "title": out.name,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            *({"label": label, "data": data} for label, data in assertions.items()),
        ],
    }
    settings = {**_QUIET, "builder": {"thumbnail": {"enabled": False}}}
    chained = read_signed(source) is not None
    if not chained:
        made = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + source_type}
        actions.insert(0, made)
    try:
        info = c2pa.C2paSignerInfo(b"es256", certificate.chain, certificate.key, None)
        context = c2pa.Context(c2pa.Settings.from_dict(settings), c2pa.Signer.from_info(info))
        with written_whole(out) as part:
            builder = c2pa.Builder(manifest, context)
            if chained:
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            for ingredient in ingredients:
                about = {
                    "title": ingredient.role,
                    "relationship": "componentOf",
                    "label": ingredient.role,
                }
                with ingredient.path.open("rb") as file:
                    builder.add_ingredient(about, TYPES[ingredient.path.suffix.lower()], file)
            with source.open("rb") as file, part.open("w+b") as signed:
                builder.sign(kind, file, signed)
    except c2pa.C2paError as error:
        raise LikenessError(f"{source}: could not be signed ({error})") from None


def _library() -> Any:
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError):
        raise LikenessError(MISSING) from None
    return c2pa


def check_signable(path: Path) -> None:
    """Raises InputError for a kind of file that no manifest fits into."""
    if path.suffix.lower() not in TYPES:
        raise InputError(
            f"{path}: this kind of file cannot hold a signature; sign an MP4 or MOV movie, a PNG, "
            "or a folder of frames"
        )
