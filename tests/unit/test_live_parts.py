# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a live run: smoothing, coming and going, recording, figures, what is dropped."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import av
import numpy as np
import pytest

from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError
from inference.live import sending
from inference.live.chain import Figures, Shown
from inference.live.driver import Driver, From, Wishes
from inference.live.figures import figures_table
from inference.live.presence import Presence
from inference.live.recording import Recorder
from inference.live.shows import Movie
from inference.live.slot import Slot
from inference.live.smoothing import LiveSmoother
from inference.performance.face.canonical import canonical_face
from inference.performance.face.neutral import find_neutral
from inference.performance.taking.livelink_map import COEFFICIENTS
from inference.stream.packet import decode
from inference.stream.state import FaceState, RestingFace, at_rest
from inference.track import load_track
from tests.conftest import RunCli


@pytest.fixture(scope="module")
def states() -> list[FaceState]:
    track = load_track(TRACK)
    face = RestingFace(find_neutral(track))
    return [face.state(i / 25, track.points[i]) for i in range(60)]


def jitter(curves: list[np.ndarray]) -> float:
    return float(np.sqrt((np.diff(np.stack(curves), 2, axis=0) ** 2).mean()))


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_a_live_face_is_calmer_state_by_state(states: list[FaceState], ahead: int) -> None:
    live = LiveSmoother(1, 1, look_ahead=ahead)
    after = [live(state) for state in states]
    assert after[0] is not states[0]
    np.testing.assert_array_equal(after[0].change, states[0].change)
    assert [round(s.seconds * 25) for s in after[ahead:]] == list(range(60 - ahead))
    after, before = after[ahead:], states[: 60 - ahead]
    assert jitter([s.change for s in after]) < 0.92 * jitter([s.change for s in before])
    if not ahead:  # this head nods fast: looking ahead, it is nearer to what was seen
        assert jitter([s.pose for s in after]) < 0.97 * jitter([s.pose for s in before])


def test_a_gap_ends_the_past(states: list[FaceState]) -> None:
    live = LiveSmoother(1, 1)
    live(states[0])
    live.reset()
    np.testing.assert_array_equal(live(states[50]).change, states[50].change)


def test_looking_far_ahead_is_refused() -> None:
    with pytest.raises(InputError, match="from 0 to 2"):
        LiveSmoother(look_ahead=3)


def test_a_face_that_is_gone_eases_to_rest_and_back(states: list[FaceState]) -> None:
    presence = Presence()
    way = [_size(presence(states[30], now / 25)) for now in range(25)]
    assert way[0] == 0
    assert way[-1] == _size(states[30])
    way = [_size(presence(None, 1 + now / 25)) for now in range(50)]
    assert way[5] == _size(states[30])  # a short loss is nothing
    assert way[-1] == 0
    assert max(-np.diff(way)) < 0.12 * way[0]  # no jump
    assert not presence.is_moving
    way = [_size(presence(states[30], 3 + now / 25)) for now in range(20)]
    assert way[0] < 0.3 * way[-1]
    assert way[-1] == _size(states[30])


def test_who_idles_blinks_and_breathes() -> None:
    presence = Presence(idle=True)
    shown = [presence(None, now / 25) for now in range(25 * 20)]
    lids = np.array([state.change[159, 1] for state in shown])  # an upper lid's middle
    blinks = int(((lids[1:] > 0.03) & (lids[:-1] <= 0.03)).sum())
    assert 3 <= blinks <= 8
    assert 0.01 < np.ptp([state.pose[4] for state in shown]) < 0.05


def test_a_recording_holds_what_was_shown_when() -> None:
    recorder, neutral = Recorder(), canonical_face().mean
    times = [0.0, 0.04, 0.08, 0.12, 0.61, 0.65, 0.69]  # a pause
    for seconds in times:
        pose = np.array([0, 0, 0, seconds, 0, 0, 0])
        recorder.add(FaceState(seconds, pose, at_rest(0).change), neutral)
    track = recorder.track("live")
    assert len(track) == 21
    assert not track.valid[6:17].any()
    assert track.valid[:4].all()
    assert track.valid[-2:].all()
    moved = track.points[track.valid][:, 0, 0] - track.points[0, 0, 0]
    expected = 190 * np.flatnonzero(track.valid) / 30
    np.testing.assert_allclose(moved, expected, atol=4)


