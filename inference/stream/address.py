# SPDX-License-Identifier: GPL-3.0-or-later
"""Where live motion comes from and goes to, as a person writes it, and what is let in there.

Between machines a stream travels by TLS, and both ends show the same certificate; without one a
stream stays on this machine. Phones know no keys: their packets come in plain, at an address that
is named.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from inference.errors import InputError

LOOPBACK = "127.0.0.1"
# What makes a key, on any machine that has OpenSSL.
MAKE_KEY = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=likeness -keyout key.pem -out "
    "cert.pem && cat cert.pem >> key.pem"
)


@dataclass(frozen=True)
class Address:
    """kind: "tcp" or "udp"; host: a name or number; port: 0 to 65535, 0: any that is free."""

    kind: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Does nothing but this machine reach it?"""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """`tcp:HOST:PORT`, `udp:PORT` or `udp:HOST:PORT`. Raises InputError for anything else."""
    kind, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOOPBACK
    is_number = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536
    if kind not in ("tcp", "udp") or not is_number:
        raise InputError(
            f"'{text}' is no address; write tcp:HOST:PORT, udp:PORT or udp:HOST:PORT, with a port "
            "below 65536"
        )
    try:
        host.encode("idna")  # as every socket will
    except UnicodeError:
        raise InputError(f"'{text}': {host!r} is no name of a machine; check it") from None
    return Address(kind, host, int(port))


def tls_context(key: Path | None, address: Address, listens: bool) -> ssl.SSLContext | None:
    """How one end of a stream speaks TLS; None for plain sockets on this machine.

    key: a file that holds the private key and the certificate, the same at both ends.
    Raises InputError for a file that is none, and where a key is needed and none is given.
    """
    if key is None:
        if address.is_here:
            return None
        raise InputError(
            f"{address}: beyond this machine a stream needs a key; make one with `{MAKE_KEY}`, "
            "copy key.pem to both machines and name it with --key"
        )
    side = ssl.PROTOCOL_TLS_SERVER if listens else ssl.PROTOCOL_TLS_CLIENT
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate itself is what both know, not a name
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(key)
        context.load_verify_locations(key)
    except (OSError, ssl.SSLError):
        raise InputError(
            f"{key}: holds no private key with its certificate; make one with `{MAKE_KEY}`"
        ) from None
    return context
