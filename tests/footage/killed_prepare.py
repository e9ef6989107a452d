# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare a few clips and be killed: python killed_prepare.py SOURCE FOLDER KILLS SEED.

The clips are tracked once, in processes of their own; what is killed is all that writes them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from export.data import prepare as preparing
from export.data.clips import ClipFile, find_clips
from export.data.packing import PackedClip
from export.data.prepare import PrepareSettings, prepare
from export.data.shards import PreparedData, check_all
from inference.files import PART_SUFFIX
from tests.killing import kill_over_and_over, same_files

SETTINGS = PrepareSettings(mattes=False)


def main(source: Path, base: Path, kills: int, seed: int) -> None:
    packed = {
        clip.name: result
        for clip, result in preparing._pack_all(find_clips(source), SETTINGS, 1, lambda: False)
    }

    def packed_before(clips: list[ClipFile], *_: object) -> Iterator[tuple[ClipFile, object]]:
        for clip in clips:
            time.sleep(0.005)
            yield clip, packed[clip.name]

    preparing._pack_all = packed_before  # type: ignore[assignment]
    assert sum(isinstance(result, PackedClip) for result in packed.values()) > 2
    folders = kill_over_and_over(
        lambda out: _prepare(source, out),
        base,
        kills,
        seed,
        left,
        lambda out, reference: same_files(out, reference, lambda name, content: content),
    )
    print(f"{kills} of {kills} kills, {folders} folders finished, each as if never interrupted")


def _prepare(source: Path, out: Path) -> None:
    prepare(source, out, SETTINGS)


def left(out: Path, reference: Path) -> None:
    """Whole clips, in their order, and no file under its name that is torn."""
    if not out.exists():
        return
    whole = (reference / "index.jsonl").read_bytes()
    for path in out.iterdir():
        if path.name.startswith("shard-") or path.name.endswith((PART_SUFFIX, ".lock")):
            continue  # of a shard what the index names counts, see below
        content = path.read_bytes()
        if path.name == "index.jsonl":
            assert whole.startswith(content)
        elif path.name == "skipped.csv":
            assert content.endswith(b"\n") and content.startswith(b"file,reason")
        else:
            assert content == (reference / path.name).read_bytes(), path.name
    if b"\n" in ((out / "index.jsonl").read_bytes() if (out / "index.jsonl").is_file() else b""):
        assert list(check_all(PreparedData(out))) == []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
