# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies beside head frames: where they go on the portrait, and what each was made from.

A frame is known by its mark: a hash of everything that decides its pixels, which is what all
frames share and the frame's own target landmarks. Marks lie in one file, 32 bytes a frame, so
that chunks of a range write past each other. A frame whose mark is another one is removed before
its new mark is written, and made after: at whatever moment a run is killed, a frame that is there
is the one its mark tells of.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.colour.match import OFF, ColourMatch, matches_picture
from inference.files import file_error, write_whole, written_whole
from inference.frames import encode_frame, frame_suffix
from inference.generator.person import IDENTITY
from inference.jobs import SynthesizeJob
from inference.portrait import Portrait
from inference.track import LandmarkTrack

PLACEMENT = "head.json"
JOB = "job.json"
MARKS = "frames.marks"
MATTE = "matte_%06d.png"
UPRIGHT = "portrait.png"
_VERSION = 1
_MARK_SIZE = hashlib.sha256().digest_size

# Choices that do not change a frame's pixels, or not on purpose; those that are hashed as files;
# and those that change the target landmarks alone, which are hashed frame by frame.
_NOT_THE_PICTURE = {"out", "frames", "provider", "portrait", "model", "person", "tier", "matte"}
_THE_TARGET = {
    "track", "performance", "transfer", "neutral", "gains", "neutralize", "smooth_pose",
    "smooth_expression",
}  # fmt: skip


@dataclass(frozen=True)
class FrameFolder:
    """The folder of a job's frames; `pattern` takes the zero-based frame of the track.

    shared: the hash of what all frames share. matte: is one wanted beside each frame?
    """

    path: Path
    pattern: str
    shared: bytes
    matte: bool = False

    def frame(self, index: int) -> Path:
        return self.path / (self.pattern % index)

    def matte_of(self, index: int) -> Path:
        return self.path / (MATTE % index)

    def missing(self, targets: dict[int, NDArray[np.float32]]) -> list[int]:
        """The frames that are to be made; of these, old ones are removed and marks are set.

        A frame that is there but lacks its wanted matte is among them.

        targets: target landmarks (478, 3) of each wanted frame.
        Raises InputError when the folder cannot be written, LikenessError when the disk is full.
        """
        path = self.path / MARKS
        try:
            known = path.read_bytes() if path.is_file() else b""
            changed: dict[int, bytes] = {}
            for index, points in targets.items():
                mark = hashlib.sha256(self.shared + points.tobytes()).digest()
                if known[index * _MARK_SIZE : (index + 1) * _MARK_SIZE] != mark:
                    self.frame(index).unlink(missing_ok=True)
                    self.matte_of(index).unlink(missing_ok=True)
                    changed[index] = mark
            if changed:
                path.touch()
                with path.open("r+b") as file:
                    for index, mark in changed.items():
                        file.seek(index * _MARK_SIZE)
                        file.write(mark)
        except OSError as error:
            raise file_error(error, path) from error
        return [
            index for index in targets
            if not self.frame(index).is_file()
            or (self.matte and not self.matte_of(index).is_file())
        ]  # fmt: skip


def prepare_folder(
    job: SynthesizeJob,
    portrait: Portrait,
    track: LandmarkTrack,
    model: Path,
    match: ColourMatch | None = None,
) -> FrameFolder:
    """Make the folder, write its sidecars, and clear what can be no frame of this job.

    match: the colour match that all frames get, for the record.
    Raises InputError when it cannot be written.
    """
    shared = _shared(job, model)
    folder = FrameFolder(job.out, f"{job.layer}_%06d{frame_suffix(job.format)}", shared, job.matte)
    fingerprint = shared.hex()
    other = _known_fingerprint(job.out) not in (fingerprint, None)
    whole_take = () if other else range(len(track))
    kept = {path for i in whole_take for path in (folder.frame(i), folder.matte_of(i))}
    for stale in (p for name in ("head", "full", "matte") for p in job.out.glob(f"{name}_*.???")):
        try:
            if stale not in kept:
                stale.unlink()
        except OSError as error:
            raise file_error(error, stale) from error
    box = portrait.box
    whole = job.layer == "full"
    size = portrait.picture.size
    shown = str(portrait.path.resolve())
    if portrait.picture.turned:
        # Blender shows the pixels as they are stored: it gets an upright copy.
        shown = UPRIGHT
        form = "png16" if portrait.picture.rgb.dtype == np.uint16 else "png"
        write_whole(job.out / UPRIGHT, encode_frame(portrait.picture.rgb, None, form))
    placement: dict[str, object] = {
        "likeness": _VERSION,
        "portrait": shown,
        "portrait_size": list(size),
        "box": [0, 0, *size] if whole else [box.x, box.y, box.width, box.height],
        "rate": [track.rate.numerator, track.rate.denominator],
        "first": 0,
        "count": len(track),
        "pattern": folder.pattern,
        "matte": MATTE if job.matte else None,
        "layer": job.layer,
        "alpha": "premultiplied" if job.format == "exr" else "straight",
        "gaps": [i for i, valid in enumerate(track.valid.tolist()) if not valid],
    }
    if match:
        placement["match"] = match.facts()
    _write(job.out / PLACEMENT, placement)
    asked = {key: _plain(value) for key, value in asdict(job).items()}
    _write(job.out / JOB, {"fingerprint": fingerprint, "job": {"do": "synthesize", **asked}})
    return folder


def _shared(job: SynthesizeJob, model: Path) -> bytes:
    """A hash over what decides all frames' pixels: files by content, choices by value.

    This package's own code is one of the files: frames of another version are made again.
    """
    digest = hashlib.sha256()
    code = sorted(Path(__file__).parent.rglob("*.py"))
    person = [job.person / IDENTITY] if job.person else []
    for path in (*code, *job.portrait, model, *person):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    skipped = _NOT_THE_PICTURE | _THE_TARGET
    if job.match == OFF or job.match_strength == 0:
        skipped = skipped | {"match", "match_strength"}
    elif matches_picture(job.match):
        # What the match is made from, not what was made: that may differ by a rounding on another
        # machine of the farm, which then would clear away this one's frames.
        digest.update(hashlib.sha256(Path(job.match).read_bytes()).digest())
        skipped = skipped | {"match"}
    choices = {k: _plain(v) for k, v in asdict(job).items() if k not in skipped}
    digest.update(json.dumps(choices, sort_keys=True).encode())
    return digest.digest()


def _known_fingerprint(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / JOB).read_text(encoding="utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _write(path: Path, content: dict[str, object]) -> None:
    with written_whole(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
