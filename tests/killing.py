# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill work by SIGKILL in its course, over and over, and look at what it leaves.

Works are forked from a process that has imported everything and started no thread, so that a kill
costs a second and not an import of torch. Half of the kills come where the work opens, renames,
removes or cuts a file in its folder, or a few calls later, the others at any time.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TOUCHES = {"open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir"}
_LONGEST = 300.0  # seconds that a work may take
_CALLS = 4  # after a touch, within which it is killed: a file is open then, or half written

Work = Callable[[Path], None]  # writes into that folder
Check = Callable[[Path, Path], None]  # the folder, and one in which the work was never killed


@dataclass(frozen=True)
class Ended:
    """How a work ended. touches: of files in its folder. seconds: that it took."""

    killed: bool
    touches: int
    seconds: float


def kill_over_and_over(
    work: Work,
    base: Path,
    kills: int,
    seed: int,
    left: Check,
    done: Check,
    armed: str = "",
    finished_share: float = 0.3,
) -> int:
    """Kill so many times, each time followed by a rerun; returns how many folders were finished.

    left: looks at what a kill left; done: at what a rerun that ended by itself made. armed: kills
    come only once a file of that name was written. finished_share: of reruns that are let be.
    """
    draw = random.Random(seed)
    reference = base / "reference"
    whole = _run(work, reference, armed, (0, 0), None)
    assert not whole.killed
    count = folders = 0
    while count < kills:
        out = base / f"killed-{folders:03d}"
        killed = True
        while killed:
            let_be = count == kills or (out.exists() and draw.random() < finished_share)
            touch, after = (0, 0), None
            if not let_be and draw.random() < 0.5:
                touch = draw.randint(1, whole.touches), draw.randint(0, _CALLS)
            elif not let_be:
                after = draw.uniform(0, whole.seconds)
            killed = _run(work, out, armed, touch, after).killed
            if killed:
                count += 1
                left(out, reference)
        done(out, reference)
        shutil.rmtree(out)
        folders += 1
    return folders


def _run(
    work: Work, folder: Path, armed: str, touch: tuple[int, int], after: float | None
) -> Ended:
    """touch: the number of the one at which it is killed, 0: none; and how many calls later.

    after: seconds, or never.
    """
    read, write = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        _child(work, folder, armed, touch, write)
    os.close(write)
    status, dead = 0, False
    while not dead:
        if after is not None and (not armed or (folder / armed).exists()):
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
            after = None
        assert time.monotonic() - began < _LONGEST, "the work hangs"
        found, status = os.waitpid(child, os.WNOHANG)
        dead = found == child
        time.sleep(0.002)
    seconds = time.monotonic() - began
    with os.fdopen(read) as said:
        words = said.read()
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return Ended(True, 0, seconds)
    assert os.waitstatus_to_exitcode(status) == 0, words
    touches, armed_for = words.split()
    return Ended(False, int(touches), float(armed_for))


def _child(work: Work, folder: Path, armed: str, touch: tuple[int, int], write: int) -> None:
    touches, since, calls = 0, 0.0, 0
    number, later = touch

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls > later:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal touches, since
        if event not in TOUCHES or not str(arguments[0]).startswith(str(folder)):
            return
        if not since:
            if armed and not os.path.lexists(folder / armed):
                return
            since = time.monotonic()
        touches += 1
        if touches == number:
            sys.setprofile(count)

    sys.addaudithook(hook)
    try:
        work(folder)
        os.write(write, f"{touches} {time.monotonic() - since}".encode())
        os._exit(0)
    except BaseException:
        os.write(write, traceback.format_exc().encode()[-60_000:])
        os._exit(1)


def same_files(folder: Path, reference: Path, but: Callable[[str, bytes], bytes]) -> None:
    """Assert that both hold the same bytes; but: takes out of a file what may differ."""
    names = [sorted(path.name for path in one.iterdir()) for one in (folder, reference)]
    assert names[0] == names[1], names
    for name in names[0]:
        one, other = (but(name, (where / name).read_bytes()) for where in (folder, reference))
        assert one == other, name
