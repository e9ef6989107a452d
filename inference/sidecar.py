# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of head frames: whose it is, where its frames go, and what each was made from.

A frame is known by its mark: a hash of everything that decides its pixels, which is what all
frames share and the frame's own target landmarks. Marks lie in one file, 32 bytes a frame, so
that chunks of a range write past each other. A frame whose mark is another one is removed before
its new mark is written, and made after: at whatever moment a run is killed, a frame that is there
is the one its mark tells of.

Runs that make the same may work in one folder at once, in chunks or on the same frames; a run that
makes others is refused until they have ended. Where a file system has no locks, the mark that is
looked at again before a frame gets its name keeps a wrong frame from being taken for a right one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.colour.match import OFF, ColourMatch, matches_picture
from inference.consent import RECORD as CONSENT
from inference.consent import consent_bytes
from inference.errors import InputError, LikenessError
from inference.files import file_error, write_whole, written_whole
from inference.frames import encode_frame, frame_suffix
from inference.inputs import sha256_of
from inference.jobs import LAYERS, SynthesizeJob
from inference.locks import work_together
from inference.mark.embed import payload_of
from inference.mouth.look import TeethLook, TeethLooks, constant
from inference.outputs import FolderKind, OwnedFolder, claim_folder
from inference.portrait import Portrait
from inference.provenance.facts import Facts, packet
from inference.track import LandmarkTrack

# Raised by hand when the pixels of a frame change for the same job: frames of an older version are
# then made again. The golden frames (tests/golden) say when that is.
PIXELS_VERSION = 13

PLACEMENT = "head.json"
JOB = "job.json"
MARKS = "frames.marks"
LOCK = "frames.lock"
MATTES = {"face": "matte_%06d.png", "channels": "matte_%06d.exr"}
UPRIGHT = "upright.png"
_VERSION = 1
_PATTERNS = {f"{layer}_%06d.{kind}" for layer in LAYERS for kind in ("png", "exr")}
_PATTERNS |= set(MATTES.values())
_MOST = 10**6  # frames: as many as six digits name
_MARK_SIZE = hashlib.sha256().digest_size

# Choices that do not change a frame's pixels, or not on purpose; those that are hashed as files;
# those that change the target landmarks alone, and those of the teeth, both hashed frame by frame.
_NOT_THE_PICTURE = {
    "out",
    "frames",
    "provider",
    "portrait",
    "model",
    "person",
    "tier",
    "matte",
    "alpha",
    "plate",
    "base",
    "note",
    "teeth_plate",
    "consent",  # by its id, in what the frames say of themselves
}
_THE_TARGET = {
    "track", "performance", "transfer", "neutral", "gains", "neutralize", "smooth_pose",
    "smooth_expression",
}  # fmt: skip
_THE_TEETH = {"teeth", "teeth_frames"}


def _made_before_records(folder: Path) -> bool:
    placement = _known(folder / PLACEMENT)
    return placement.get("likeness") == _VERSION and "fingerprint" in known_job(folder)


FRAMES = FolderKind(
    "head frames",
    (
        r"(head|person|full)_\d{6}\.(png|exr)", r"matte_\d{6}\.(png|exr)", r"upright\.png",
        r"head\.json", r"job\.json", r"frames\.marks", r"frames\.lock", r"pending\.png",
        r"used\.json", r"consent\.json",
    ),
    _made_before_records,
)  # fmt: skip


