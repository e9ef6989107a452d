# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream's way from one process to another: who has the key, who has not, and what is in it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference.errors import InputError, LikenessError
from inference.stream import sockets
from inference.stream.address import Address, parse_address, tls_context
from inference.stream.packet import Encoder
from inference.stream.sockets import Caller, Listener, framed, hear_pipe
from tests.conftest import made_once

Heard = tuple[Listener, list[bytes]]


@pytest.fixture(scope="module")
def keys() -> tuple[Path, Path]:
    """Two keys, made as the advice says."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make keys with")

    def make(folder: Path) -> None:
        for name in ("key", "other"):
            made = subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                 "-subj", "/CN=likeness", "-keyout", f"{name}.pem", "-out", f"{name}.crt"],
                cwd=folder, capture_output=True, check=True,
            )  # fmt: skip
            assert made.returncode == 0
            with (folder / f"{name}.pem").open("ab") as file:
                file.write((folder / f"{name}.crt").read_bytes())

    folder = made_once("stream-keys", make)
    return folder / "key.pem", folder / "other.pem"


@contextlib.contextmanager
def hearing(kind: str, context: ssl.SSLContext | None = None) -> Iterator[Heard]:
    """A listener on a free port of this machine, and what it hears; its stop is quick."""
    listener = Listener(parse_address(f"{kind}:127.0.0.1:0"), context)
    heard: list[bytes] = []
    ends: list[bool] = []
    thread = threading.Thread(target=listener.hear, args=(heard.append, lambda: bool(ends)))
    thread.start()
    try:
        yield listener, heard
    finally:
        ends.append(True)
        begun = time.monotonic()
        thread.join(5)
        assert time.monotonic() - begun < 0.9
        assert not thread.is_alive()


def comes(what: Callable[[], object], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(what())


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_packets_travel_on_this_machine_in_plain(kind: str) -> None:
    with hearing(kind) as (listener, heard):
        caller = Caller(listener.address, None)
        packets = [Encoder(1, 2000, 25).encode(i, None) for i in range(5)]
        for packet in packets:
            caller.send(packet)
        assert comes(lambda: len(heard) == 5)
        assert heard == packets
        caller.close()


def test_who_has_the_key_is_heard_and_nobody_else(keys: tuple[Path, Path]) -> None:
    key, other = keys
    here = Address("tcp", "127.0.0.1", 0)
    with hearing("tcp", tls_context(key, here, listens=True)) as (listener, heard):
        packet = Encoder(1, 2000, 25).encode(0, None)
        with socket.create_connection(("127.0.0.1", listener.address.port)) as plain:
            plain.sendall(framed(packet) * 3)
            plain.settimeout(5)
            with contextlib.suppress(OSError):
                assert packet not in plain.recv(4096)  # nothing but an alert comes out
        with pytest.raises(LikenessError, match="another key"):
            stranger = Caller(listener.address, tls_context(other, here, listens=False))
            for _ in range(100):  # the refusal comes back some time after the handshake
                stranger.send(packet)
                time.sleep(0.01)
        nobody = ssl.create_default_context()
        nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
        with pytest.raises(LikenessError):  # encrypted, but without a certificate
            caller = Caller(listener.address, nobody)
            for _ in range(100):
                caller.send(packet)
                time.sleep(0.01)
        assert heard == []
        friend = Caller(listener.address, tls_context(key, here, listens=False))
        friend.send(packet)
        assert comes(lambda: heard == [packet])
        friend.close()
        assert listener.refused >= 3


def test_beyond_this_machine_a_key_is_wanted(tmp_path: Path) -> None:
    far = parse_address("tcp:192.0.2.7:9000")
    with pytest.raises(InputError, match="needs a key"):
        tls_context(None, far, listens=False)
    assert tls_context(None, parse_address("tcp:localhost:9000"), listens=False) is None
    (tmp_path / "no.pem").write_text("no key", encoding="utf-8")
    with pytest.raises(InputError, match="holds no private key"):
        tls_context(tmp_path / "no.pem", far, listens=True)


def test_other_bytes_end_a_connection_and_nothing_more() -> None:
    with hearing("tcp") as (listener, heard):
        with socket.create_connection(("127.0.0.1", listener.address.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n" + os.urandom(100_000))
        assert comes(lambda: listener.refused == 1)
        caller = Caller(listener.address, None)
        caller.send(b"x")
        assert comes(lambda: heard == [b"x"])
        caller.close()


def test_who_says_nothing_gives_its_place_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_SILENT", 0.5)
    packet = Encoder(1, 2000, 25).encode(0, None)
    with hearing("tcp") as (listener, heard), contextlib.ExitStack() as stack:
        friend = Caller(listener.address, None)
        stack.callback(friend.close)
        for _ in range(3):  # the last place that there is
            silent = socket.create_connection(("127.0.0.1", listener.address.port))
            stack.enter_context(silent)
        for _ in range(10):  # more than twice as long as anybody may say nothing
            friend.send(packet)
            time.sleep(0.12)
        assert comes(lambda: listener.refused == 3)
        other = Caller(listener.address, None)
        stack.callback(other.close)
        other.send(b"x")
        assert comes(lambda: b"x" in heard)
        assert heard.count(packet) == 10


def test_a_datagram_is_heard_whole_and_one_that_is_too_long_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = [OSError(errno.EMSGSIZE, "message too long")]  # as Windows says it
    whole = socket.socket.recv

    def recv(self: socket.socket, most: int, flags: int = 0) -> bytes:
        if refusals:
            raise refusals.pop()
        return whole(self, most, flags)

    monkeypatch.setattr(socket.socket, "recv", recv)
    phone = os.urandom(2700)  # so long is a VMC bundle of 52 coefficients
    with hearing("udp") as (listener, heard):
        caller = Caller(listener.address, None)
        caller.send(phone)
        assert comes(lambda: heard == [phone])
        caller.close()


def test_a_port_in_use_is_said_and_so_is_a_foreign_address() -> None:
    with (
        hearing("udp") as (listener, _),
        pytest.raises(InputError, match="another program listens"),
    ):
        Listener(listener.address, None)
    with pytest.raises(InputError, match="no address of this machine"):
        Listener(parse_address("udp:192.0.2.1:9000"), None)
    with pytest.raises(LikenessError, match="cannot be reached"):
        Caller(Address("tcp", "127.0.0.1", 1), None)


@pytest.mark.parametrize(
    "text", ["tcp:host", "udp:", "udp:99999", "tcp:h:-1", "http:a:80", "udp:x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no address"):
        parse_address(text)


@pytest.mark.parametrize("text", ["tcp:a..b:5", f"udp:{'x' * 64}:5"])
def test_what_no_machine_is_called_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no name of a machine"):
        parse_address(text)


def test_an_address_without_a_host_is_this_machine_alone() -> None:
    assert parse_address("udp:11111") == Address("udp", "127.0.0.1", 11111)
    assert parse_address("tcp:[::1]:5").is_here
    assert not parse_address("udp:0.0.0.0:11111").is_here


def test_a_pipe_carries_packets_and_refuses_others() -> None:
    read, write = os.pipe()
    heard: list[bytes] = []
    with os.fdopen(read, "rb") as source, os.fdopen(write, "wb", buffering=0) as out:
        out.write(framed(b"abc") + framed(b"d")[:2])
        out.write(framed(b"d")[2:])
        out.write(b"\xff\xff")
        with pytest.raises(InputError, match="no stream of packets"):
            hear_pipe(source, heard.append, lambda: False)
    assert heard == [b"abc", b"d"]
