# SPDX-License-Identifier: GPL-3.0-or-later
"""The sending end: a driver's moments, smoothed, as packets."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from inference.errors import InputError
from inference.live.driver import Driver, Moment
from inference.live.smoothing import STRENGTH, LiveSmoother
from inference.performance.face.canonical import canonical_face
from inference.stream.address import parse_address, tls_context
from inference.stream.packet import Encoder
from inference.stream.sockets import Caller, framed, session_number

RATE, FPS = 2000.0, 25.0
# While no face is seen the other end is told so at this pace.
_BEAT = 0.25  # seconds
# Without any picture for so long none is seen either: models are loaded, or the camera hangs.
_STALLS = 1.0  # seconds


class Out(Protocol):
    """Where packets go."""

    def send(self, packet: bytes) -> None:
        """Send one packet."""

    def close(self) -> None:
        """No more packets follow."""


class Pipe:
    """Packets on stdout."""

    def send(self, packet: bytes) -> None:
        sys.stdout.buffer.write(framed(packet))
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """The pipe ends with the program."""


def open_out(place: str, key: Path | None) -> Out:
    """The place that a person named. Raises InputError, or LikenessError where nobody listens."""
    if place == "-":
        return Pipe()
    address = parse_address(place)
    if address.kind == "udp" and not address.is_here:
        raise InputError(
            f"{address}: plain packets stay on this machine; send to tcp:HOST:PORT with --key"
        )
    context = tls_context(key, address, listens=False) if address.kind == "tcp" else None
    return Caller(address, context)


def send_all(
    driver: Driver,
    out: Out,
    rate: float = RATE,
    smooth: float = STRENGTH,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[int, int]:
    """Send until the driver ends or `stopped`; how many packets and bytes that were.

    rate: bytes a second at most, of packets, at FPS a second; a quicker camera's are thinned out.
    Raises InputError for a rate that is too low, and whatever the driver raised.
    """
    encoder = Encoder(session_number(), rate, FPS)
    smoother = LiveSmoother(smooth, smooth)
    begun, packets, sent = time.monotonic(), 0, 0
    due, beat, last = begun, begun, begun
    try:
        while not stopped():
            moment = driver.slot.take(0.05)
            now = time.monotonic()
            if moment is None:
                if driver.is_done:
                    break
                if now - last < _STALLS:
                    continue
                moment = Moment(now, None, canonical_face().mean)
            else:
                last = now
            state = moment.state
            if state is None:
                smoother.reset()
                if now < beat:
                    continue
                beat = now + _BEAT
            else:
                state = smoother(state)
                # A tenth of a frame early is no reason to leave one out.
                if moment.arrived < due - 0.1 / FPS:
                    continue
                due = max(due + 1 / FPS, moment.arrived)
            milliseconds = max(0, round(1000 * (moment.arrived - begun)))
            packet = encoder.encode(milliseconds, state)
            out.send(packet)
            packets, sent = packets + 1, sent + len(packet)
    finally:
        driver.stop()
        out.close()
    if driver.error is not None:
        raise driver.error
    return packets, sent