@dataclass(frozen=True)
class FrameFolder:
    """The folder of a job's frames; `pattern` takes the zero-based frame of the track.

    shared: the hash of what all frames share. teeth: how they look in each. matte: the pattern of
    what is wanted beside each frame, or "". alone: did no other run make the same frames when this
    one began?
    """

    owned: OwnedFolder
    pattern: str
    shared: bytes
    teeth: TeethLooks = field(default_factory=constant)
    matte: str = ""
    alone: bool = True

    @property
    def path(self) -> Path:
        return self.owned.path

    def frame(self, index: int) -> Path:
        return self.path / (self.pattern % index)

    def matte_of(self, index: int) -> Path:
        return self.path / (self.matte % index)

    def missing(self, targets: dict[int, NDArray[np.float32]]) -> list[int]:
        """The frames that are to be made; of these, old ones are removed and marks are set.

        A frame that is there without its wanted matte is among them.

        targets: target landmarks (478, 3) of each wanted frame.
        Raises InputError when the folder cannot be written, LikenessError when the disk is full.
        """
        path = self.owned.file(MARKS)
        patterns = _patterns(self.path)
        try:
            known = read_marks(self.path)
            changed: dict[int, bytes] = {}
            for index, points in targets.items():
                mark = frame_mark(self.shared, points, self.teeth.at(index))
                if not known.is_of(index, mark):
                    for pattern in patterns:
                        self.owned.file(pattern % index).unlink(missing_ok=True)
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
            index
            for index in targets
            if not self.frame(index).is_file()
            or (self.matte and not self.matte_of(index).is_file())
        ]

    def in_turn(self, frames: list[int]) -> list[int]:
        """The order in which to make frames: beside another run from anywhere, to share them."""
        start = 0 if self.alone or not frames else random.randrange(len(frames))
        return frames[start:] + frames[:start]

    def put(self, path: Path, data: bytes, index: int, points: NDArray[np.float32]) -> None:
        """Write a frame, or its matte, if the folder still wants that very one.

        Raises LikenessError when another run has changed what the frame is to be.
        """
        with written_whole(path) as part:
            part.write_bytes(data)
            with (self.path / MARKS).open("rb") as file:
                file.seek(index * _MARK_SIZE)
                wanted = file.read(_MARK_SIZE)
            if wanted != frame_mark(self.shared, points, self.teeth.at(index)):
                raise LikenessError(
                    f"{path}: another run began to make other frames in this folder; this one "
                    "has stopped, give each a folder of its own"
                )


@dataclass(frozen=True)
class Marks:
    """The marks of a folder's frames, 32 bytes each."""

    data: bytes

    def is_of(self, index: int, mark: bytes) -> bool:
        """Was the frame of this index made from what the mark tells of?"""
        return self.data[index * _MARK_SIZE : (index + 1) * _MARK_SIZE] == mark


def read_marks(folder: Path) -> Marks:
    """A folder's marks, none where it has none. OSError when they cannot be read."""
    path = folder / MARKS
    return Marks(path.read_bytes() if path.is_file() else b"")


def frame_mark(shared: bytes, points: NDArray[np.float32], teeth: TeethLook) -> bytes:
    """A frame's mark. shared: as `shared_mark` makes it. points: its target landmarks (478, 3).
    teeth: how they look in it.
    """
    digest = hashlib.sha256(shared + points.tobytes())
    digest.update(json.dumps(asdict(teeth), sort_keys=True).encode())
    return digest.digest()


def frame_pattern(job: SynthesizeJob) -> str:
    """The names of a job's frames; it takes the zero-based frame of the track."""
    return f"{job.layer}_%06d{frame_suffix(job.format)}"


@contextlib.contextmanager
def open_frames(
    job: SynthesizeJob,
    portrait: Portrait,
    track: LandmarkTrack,
    shared: bytes,
    match: ColourMatch | None = None,
    begun: Callable[[OwnedFolder], None] | None = None,
    teeth: TeethLooks | None = None,
    facts: Facts | None = None,
) -> Iterator[FrameFolder]:
    """The job's folder, made and claimed, for as long as the block lasts.

    shared: as `shared_mark` makes it. match: the colour match that all frames get, for the record.
    begun: fills the folder where it is new, before its frames are looked at. teeth: how they look
    in each frame; None: as the job's do in all. facts: what a movie of them is to say of itself.
    Its sidecars are written, and what can be no frame of this job is removed, of our own files.
    Raises InputError when it is not ours, another run is at it, or it cannot be written.
    """
    pattern = frame_pattern(job)
    _refuse_strangers(job, pattern, len(track), portrait.picture.turned)
    owned = claim_folder(job.out, FRAMES, _inputs(job))
    looks = teeth or constant(job.teeth)
    with work_together(owned.file(LOCK), _run_key(job, shared, track, looks)) as work:
        matte = MATTES.get(job.matte, "")
        folder = FrameFolder(owned, pattern, shared, looks, matte, work.alone)
        if work.alone:
            for part in owned.parts():
                part.unlink(missing_ok=True)
        _remove_stale(folder, len(track))
        _write_sidecars(folder, job, portrait, track, match, facts)
        if begun is not None:
            begun(owned)
        work.share()
        yield folder


