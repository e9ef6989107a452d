# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes: one at a time, or many that do the same; none outlives its run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inference import locks
from inference.errors import InputError
from inference.locks import hold, work_together

ROOT = Path(__file__).parents[2]


def another_process(call: str) -> subprocess.Popen[str]:
    """Another process that is inside `call` until its input closes."""
    code = (
        "import sys; from pathlib import Path; from inference.locks import *\n"
        f"with {call} as work:\n"
        "    getattr(work, 'share', lambda: None)()\n"
        "    print('in', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    return other


def test_one_at_a_time_and_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    other = another_process(f"hold(Path({str(path)!r}), 'data')")
    with pytest.raises(InputError, match="another run is writing data"), hold(path, "data"):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    with hold(path, "data"):
        pass


def test_runs_with_one_key_work_together_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    other = another_process(f"work_together(Path({str(path)!r}), b'same')")
    with work_together(path, b"same") as work:
        assert not work.alone
        work.share()
    with pytest.raises(InputError, match="another run"), work_together(path, b"else"):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    with work_together(path, b"else") as work:
        assert work.alone


def test_who_comes_alone_keeps_others_out_until_it_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.locks._PATIENCE", 0.1)
    path = tmp_path / "x.lock"
    with work_together(path, b"key") as first:
        assert first.alone
        with pytest.raises(InputError), work_together(path, b"key"):
            pass
        first.share()
        with work_together(path, b"key") as second:
            assert not second.alone


def test_where_there_are_no_locks_nobody_is_known_to_be_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with work_together(tmp_path / "x.lock", b"key") as work:
        assert not work.alone
        work.share()
    with hold(tmp_path / "x.lock", "data"):
        pass


def test_a_lock_is_not_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "x.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"), hold(tmp_path / "x.lock", "data"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_its_holder_may_remove_the_file_and_the_next_one_makes_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = tmp_path / "x.lock", locks._opened
    removed: list[int] = []

    def removed_once(path: Path) -> int:
        """As if the holder removed the file and ended between its being opened and locked."""
        file = opened(path)
        if not removed:
            path.unlink()
            removed.append(file)
        return file

    monkeypatch.setattr(locks, "_opened", removed_once)
    with hold(path, "data"):
        assert path.exists()
        with pytest.raises(InputError, match="another run"), hold(path, "data"):
            pass
