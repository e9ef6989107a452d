# SPDX-License-Identifier: GPL-3.0-or-later
"""A blind comparison: pairs of pictures, which is which in a key apart, and what a judge found.

Real frames beside made ones: how often is the made one named? Or frames by two generators: which is
preferred? Half of the answers are what chance gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data.clips import ClipFile
from export.evaluation.clips import RUN, EvaluationClip, read_clip
from export.evaluation.reenact import reenact_self
from inference.errors import InputError
from inference.files import write_whole
from inference.frames import encode_frame
from inference.generator.model import Generator
from inference.landmarks import LIPS_LOWER, LIPS_UPPER, OVAL
from inference.outputs import FolderKind, OwnedFolder
from inference.progress import Progress

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

PAIRS = FolderKind("pairs of a blind comparison", (r"pair_\d{3}\.png",))
SHOWN = ("whole", "face", "mouth")
REAL = "real"
_SIDE = 512  # pixels of a picture's longer side
_GAP = 12  # pixels between the two
_ROOM = {"face": 1.3, "mouth": 2.2}  # of the part's size
_KEY = "likeness_blind_key"
_SURE = 1.96  # standard deviations of a 95% interval


@dataclass(frozen=True)
class Pair:
    """number: as in its picture's name. left, right: REAL, or a generator's name. clip, frame:
    where it comes from.
    """

    number: int
    left: str
    right: str
    clip: str
    frame: int


@dataclass(frozen=True)
class Score:
    """named: answers with the name that was asked about; of: all answers; low, high: the 95%
    interval of its share (E. B. Wilson, 1927).
    """

    named: int
    of: int
    low: float
    high: float


def make_pairs(
    files: Sequence[ClipFile],
    generators: dict[str, Generator],
    folder: OwnedFolder,
    count: int,
    shots: int,
    shown: str,
    seed: int,
    progress: Progress = lambda done, total: None,
) -> list[Pair]:
    """Write `count` pairs, spread evenly over the clips, and say what they are.

    generators: by name; of one, its frames stand beside the real ones, of two, beside each other.
    shots: source pictures. shown: one of SHOWN. Clips in which no face is seen are left out; raises
    InputError when that is all of them.
    """
    rng = np.random.default_rng(seed)
    clips = list(_read(files, shots, -(-count // len(files))))
    if not clips:
        raise InputError("in none of the clips a face is seen for long enough")
    wanted = [(clip, frame) for clip in clips for frame in clip.targets]
    rng.shuffle(wanted)  # type: ignore[arg-type]
    wanted = sorted(_evenly(wanted, count), key=lambda pair: pair[0].name)
    numbers = rng.permutation(len(wanted)) + 1
    made: list[Pair] = []
    for clip in clips:
        frames = [frame for other, frame in wanted if other is clip]
        for frame, pictures in _frames(clip, frames, generators, shots):
            names = list(pictures)
            if rng.random() < 0.5:
                names.reverse()
            number = int(numbers[len(made)])
            points = clip.track.points[frame]
            sides = [_shown(pictures[name], points, shown) for name in names]
            gap = np.full((sides[0].shape[0], _GAP, 3), 128, np.uint8)
            picture = np.hstack([sides[0], gap, sides[1]])
            write_whole(folder.file(f"pair_{number:03}.png"), encode_frame(picture, None, "png"))
            made.append(Pair(number, names[0], names[1], clip.name, frame))
            progress(len(made), len(wanted))
    return sorted(made, key=lambda pair: pair.number)


def write_key(path: Path, pairs: Sequence[Pair], asked: str) -> None:
    """Write which picture is which. asked: the name that the judge is asked about."""
    key = {_KEY: 1, "asked": asked, "pairs": [asdict(pair) for pair in pairs]}
    write_whole(path, (json.dumps(key, indent=1) + "\n").encode())


def is_key(path: Path) -> bool:
    """Is the file one that `write_key` wrote?"""
    return f'"{_KEY}"'.encode() in path.read_bytes()[:100]


def score(key: Path, answers: Path) -> Score:
    """What a judge's answers say: lines "NUMBER left" or "NUMBER right"; others are refused.

    Raises InputError for a file that is no key, or an answer that is none.
    """
    try:
        content = json.loads(key.read_text(encoding="utf-8"))
        asked = str(content["asked"])
        pairs = {int(entry["number"]): Pair(**entry) for entry in content["pairs"]}
        lines = answers.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{key}: not a key that `blind` wrote") from None
    given: dict[int, str] = {}
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found = re.fullmatch(r"\s*(?:pair_)?0*(\d+)\s+(left|right)\s*", line, re.IGNORECASE)
        if not found or int(found[1]) not in pairs or int(found[1]) in given:
            raise InputError(
                f"{answers}, line {place}: '{line.strip()[:40]}' is no answer; write a pair's "
                "number and left or right, each pair once"
            )
        given[int(found[1])] = found[2].lower()
    if not given:
        raise InputError(f"{answers}: holds no answers")
    named = sum(getattr(pairs[number], side) == asked for number, side in given.items())
    return Score(named, len(given), *_interval(named, len(given)))


def _interval(named: int, count: int) -> tuple[float, float]:
    share, z = named / count, _SURE**2 / count
    middle, half = share + z / 2, _SURE * np.sqrt(share * (1 - share) / count + z / (4 * count))
    return float((middle - half) / (1 + z)), float((middle + half) / (1 + z))


def _read(files: Sequence[ClipFile], shots: int, each: int) -> Iterator[EvaluationClip]:
    for file in files:
        try:
            clip = read_clip(file, shots, each * RUN)
            yield replace(clip, targets=clip.targets[::RUN])  # neighbours look alike
        except InputError:
            continue


def _evenly(
    wanted: list[tuple[EvaluationClip, int]], count: int
) -> list[tuple[EvaluationClip, int]]:
    """The first of every clip, then the second of each, and so on."""
    turns: dict[str, int] = {}
    ranked = []
    for pair in wanted:
        turns[pair[0].name] = turns.get(pair[0].name, 0) + 1
        ranked.append((turns[pair[0].name], pair))
    return [pair for _, pair in sorted(ranked, key=lambda entry: entry[0])[:count]]


def _frames(
    clip: EvaluationClip, frames: list[int], generators: dict[str, Generator], shots: int
) -> Iterator[tuple[int, dict[str, Picture]]]:
    """Each frame's two pictures by name."""
    if not frames:
        return
    clip = replace(clip, targets=tuple(frames), found=(None,) * len(frames))
    shown: dict[int, dict[str, Picture]] = {
        frame: {} if len(generators) > 1 else {REAL: clip.pictures[frame]} for frame in frames
    }
    for name, generator in generators.items():
        for made in reenact_self(clip, shots, generator):
            shown[made.frame][name] = made.pictures["generator"]
    yield from shown.items()


def _shown(picture: Picture, points: Points, shown: str) -> Picture:
    if shown != "whole":
        part = points[list(OVAL if shown == "face" else (*LIPS_UPPER, *LIPS_LOWER)), :2]
        middle = (part.min(axis=0) + part.max(axis=0)) / 2
        half = _ROOM[shown] * float(np.ptp(part, axis=0).max()) / 2
        left, top = np.maximum(np.floor(middle - half), 0).astype(int)
        right, bottom = np.ceil(middle + half).astype(int)
        picture = picture[top:bottom, left:right]
    zoom = _SIDE / max(picture.shape[:2])
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=how), np.uint8)
