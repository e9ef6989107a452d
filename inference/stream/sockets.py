# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets over sockets and pipes. In a byte stream each has its length before it, two bytes.

Whoever listens is bound to the named address alone. Every wait is short, so that a stop is heard.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

from inference.errors import InputError, LikenessError
from inference.stream.address import Address
from inference.stream.packet import LONGEST

Take = Callable[[bytes], None]
Stopped = Callable[[], bool]

_LENGTH = struct.Struct(">H")
_WAIT = 0.2  # seconds
_HANDSHAKE = 3.0  # seconds
_CONNECT = 5.0  # seconds
_MOST_CALLERS = 4  # at once
_DATAGRAM = 65535  # bytes; no datagram is longer
_SILENT = 5.0  # seconds without a packet, after which a caller is not heard any more


class ByteStream:
    """Finds the packets in a stream of bytes. is_broken: what follows is none."""

    def __init__(self) -> None:
        self._rest = b""
        self.is_broken = False

    def packets(self, data: bytes) -> list[bytes]:
        """The packets that are whole now."""
        self._rest += data
        found: list[bytes] = []
        while len(self._rest) >= _LENGTH.size and not self.is_broken:
            (length,) = _LENGTH.unpack_from(self._rest)
            if not 0 < length <= LONGEST:
                self.is_broken = True
                break
            if len(self._rest) < _LENGTH.size + length:
                break
            found.append(self._rest[_LENGTH.size : _LENGTH.size + length])
            self._rest = self._rest[_LENGTH.size + length :]
        return found


def framed(packet: bytes) -> bytes:
    """A packet as it lies in a stream of bytes."""
    return _LENGTH.pack(len(packet)) + packet


class Listener:
    """A bound socket that hears packets; `address` is the one it got."""

    def __init__(self, address: Address, context: ssl.SSLContext | None) -> None:
        """Raises InputError where the address is taken, or none of this machine."""
        kind = socket.SOCK_STREAM if address.kind == "tcp" else socket.SOCK_DGRAM
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._socket = socket.socket(family, kind)
        self._context = context
        try:
            if kind == socket.SOCK_STREAM and os.name != "nt":
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((address.host, address.port))
            if kind == socket.SOCK_STREAM:
                self._socket.listen(_MOST_CALLERS)
        except OSError as error:
            self._socket.close()
            raise _bind_error(error, address) from None
        self._socket.settimeout(_WAIT)
        self.address = Address(address.kind, address.host, self._socket.getsockname()[1])
        self.refused = 0

    def hear(self, take: Take, stopped: Stopped) -> None:
        """Give every packet to `take`, from threads of its own, until `stopped`."""
        with contextlib.closing(self._socket):
            if self.address.kind == "udp":
                self._hear_datagrams(take, stopped)
            else:
                self._hear_callers(take, stopped)

    def _hear_datagrams(self, take: Take, stopped: Stopped) -> None:
        while not stopped():
            try:
                data = self._socket.recv(_DATAGRAM)
            except (TimeoutError, ConnectionError):  # the latter of a sender that is gone
                continue
            except OSError as error:
                if error.errno != errno.EMSGSIZE:  # Windows: of a datagram that is too long
                    raise
                continue
            take(data)

    def _hear_callers(self, take: Take, stopped: Stopped) -> None:
        lock = threading.Lock()

        def take_one(data: bytes) -> None:
            with lock:
                take(data)

        callers: list[threading.Thread] = []
        while not stopped():
            try:
                caller, _ = self._socket.accept()
            except (TimeoutError, OSError):
                continue
            callers = [thread for thread in callers if thread.is_alive()]
            if len(callers) >= _MOST_CALLERS:
                caller.close()
                self.refused += 1
                continue
            thread = threading.Thread(
                target=self._hear_one, args=(caller, take_one, stopped), daemon=True
            )
            thread.start()
            callers.append(thread)
        for thread in callers:
            thread.join(2 * _WAIT)

    def _hear_one(self, caller: socket.socket, take: Take, stopped: Stopped) -> None:
        with caller:
            try:
                caller.settimeout(_HANDSHAKE)
                if self._context is not None:
                    caller = self._context.wrap_socket(caller, server_side=True)
            except (OSError, ValueError):  # who has no key
                self.refused += 1
                return
            with caller:
                caller.settimeout(_WAIT)
                found, heard = ByteStream(), time.monotonic()
                while not stopped():
                    if time.monotonic() - heard > _SILENT:  # its place is wanted by others
                        self.refused += 1
                        return
                    try:
                        data = caller.recv(1 << 14)
                        if not data:
                            return
                    except TimeoutError:
                        continue
                    except OSError:  # with TLS 1.3 a refusal may come as late as here
                        self.refused += 1
                        return
                    for packet in found.packets(data):
                        heard = time.monotonic()
                        take(packet)
                    if found.is_broken:
                        self.refused += 1
                        return


class Caller:
    """The sending end of a stream."""

    def __init__(self, address: Address, context: ssl.SSLContext | None) -> None:
        """Raises LikenessError where nobody listens, or who does has another key."""
        self._address = address
        try:
            if address.kind == "udp":
                family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
                self._socket = socket.socket(family, socket.SOCK_DGRAM)
                self._socket.connect((address.host, address.port))
                return
            plain = socket.create_connection((address.host, address.port), _CONNECT)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = context.wrap_socket(plain) if context else plain
        except ssl.SSLError:
            raise LikenessError(
                f"{address}: who listens there has another key, or none; give both ends the same"
            ) from None
        except OSError as error:
            raise LikenessError(
                f"{address}: cannot be reached ({error.strerror or error}); start `live --from` "
                "there first"
            ) from None

    def send(self, packet: bytes) -> None:
        """Raises LikenessError when the other end is gone."""
        try:
            if self._address.kind == "udp":
                with contextlib.suppress(ConnectionRefusedError):  # nobody listens yet
                    self._socket.send(packet)
            else:
                self._socket.sendall(framed(packet))
        except OSError:
            raise LikenessError(
                f"{self._address}: the other end is gone, or has another key; start it again"
            ) from None

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def hear_pipe(source: BinaryIO, take: Take, stopped: Stopped) -> None:
    """Give every packet of a pipe to `take` until it ends. Raises InputError for other bytes."""
    found = ByteStream()
    handle = source.fileno()
    while not stopped():
        if sys.platform != "win32" and not select.select([handle], [], [], _WAIT)[0]:
            continue
        data = os.read(handle, 1 << 14)
        if not data:
            return
        for packet in found.packets(data):
            take(packet)
        if found.is_broken:
            raise InputError("what comes in is no stream of packets; pipe `send --to -` into it")


def _bind_error(error: OSError, address: Address) -> InputError:
    if error.errno == errno.EADDRINUSE:
        return InputError(f"{address}: another program listens there; choose another port")
    if error.errno in (errno.EACCES, errno.EPERM):
        return InputError(f"{address}: this port is not for everybody; choose one above 1023")
    return InputError(
        f"{address}: is no address of this machine ({error.strerror or error}); name one of its own"
    )


def session_number() -> int:
    """A number that is another one whenever a sender begins."""
    return int.from_bytes(os.urandom(2), "big") ^ int(time.time()) & 0xFFFF
