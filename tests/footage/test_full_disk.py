# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nothing can be written: one line, and what is whole stays."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference.errors import LikenessError
from inference.jobs import SynthesizeJob
from inference.pictures import read_picture
from inference.synthesis import synthesize
from tests.conftest import RunCli
from tests.footage.refusals import SIDECARS, assert_refused, files_in, synthesized

pytestmark = pytest.mark.footage

ANNA = "clips/v215_ls1_0.mp4"

MountDisk = Callable[[str], Path]


@pytest.fixture
def portrait(samples: Path) -> Path:
    return samples / "eileen_collins.png"


@pytest.fixture
def track(samples: Path) -> Path:
    return samples / "weekly_address.track.npz"


@pytest.fixture
def mount_disk(tmp_path: Path) -> Iterator[MountDisk]:
    """Mount a small memory file system with these options; only root may do so."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / "disk"
        if folder in mounted:
            options = f"remount,{options}"
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small disk can only be mounted by root, outside of most containers")
        mounted.append(folder)
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", str(mounted[0])], check=True)


def test_an_output_below_a_file(
    tmp_path: Path, run_cli: RunCli, footage: Path, portrait: Path, track: Path
) -> None:
    """No folder can be made there, whoever asks; capture says so before it works, not after."""
    file = tmp_path / "notes.txt"
    file.write_text("kept", encoding="utf-8")
    refused = run_cli("capture", footage / ANNA, "--out", file / "deep" / "a.track.npz")
    assert_refused(refused, file, "cannot be written")
    assert "capture: " not in refused.stderr, "no frame was captured in vain"
    for out, words in ((file, "this is a file"), (file / "frames", "cannot be written")):
        assert_refused(synthesized(run_cli, out, portrait, track), out, words)
    assert files_in(tmp_path) == ["notes.txt"] and file.read_text(encoding="utf-8") == "kept"


def test_an_output_that_is_a_folder(tmp_path: Path, run_cli: RunCli, footage: Path) -> None:
    out = tmp_path / "a.track.npz"
    out.mkdir()
    assert_refused(run_cli("capture", footage / ANNA, "--out", out), out, "folder")
    assert list(tmp_path.iterdir()) == [out] and list(out.iterdir()) == []


def test_a_disk_that_is_read_only(
    mount_disk: MountDisk, run_cli: RunCli, footage: Path, portrait: Path, track: Path
) -> None:
    disk = mount_disk("size=8m")
    made = synthesized(run_cli, disk / "frames", portrait, track)
    assert made.code == 0
    before = files_in(disk)
    mount_disk("size=8m,ro")
    refused = run_cli("capture", footage / ANNA, "--out", disk / "a.track.npz")
    assert_refused(refused, disk, "cannot be written")
    for out in (disk / "frames", disk / "other"):
        refused = synthesized(run_cli, out, portrait, track, "--frames", "2-3")
        assert_refused(refused, out, "cannot be written")
        # Another job in the same folder would have to clear the first one's frames.
        other = ("--layer", "full", "--frames", "2-3")
        refused = synthesized(run_cli, out, portrait, track, *other)
        assert_refused(refused, out, "cannot be written")
    assert files_in(disk) == before


def test_a_full_disk_keeps_whole_frames_and_the_next_run_goes_on(
    mount_disk: MountDisk, run_process: RunCli, portrait: Path, track: Path
) -> None:
    disk = mount_disk("size=360k")
    out = disk / "frames"
    full = synthesized(run_process, out, portrait, track, "--frames", "0-7")
    assert_refused(full, out, "disk is full", "run the same command again", code=1)
    kept = sorted(out.glob("head_*.png"))
    assert 1 <= len(kept) < 8
    assert files_in(disk) == sorted([*SIDECARS, *(path.name for path in kept)])
    before = {path: path.read_bytes() for path in kept}
    assert all(read_picture(path).alpha is not None for path in kept), "every frame is whole"

    mount_disk("size=8m")
    done = synthesized(run_process, out, portrait, track, "--frames", "0-7")
    assert done.code == 0 and f"{8 - len(kept)} frames made, {len(kept)} kept" in done.stdout
    assert len(list(out.glob("head_*.png"))) == 8
    assert all(path.read_bytes() == data for path, data in before.items())


def test_a_full_disk_leaves_no_half_track(
    mount_disk: MountDisk, run_cli: RunCli, footage: Path
) -> None:
    disk = mount_disk("size=16k")
    refused = run_cli("capture", footage / ANNA, "--out", disk / "a.track.npz", "--frames", "0-19")
    assert_refused(refused, disk, "disk is full", code=1)
    assert files_in(disk) == []


def test_a_disk_that_fills_in_the_middle_of_a_frame(
    tmp_path: Path, portrait: Path, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without a mount: every third frame is written by half, then the disk is full."""
    write, count = Path.write_bytes, 0

    def fills(path: Path, data: bytes) -> int:
        nonlocal count
        count += ".png" in path.name
        if ".png" in path.name and count % 3 == 0:
            write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    job = SynthesizeJob((portrait,), track, tmp_path / "frames", frames=(0, 5))
    monkeypatch.setattr(Path, "write_bytes", fills)
    with pytest.raises(LikenessError, match="disk is full") as caught:
        synthesize(job)
    assert caught.value.exit_code == 1
    monkeypatch.setattr(Path, "write_bytes", write)
    kept = sorted(job.out.glob("head_*.png"))
    assert len(kept) >= 2 and all(read_picture(path).alpha is not None for path in kept)
    assert not list(job.out.glob("*.part"))
    result = synthesize(job)
    assert result.kept == len(kept) and result.made == 6 - len(kept)