def shared_mark(job: SynthesizeJob, files: list[str]) -> bytes:
    """A hash over what decides all frames' pixels: files by content, choices by value.

    files: the SHA-256 of each file as it was read: pictures, network, the person's vector, the
    picture to match. What was made from them, such as the match, may differ by a rounding on
    another machine of a farm, which then would clear away this one's frames.
    """
    digest = hashlib.sha256(f"pixels {PIXELS_VERSION}".encode())
    digest.update("".join(files).encode())
    skipped = _NOT_THE_PICTURE | _THE_TARGET | _THE_TEETH
    if job.match == OFF or job.match_strength == 0:
        skipped = skipped | {"match", "match_strength"}
    elif matches_picture(job.match):
        skipped = skipped | {"match"}
    choices = {k: _plain(v) for k, v in asdict(job).items() if k not in skipped}
    digest.update(json.dumps(choices, sort_keys=True).encode())
    return digest.digest()


def _run_key(job: SynthesizeJob, shared: bytes, track: LandmarkTrack, teeth: TeethLooks) -> bytes:
    """The same for runs that would make the same frame of each index, and only for those."""
    digest = hashlib.sha256(shared)
    digest.update(track.points.tobytes())
    digest.update(track.valid.tobytes())
    digest.update(json.dumps(asdict(teeth), sort_keys=True).encode())
    choices = {**target_choices(job), "matte": job.matte}  # the motion by what is in it, above
    digest.update(json.dumps(choices, sort_keys=True).encode())
    return digest.hexdigest().encode()


def _inputs(job: SynthesizeJob) -> list[Path]:
    given = [*job.portrait, job.track, job.performance, job.model, job.alpha, job.plate]
    given += [job.teeth_frames, job.teeth_plate]
    if matches_picture(job.match):
        given.append(Path(job.match))
    return [path for path in given if path is not None]


def _patterns(folder: Path) -> set[str]:
    """The patterns of the frames and mattes that the folder's sidecars name as its own."""
    named = known_job(folder).get("patterns")
    if named is None:  # made before they were listed
        placement = known_placement(folder)
        named = [placement.get("pattern"), placement.get("matte")]
    return {p for p in named if p in _PATTERNS} if isinstance(named, list) else set()


def frame_names(folder: Path) -> set[str]:
    """The frames and mattes that the folder's sidecars name as its own."""
    count = known_placement(folder).get("count")
    if not isinstance(count, int) or not 0 < count <= _MOST:
        return set()
    return {pattern % index for pattern in _patterns(folder) for index in range(count)}


def _refuse_strangers(job: SynthesizeJob, pattern: str, count: int, upright: bool) -> None:
    """In a folder of ours too there may lie a file that our sidecars do not name."""
    if not job.out.is_dir():
        return
    ours = frame_names(job.out) | {str(known_placement(job.out).get("portrait"))}
    ours |= {CONSENT} if known_job(job.out).get("consent") else set()
    wanted = {pattern % index for index in range(count)} | ({UPRIGHT} if upright else set())
    wanted |= {CONSENT} if job.consent else set()
    if job.matte in MATTES:
        wanted |= {MATTES[job.matte] % index for index in range(count)}
    strangers = sorted(path.name for path in job.out.iterdir() if path.name in wanted - ours)
    if strangers:
        raise InputError(
            f"{job.out / strangers[0]}: is there already and was not made by Likeness;"
            " choose another folder, an empty one is best"
        )


