# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that this machine signs with: a studio's own, or one that is made on first use.

It is made without a network: a root of this machine's own and a certificate that it issues. Others
see a valid signature of somebody whom they do not know. The key can be read by its owner alone, and
lies in the user's folder for settings, never beside an output.
"""

from __future__ import annotations

import datetime
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from inference.errors import InputError, LikenessError
from inference.files import write_whole
from inference.inputs import read_bytes

FOLDER_VARIABLE = "LIKENESS_SIGNING"  # names another folder
KEY, CHAIN = "signing.key", "signing.pem"
_LARGEST = 1 << 20  # bytes
_YEARS = 5
MISSING = (
    "signing needs the packages c2pa-python and cryptography, which are not in this environment; "
    "run build.py demo, or install both"
)


@dataclass(frozen=True)
class Certificate:
    """PEM each. chain: the signer's certificate, then its issuers'."""

    key: bytes
    chain: bytes


def settings_folder() -> Path:
    """Where the certificate lies, in LIKENESS_SIGNING or in the system's place for settings."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home()) / "Likeness" / "signing"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Likeness" / "signing"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "likeness/signing"


def own_certificate() -> Certificate:
    """This machine's certificate, made where there is none yet.

    A studio's own takes its place: `signing.pem`, the chain, and `signing.key` in the folder.
    Raises InputError for a key that others can read, LikenessError without the packages.
    """
    folder = settings_folder()
    if not (folder / KEY).exists():
        _make(folder)
    if os.name == "posix" and (folder / KEY).stat().st_mode & 0o077:
        raise InputError(f"{folder / KEY}: others can read this key; run: chmod 600 {folder / KEY}")
    key, chain = (_read(folder / name) for name in (KEY, CHAIN))
    return Certificate(key, chain)


def own_chain() -> bytes | None:
    """This machine's certificate and its issuers', PEM; None where nothing was signed here yet."""
    path = settings_folder() / CHAIN
    return _read(path) if path.is_file() else None


def serial_of(chain: bytes) -> str:
    """The serial number of a chain's first certificate; "" where it is none, or the package is not
    there.
    """
    try:
        from cryptography import x509

        return str(x509.load_pem_x509_certificate(chain).serial_number)
    except (ImportError, ValueError):
        return ""


def _read(path: Path) -> bytes:
    return read_bytes(
        path, "certificate", "remove the others beside it to have them made", _LARGEST
    )


def _make(folder: Path) -> None:
    if (folder / CHAIN).exists():
        raise InputError(
            f"{folder / CHAIN}: its key is missing; put it beside it as {KEY}, or move the "
            "certificate away to have one made"
        )
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError:
        raise LikenessError(MISSING) from None

    def name(text: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Likeness on this machine"),
                x509.NameAttribute(NameOID.COMMON_NAME, text),
            ]
        )

    def usage(signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not signs, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=signs, crl_sign=signs,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip

    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    ends = now + datetime.timedelta(days=365 * _YEARS)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(subject: str, public: ec.EllipticCurvePublicKey, is_root: bool) -> bytes:
        built = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("root"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(usage(is_root), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
                critical=False,
            )
        )
        if not is_root:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            built = built.add_extension(purpose, critical=False)
        signed = built.sign(root_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    root = certificate("root", root_key.public_key(), True)
    signer = certificate("signer", key.public_key(), False)
    # The root's own key is forgotten here: nobody can issue a second certificate with it.
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The key goes first: of two first runs at once one ends here, and no two are ever mixed.
    _write_secret(folder / KEY, secret)
    write_whole(folder / CHAIN, signer + root)


def _write_secret(path: Path, data: bytes) -> None:
    """Never readable by others, not even for a moment; nothing that is there is replaced."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(f"{path}: another run has just made it; sign again") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
