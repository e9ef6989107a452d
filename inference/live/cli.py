# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `live` and `send` of `python -m inference`."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.arguments import number, whole
from inference.errors import InputError, LikenessError, one_line
from inference.files import check_writable
from inference.generator.contract import TIERS
from inference.jobs import PROVIDERS
from inference.outputs import check_replaceable
from inference.progress import progress_line

if TYPE_CHECKING:
    from inference.live.recording import Recorder

_FROM = "camera, camera:1, footage that is played at its own pace, udp:PORT, tcp:HOST:PORT, or -"
_TOLD = 0.5  # seconds between two looks at what was refused


def add_commands(commands: Any) -> None:
    """Register the commands; `commands` is what argparse's add_subparsers returned."""
    live = commands.add_parser("live", help="a camera, a phone or a stream drives a portrait now")
    live.add_argument("--portrait", type=Path, required=True, metavar="P")
    _add_source(live)
    live.add_argument("--to", default="window", metavar="PLACE",
                      help="window (default), FILE.mp4, frames:DIR, virtualcam or -")  # fmt: skip
    live.add_argument("--record", type=Path, metavar="T.track.npz", help="keep what was performed")
    live.add_argument("--portrait-face", type=whole, help="its number from left to right")
    live.add_argument("--tier", choices=TIERS, default="draft")
    live.add_argument("--provider", choices=PROVIDERS, default="auto")
    live.add_argument("--box", action="store_true", help="move the head with its background")
    live.add_argument("--neutralize", action="store_true",
                      help="take the portrait's own expression away first")  # fmt: skip
    live.add_argument("--crop", type=whole, default=512, metavar="PIXELS",
                      help="its largest side; a larger portrait is made smaller (512)")  # fmt: skip
    live.add_argument("--mirror", action="store_true", help="left becomes right")
    live.add_argument("--idle", action="store_true", help="blink and breathe while nobody is seen")
    live.add_argument("--look-ahead", type=int, choices=(0, 1, 2), default=0,
                      help="frames that the filter waits for (0)")  # fmt: skip
    live.add_argument("--delay", type=number, default=60.0, metavar="MS",
                      help="in which a stream's packets are put in order (60)")  # fmt: skip
    live.add_argument("--figures", action="store_true", help="what each stage took, at the end")
    live.set_defaults(run=_live)

    send = commands.add_parser("send", help="a camera's face as a stream, for a portrait elsewhere")
    _add_source(send)
    send.add_argument("--to", required=True, metavar="PLACE", help="tcp:HOST:PORT, udp:PORT or -")
    send.add_argument("--rate", type=number, default=2000.0, metavar="BYTES",
                      help="a second at the most (2000)")  # fmt: skip
    send.set_defaults(run=_send)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", required=True, metavar="PLACE", help=_FROM)
    parser.add_argument("--key", type=Path, metavar="KEY.pem",
                        help="of a stream between machines, the same at both ends")  # fmt: skip
    parser.add_argument("--loop", action="store_true", help="play footage again and again")
    parser.add_argument(
        "--smooth", type=number, metavar="S", help="0 (as it is) to 1; default: 0.4"
    )
    parser.add_argument("--seconds", type=number, metavar="S", help="stop by itself after so long")