def _remove_stale(folder: FrameFolder, count: int) -> None:
    """Remove our own frames that can be none of this job: of another kind, or beyond its end.

    Those of other pixels go as their marks are set. A matte that is not wanted now may be again.
    """
    kept = {pattern % index for pattern in _kept_patterns(folder) for index in range(count)}
    for name in sorted(frame_names(folder.path) - kept):
        try:
            if FRAMES.pattern.fullmatch(name) and not (folder.path / name).is_symlink():
                (folder.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise file_error(error, folder.path / name) from error


def _kept_patterns(folder: FrameFolder) -> set[str]:
    same = known_job(folder.path).get("fingerprint") == folder.shared.hex()
    known = _patterns(folder.path) & set(MATTES.values()) if same else set()
    return {folder.pattern, *known} | ({folder.matte} if folder.matte else set())


def _write_sidecars(
    folder: FrameFolder,
    job: SynthesizeJob,
    portrait: Portrait,
    track: LandmarkTrack,
    match: ColourMatch | None,
    facts: Facts | None,
) -> None:
    box = portrait.box
    whole = job.layer != "head"
    size = portrait.picture.size
    shown = str(portrait.path.resolve())
    if portrait.picture.turned:
        # Blender shows the pixels as they are stored: it gets an upright copy.
        shown = UPRIGHT
        form = "png16" if portrait.picture.rgb.dtype == np.uint16 else "png"
        write_whole(folder.owned.file(UPRIGHT), encode_frame(portrait.picture.rgb, None, form))
    placement: dict[str, object] = {
        "likeness": _VERSION,
        "portrait": shown,
        "portrait_size": list(size),
        "box": [0, 0, *size] if whole else [box.x, box.y, box.width, box.height],
        "rate": [track.rate.numerator, track.rate.denominator],
        "first": 0,
        "count": len(track),
        "pattern": folder.pattern,
        "matte": MATTES.get(job.matte),
        "layer": job.layer,
        "alpha": "premultiplied" if job.format == "exr" else "straight",
        "gaps": [i for i, valid in enumerate(track.valid.tolist()) if not valid],
    }
    if match:
        placement["match"] = match.facts()
    payload = f"{payload_of(portrait.picture.sha256):08x}"
    placement["mark"] = {"strength": job.mark, "payload": payload} if job.mark else "off"
    if facts:
        placement["xmp"] = packet(facts).decode()
    patterns = sorted(_kept_patterns(folder))
    _write(folder.owned.file(PLACEMENT), placement)
    _write_consent(folder, job)
    asked = {key: _plain(value) for key, value in asdict(job).items()}
    content: dict[str, object] = {
        "fingerprint": folder.shared.hex(),
        "patterns": patterns,
        "consent": job.consent.id if job.consent else None,
        "motion": _hash_of(job.performance or job.track),
        "begun": known_job(folder.path).get("begun")
        or datetime.now(UTC).isoformat("T", "milliseconds"),
        "job": {"do": "synthesize", **asked},
    }
    _write(folder.owned.file(JOB), content)


def _write_consent(folder: FrameFolder, job: SynthesizeJob) -> None:
    """The record beside the frames. Before job.json, which names it as ours."""
    if job.consent:
        write_whole(folder.owned.file(CONSENT), consent_bytes(job.consent))
    elif known_job(folder.path).get("consent"):
        folder.owned.file(CONSENT).unlink(missing_ok=True)


def _known(path: Path) -> dict[str, object]:
    """A sidecar's content; nothing where it is missing or is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def known_job(folder: Path) -> dict[str, object]:
    """What a folder's job.json says; nothing where there is none."""
    return _known(folder / JOB)


def known_placement(folder: Path) -> dict[str, object]:
    """What a folder's head.json says; nothing where there is none."""
    return _known(folder / PLACEMENT)


def target_choices(job: SynthesizeJob) -> dict[str, object]:
    """What decides a job's target landmarks, but for the motion's own file, as job.json has it."""
    asked = {key: _plain(value) for key, value in asdict(job).items()}
    return {key: asked[key] for key in sorted(_THE_TARGET - {"track", "performance"})}


def _hash_of(path: Path | None) -> str:
    if path is None:
        return ""
    return sha256_of(path)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _write(path: Path, content: dict[str, object]) -> None:
    write_whole(path, json.dumps(content, indent=1).encode())