def test_a_sender_that_begins_again_is_recorded_after_the_one_before() -> None:
    recorder, neutral = Recorder(), canonical_face().mean
    for seconds in [0.0, 0.1, 0.2, 0.3, 0.0, 0.1, 0.1, 0.2, 0.0, 0.1]:
        recorder.add(at_rest(seconds), neutral)
    track = recorder.track("live")
    assert len(recorder) == 9  # what is shown twice counts once
    assert 1 + np.count_nonzero(np.diff(track.valid.astype(int)) == 1) == 3  # of three senders
    assert len(track) == pytest.approx(30 * (0.3 + 1 + 0.2 + 1 + 0.1), abs=2)


def test_nothing_seen_is_no_take() -> None:
    with pytest.raises(InputError, match="no face was seen"):
        Recorder().track("live")


def test_a_movie_touches_nobodys_files_and_two_are_apart(tmp_path: Path) -> None:
    mine, linked = tmp_path / "shown.mp4.part", tmp_path / "other.mp4.part"
    mine.write_bytes(b"mine")
    linked.symlink_to(mine)
    movies = [Movie(tmp_path / name, (64, 48)) for name in ("shown.mp4", "shown.mp4", "other.mp4")]
    unused = Movie(tmp_path / "unused.mp4", (64, 48))
    for number in range(3):
        for movie in movies:
            movie.show(np.full((48, 64, 3), 80 * number, np.uint8), number / 25, 0.0)
    for movie in (*movies, unused):
        movie.close()
    assert mine.read_bytes() == b"mine"
    assert linked.is_symlink()
    for name in ("shown.mp4", "other.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 3
    assert len(list(tmp_path.iterdir())) == 4


def test_while_no_picture_comes_the_other_end_hears_that_nobody_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "_STALLS", 0.1)
    sent: list[bytes] = []

    class Out:
        def send(self, packet: bytes) -> None:
            sent.append(packet)

        def close(self) -> None:
            sent.append(b"")

    driver = Driver(From("udp:127.0.0.1:0"), Wishes())  # nothing comes from there
    sending.send_all(driver, Out(), stopped=lambda: len(sent) > 2)
    assert sent.pop() == b""
    assert [decode(packet).state for packet in sent] == [None] * 3


@pytest.mark.parametrize(
    ("command", "value"),
    [
        (("send", "--to", "-", "--rate"), "nan"),
        (("send", "--to", "-", "--seconds"), "nan"),
        (("live", "--portrait", PORTRAIT, "--delay"), "inf"),
        (("live", "--portrait", PORTRAIT, "--crop"), "9" * 5000),
    ],
)
def test_what_is_no_number_is_one_clear_line(
    command: tuple[object, ...], value: str, run_cli: RunCli
) -> None:
    done = run_cli(*command, value, "--from", "udp:0")
    assert done.code == 2
    assert "number such as" in done.error_lines[-1]


def test_the_newest_replaces_what_nobody_took() -> None:
    slot: Slot[int] = Slot()
    assert slot.take(0.01) is None
    for number in range(5):
        slot.put(number)
    assert slot.take(0.01) == 4
    assert slot.take(0.01) is None
    assert slot.dropped == 4


def test_the_figures_are_medians_of_what_passed() -> None:
    frames = deque(
        Shown(i / 25, 0.1 + 0.1 * (i == 99), {"warp": 0.02}, {"warp": 0.01}) for i in range(100)
    )
    table = figures_table(Figures(frames, 100))
    assert "| warp | 20.0 | 20.0 | 10.0 |" in table
    assert "| **arrival to shown** | 100.0 |" in table
    assert "25.0 frames a second" in table
    assert figures_table(Figures()) == ""


def test_the_phones_names_are_those_of_the_map() -> None:
    from inference.live.phone import ORDER

    assert set(COEFFICIENTS) <= set(ORDER)


def _size(state: FaceState) -> float:
    return float(np.abs(state.change).max())
