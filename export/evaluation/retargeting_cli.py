# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `retargeting` of `python -m export`."""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.outputs import check_replaceable
from inference.track import SUFFIX, LandmarkTrack, load_track

_LISTED = Path(__file__).with_name("retargeting_portraits.csv")
_STILLS = {".jpg", ".jpeg", ".png", ".webp"}


def add_retargeting(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "retargeting", help="measure how portraits follow drivers, on landmarks alone"
    )
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR",
                        help="clips (those held back from training), or their tracks")  # fmt: skip
    parser.add_argument("--portraits", type=Path, required=True, metavar="DIR",
                        help="where the listed ones lie; else all of its pictures")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="report.md")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th frame only")
    parser.set_defaults(run=run_retargeting)


def run_retargeting(options: argparse.Namespace) -> None:
    """Measure all pairs, write the report and print it."""
    from export.evaluation.retargeting import compare_all, report
    from inference.files import check_writable, write_whole

    if options.every < 1:
        raise InputError(f"--every {options.every}: name a number from 1 up")
    check_replaceable(options.out, _is_report, "a report of retargeting")
    check_writable(options.out)
    portraits = _portraits(options.portraits)
    drivers = _drivers(options.clips)
    pairs = compare_all(drivers, portraits, options.every, _progress)
    text = report(pairs)
    write_whole(options.out, text.encode())
    print(text, end="")


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return re.match(rb"\d+ drivers on \d+ portraits\. Correlations", file.read(100)) is not None


def _drivers(folder: Path) -> dict[str, LandmarkTrack]:
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; name one of clips or of tracks")
    tracks = sorted(folder.glob(f"*{SUFFIX}"))
    if tracks:
        return {path.name.removesuffix(SUFFIX): load_track(path) for path in tracks}
    # Capturing loads the detector: not when the tracks are there.
    from export.evaluation.clips import clips_to_evaluate
    from inference.capture.capture import capture_footage

    clips, _ = clips_to_evaluate(folder)
    return {clip.path.stem: capture_footage(clip.path).track for clip in clips}


def _portraits(folder: Path) -> dict[str, NDArray[np.float32]]:
    from inference.portrait import open_portrait

    with _LISTED.open(encoding="utf-8", newline="") as file:
        listed = {row["file"] for row in csv.DictReader(file)}
    pictures = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _STILLS)
    chosen = [picture for picture in pictures if picture.name in listed] or pictures
    if not chosen:
        raise InputError(f"{folder}: holds no picture; name a folder of portraits")
    return {picture.name: open_portrait(picture).points for picture in chosen}


def _progress(done: int, total: int) -> None:
    print(f"retargeting: {done}/{total} drivers", file=sys.stderr, flush=True)
