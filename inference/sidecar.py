# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies beside head frames: where they go on the portrait, and which job they belong to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from inference.frames import encode_frame, file_error, frame_suffix, write_frame, written_whole
from inference.jobs import SynthesizeJob
from inference.portrait import Portrait
from inference.track import LandmarkTrack

PLACEMENT = "head.json"
JOB = "job.json"
UPRIGHT = "portrait.png"
_VERSION = 1

# Choices that do not change a frame's pixels, or not on purpose.
_NOT_THE_PICTURE = {"out", "frames", "provider", "portrait", "track", "model", "person", "tier"}


@dataclass(frozen=True)
class FrameFolder:
    """The folder of a job's frames; `pattern` takes the zero-based frame of the track."""

    path: Path
    pattern: str

    def frame(self, index: int) -> Path:
        return self.path / (self.pattern % index)


def prepare_folder(
    job: SynthesizeJob, portrait: Portrait, track: LandmarkTrack, model: Path
) -> FrameFolder:
    """Make the folder, write its sidecars, and clear frames that another job left in it.

    Raises InputError when it cannot be written.
    """
    folder = FrameFolder(job.out, f"{job.layer}_%06d{frame_suffix(job.format)}")
    fingerprint = _fingerprint(job, model)
    if _known_fingerprint(job.out) not in (fingerprint, None):
        for stale in (*job.out.glob("head_*.???"), *job.out.glob("full_*.???")):
            try:
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
        write_frame(job.out / UPRIGHT, encode_frame(portrait.picture.rgb, None, form))
    placement = {
        "likeness": _VERSION,
        "portrait": shown,
        "portrait_size": list(size),
        "box": [0, 0, *size] if whole else [box.x, box.y, box.width, box.height],
        "rate": [track.rate.numerator, track.rate.denominator],
        "first": 0,
        "count": len(track),
        "pattern": folder.pattern,
        "layer": job.layer,
        "alpha": "premultiplied" if job.format == "exr" else "straight",
        "gaps": [i for i, valid in enumerate(track.valid.tolist()) if not valid],
    }
    _write(job.out / PLACEMENT, placement)
    asked = {key: _plain(value) for key, value in asdict(job).items()}
    _write(job.out / JOB, {"fingerprint": fingerprint, "job": {"do": "synthesize", **asked}})
    return folder


def _fingerprint(job: SynthesizeJob, model: Path) -> str:
    """A hash over all that decides the frames' pixels: files by content, choices by value.

    This package's own code is one of the files: frames of another version are made again.
    """
    digest = hashlib.sha256()
    code = sorted(Path(__file__).parent.rglob("*.py"))
    for path in (*code, *job.portrait, job.track, model):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    choices = {k: _plain(v) for k, v in asdict(job).items() if k not in _NOT_THE_PICTURE}
    digest.update(json.dumps(choices, sort_keys=True).encode())
    return digest.hexdigest()


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
