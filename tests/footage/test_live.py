# SPDX-License-Identifier: GPL-3.0-or-later
"""Live, from end to end: a clip as camera drives a portrait here, and from another process."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError
from inference.live.chain import Live, Pixels
from inference.live.driver import Driver, From, Wishes
from inference.live.performer import LiveClock, Performer, Performing
from inference.live.recording import Recorder
from inference.live.shows import FRAMES
from inference.outputs import claim_folder
from inference.performance.face.canonical import canonical_face
from inference.performance.face.neutral import find_neutral
from inference.stream.packet import Encoder
from inference.stream.sockets import framed
from inference.stream.state import RestingFace, at_rest
from inference.track import load_track
from tests.conftest import ROOT, RunCli
from tests.unit.test_live_phone import livelink

pytestmark = pytest.mark.footage

CLIP = "sample/s_grid_female_ccby4.mp4"


class Watched:
    """Keeps the pictures that are shown, made small."""

    def __init__(self) -> None:
        self.pictures: list[Pixels] = []
        self.delays: list[float] = []

    def show(self, picture: Pixels, _seconds: float, delay: float) -> bool:
        self.pictures.append(np.asarray(cv2.resize(picture, (128, 128)), np.uint8))
        self.delays.append(delay)
        return True

    def is_wanted(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to end."""


@pytest.fixture(scope="module")
def performer() -> Performer:
    return Performer(Performing(PORTRAIT, crop=160))


def stir(pictures: list[Pixels]) -> float:
    """How much the pictures differ from the first one, at most."""
    first = pictures[0].astype(np.float32)
    return max(float(np.abs(picture - first).mean()) for picture in pictures)