def _live(options: argparse.Namespace) -> int:
    from inference.live.chain import Live
    from inference.live.driver import Driver, From, Wishes
    from inference.live.figures import figures_table
    from inference.live.performer import Performer, Performing
    from inference.live.recording import Recorder
    from inference.live.shows import open_show

    _check(options)
    if not 0 <= options.delay <= 2000:
        raise InputError(f"a delay of {options.delay:g} ms; choose from 0 to 2000")
    if not 64 <= options.crop <= 4096:
        raise InputError(f"a crop of {options.crop} pixels; choose from 64 to 4096")
    if options.record:
        from inference.track import SUFFIX, is_track

        if not options.record.name.endswith(SUFFIX):
            raise InputError(f"{options.record}: a track's name ends in {SUFFIX}; choose such one")
        check_replaceable(options.record, is_track, "a landmark track")
        check_writable(options.record)
    how = Performing(
        options.portrait, options.portrait_face, options.tier, options.provider,
        neutralize=options.neutralize, box=options.box, crop=options.crop,
    )  # fmt: skip
    wishes = Wishes(options.mirror, options.smooth)
    performer = Performer(how, progress_line("prepare", "steps"))
    recorder = Recorder() if options.record else None
    with _kept_if_it_fails(recorder, options.record):
        show = open_show(options.to, performer.size, wishes)
        with closing(show):
            source = From(options.source, options.loop, options.delay / 1000, options.key)
            driver = Driver(source, wishes)
            where = f", listening at {driver.address}" if driver.address else ""
            _say(f"live{where}; runs on {performer.words}")
            live = Live(driver, performer, wishes, options.idle, options.look_ahead, recorder)
            with _until_stopped(options.seconds) as stopped:
                live.run(show, _telling(stopped, driver))
    figures = live.figures
    _say(f"{figures.shown} frames shown, {driver.dropped} pictures dropped")
    if driver.receiver is not None:
        counts = driver.receiver.counts
        _say(
            f"packets: {counts.received} received, {counts.lost} lost, {counts.late} late, "
            f"{counts.doubled} twice, {counts.malformed} malformed, {counts.strange} of others, "
            f"{counts.flooded} too many"
        )
    if options.figures:
        print(figures_table(figures), file=sys.stderr)
    if recorder is not None and (len(recorder) or wishes.record):
        _keep(recorder, options.record)
    return 0


@contextmanager
def _kept_if_it_fails(recorder: Recorder | None, path: Path) -> Iterator[None]:
    """What was performed until an error is a take as well; the error goes on."""
    try:
        yield
    except BaseException:
        if recorder is not None and len(recorder):
            try:
                _keep(recorder, path)
            except LikenessError as error:  # the first one says more
                _say(str(error))
        raise


def _keep(recorder: Recorder, path: Path) -> None:
    from inference.track import save_track

    track = recorder.track("live")
    save_track(track, path)
    gaps = int((~track.valid).sum())
    _say(f"{path}: {len(track)} frames at {track.rate} a second, {gaps} gaps")


def _send(options: argparse.Namespace) -> int:
    from inference.live.driver import Driver, From, Wishes
    from inference.live.sending import open_out, send_all
    from inference.live.smoothing import STRENGTH

    _check(options)
    if options.source.startswith(("udp:", "tcp:")) or options.source == "-":
        raise InputError(f"'{options.source}' is a stream already; send a camera or footage")
    # A camera may take long to begin, and who calls and says nothing is not waited for.
    driver = Driver(From(options.source, options.loop), Wishes())
    try:
        out = open_out(options.to, options.key)
    except BaseException:
        driver.stop()
        raise
    begun = time.monotonic()
    smooth = STRENGTH if options.smooth is None else options.smooth
    with _until_stopped(options.seconds) as stopped:
        packets, sent = send_all(driver, out, options.rate, smooth, stopped)
    seconds = max(time.monotonic() - begun, 1e-3)
    _say(f"{packets} packets, {sent / seconds:.0f} bytes a second")
    return 0


def _check(options: argparse.Namespace) -> None:
    if options.smooth is not None and not 0 <= options.smooth <= 1:
        raise InputError(f"a smoothing of {options.smooth:g}; choose from 0 to 1")
    if options.seconds is not None and not 0 < options.seconds < 1e6:
        raise InputError(f"{options.seconds:g} seconds; choose more than 0")


@contextmanager
def _until_stopped(seconds: float | None) -> Iterator[Callable[[], bool]]:
    """Ctrl-C, a friendly kill, or the time that is up: a live run ends well by each of them."""
    ended = []
    before = {
        name: signal.signal(name, lambda *_: ended.append(True))
        for name in (signal.SIGINT, signal.SIGTERM)
    }
    last = None if seconds is None else time.monotonic() + seconds
    try:
        yield lambda: bool(ended) or (last is not None and time.monotonic() > last)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _telling(stopped: Callable[[], bool], driver: Any) -> Callable[[], bool]:
    """`stopped`, and once for each kind a word about packets that are refused."""
    told: set[str] = set()
    looked = [0.0]

    def ask() -> bool:
        now = time.monotonic()
        if driver.receiver is not None and now - looked[0] > _TOLD:
            looked[0] = now
            words = driver.receiver.counts.words
            if words and words not in told and len(told) < 8:
                told.add(words)
                _say(words)
        return stopped()

    return ask


def _say(text: str) -> None:
    """To people: stdout may carry pictures or packets."""
    print(one_line(text), file=sys.stderr, flush=True)