def test_a_clip_as_camera_moves_the_portrait_and_becomes_a_take(
    footage: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    out, take = tmp_path / "shown.mp4", tmp_path / "take.track.npz"
    done = run_cli(
        "live", "--portrait", PORTRAIT, "--from", footage / CLIP, "--to", out, "--crop", 160,
        "--record", take, "--figures",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert "frames shown" in done.stderr
    with av.open(str(out)) as container:
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(pictures) >= 3
    assert stir(pictures) > 0.3
    track = load_track(take)
    assert track.rate == 30
    seconds = len(track) / 30
    assert 0.5 < seconds < 2.6  # the clip has three, of which the first finds the neutral
    assert track.valid.mean() > 0.9
    again = run_cli("live", "--portrait", PORTRAIT, "--from", footage / CLIP, "--to", out)
    assert again.code == 2
    assert "is there already" in again.stderr


def test_a_run_that_fails_keeps_what_was_performed(
    tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    performed = load_track(TRACK)
    face, encoder = RestingFace(find_neutral(performed)), Encoder(1, 4000, 25)
    read, write = os.pipe()

    def send() -> None:
        with os.fdopen(write, "wb", buffering=0) as out:
            for i in range(200):
                state = face.state(i / 25, performed.points[i % 50])
                try:
                    out.write(framed(encoder.encode(40 * i, state)))
                except BrokenPipeError:  # nobody reads any more
                    return
                time.sleep(0.04)

    shown, take = tmp_path / "shown", tmp_path / "take.track.npz"
    claim_folder(shown, FRAMES)
    (shown / "frame_000004.png").mkdir()  # here the run must end
    with os.fdopen(read, encoding="utf-8") as pipe:
        threading.Thread(target=send, daemon=True).start()
        monkeypatch.setattr(sys, "stdin", pipe)
        done = run_cli(
            "live", "--portrait", PORTRAIT, "--from", "-", "--to", f"frames:{shown}", "--crop", 160,
            "--record", take,
        )  # fmt: skip
    assert done.code == 2
    assert "frame_000004.png" in done.error_lines[-1]
    assert len(load_track(take)) > 2
    assert len(list(shown.glob("*.png"))) == 5


def test_live_pictures_pay_for_no_mark(
    performer: Performer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.render.add_mark", None)  # fails when it is called
    performer.draw(performer.target(canonical_face().mean, at_rest(0)), LiveClock())


def test_another_process_sends_and_the_portrait_here_moves(
    footage: Path, performer: Performer
) -> None:
    wishes, watched = Wishes(), Watched()
    driver = Driver(From("tcp:127.0.0.1:0"), wishes)
    sender = subprocess.Popen(
        [sys.executable, "-m", "inference", "send", "--from", str(footage / CLIP), "--to",
         str(driver.address)],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    recorder = Recorder()
    live = Live(driver, performer, wishes, recorder=recorder)
    begun: list[float] = []

    def stopped() -> bool:
        if sender.poll() is not None and not begun:
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() - begun[0] > 0.5

    live.run(watched, stopped)
    said = sender.stderr.read() if sender.stderr else ""
    assert sender.returncode == 0, said
    rate = float(said.splitlines()[-1].split()[2])
    assert 50 < rate <= 2000
    assert driver.receiver is not None
    counts = driver.receiver.counts
    assert counts.received > 5
    assert counts.malformed == counts.lost == 0
    assert stir(watched.pictures) > 0.3
    assert len(recorder) > 2


def test_a_phone_moves_the_portrait_until_it_is_gone(performer: Performer) -> None:
    import socket

    wishes, watched = Wishes(), Watched()
    driver = Driver(From("udp:127.0.0.1:0"), wishes)
    assert driver.address is not None
    ends = threading.Event()
    address = driver.address

    def phone() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.connect((address.host, address.port))
            for i in range(24):
                out.send(livelink({"JawOpen": min(1.0, i / 12), "HeadYaw": 0.2}))
                out.send(b"\x06" + struct.pack(">I", 9) + b"broken")
                time.sleep(0.03)
        ends.set()

    threading.Thread(target=phone, daemon=True).start()
    live = Live(driver, performer, wishes)
    begun = time.monotonic()

    rest = performer.draw(performer.target(canonical_face().mean, at_rest(0)), LiveClock())
    rest = np.asarray(cv2.resize(rest, (128, 128)), np.uint8)

    def away() -> float:
        return float(np.abs(watched.pictures[-1] - rest.astype(np.float32)).mean())

    def stopped() -> bool:
        moved = ends.is_set() and stir(watched.pictures) > 1
        return (moved and away() < 0.1) or time.monotonic() - begun > 30

    live.run(watched, stopped)
    assert driver.receiver is not None
    assert driver.receiver.counts.malformed >= 20
    assert stir(watched.pictures) > 1
    # When it is gone the portrait is at rest.
    assert away() < 0.1
    assert np.isnan(watched.delays[-1])


def test_a_stop_is_heard_within_half_a_second(footage: Path, performer: Performer) -> None:
    wishes, watched = Wishes(), Watched()
    driver = Driver(From(str(footage / CLIP), again=True), wishes)
    live = Live(driver, performer, wishes)
    asked: list[float] = []

    def stopped() -> bool:
        if len(watched.pictures) > 2 and not asked:
            asked.append(time.monotonic())
        return bool(asked)

    live.run(watched, stopped)
    assert time.monotonic() - asked[0] < 3  # half a second on a machine that is not busy
    assert driver.is_done


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("camera:97", "there is none, or another program uses it"),
        ("camera:x", "is no camera"),
        ("nothing.mp4", "nothing.mp4"),
        ("udp:70000", "is no address"),
        ("tcp:192.0.2.5:9000", "needs a key"),
    ],
)
def test_what_cannot_drive_is_one_clear_line(place: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Driver(From(place), Wishes())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--to", "somewhere"), "is no place for live pictures"),
        (("--to", "virtualcam"), "virtual camera"),
        (("--to", "window"), "there is no screen"),
        (("--record", "take.npz"), "a track's name ends in"),
        (("--smooth", "3"), "choose from 0 to 1"),
    ],
)
def test_where_nothing_can_be_shown_is_one_clear_line(
    options: tuple[str, str], words: str, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    done = run_cli("live", "--portrait", PORTRAIT, "--from", "udp:0", "--crop", 160, *options)
    assert done.code == 2
    assert words in done.error_lines[-1]
