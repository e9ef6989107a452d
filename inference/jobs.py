# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: what can be asked for, as data that the command line, the worker and a farm share.

A job travels as one JSON object: "do" names it, "id" marks its events, the other keys are the
dataclass's fields; paths are strings, `frames` is [first, last], zero-based and both included.
"""

from __future__ import annotations

import os
import types
import typing
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from inference.consent import Consent
from inference.errors import InputError
from inference.inputs import LARGEST_WHOLE
from inference.mouth.look import MEAN, TeethLook
from inference.performance.retargeting.gains import AS_ACTED, Gains

LAYERS = ("head", "person", "full")
TRANSFERS = ("relative", "absolute")
MATTES = ("off", "face", "channels")
FORMATS = ("png", "png16", "exr")
PROVIDERS = ("auto", "cuda", "cpu")


@dataclass(frozen=True)
class CaptureJob:
    """Footage -> a landmark track at `out`. face: its stable number; None: the largest.

    footage: a movie, a folder of numbered pictures or the first of them. rate: of such pictures,
    frames a second as [numerator, denominator]; None: 24. crop, mirror: what is seen of it, as of
    `inference.capture.framing.Framing`; None: all, as it is.
    """

    footage: Path
    out: Path
    face: int | None = None
    frames: tuple[int, int] | None = None
    rate: tuple[int, int] | None = None
    crop: tuple[float, float, float, float] | None = None
    mirror: tuple[bool, bool] | None = None


@dataclass(frozen=True)
class PerformanceJob:
    """Track -> an editable performance at `out`.

    neutral: the driver's neutral frame; None: found. smooth_pose, smooth_expression: 0 (as
    captured) to 1. fill: the longest gap, in frames, that is bridged. lens: the camera's focal
    length in mm where the picture's longer side is 36 mm, 8 to 1000; 0: unknown.
    """

    track: Path
    out: Path
    neutral: int | None = None
    smooth_pose: float = 0.0
    smooth_expression: float = 0.0
    fill: int = 0
    lens: float = 0.0


@dataclass(frozen=True)
class SpeechJob:
    """Sound -> a performance at `out` that speaks it.

    sound: a recording, or a video with sound. text, text_file: what is said, in English; timed: a
    timed text instead, in whatever language. style: "calm", "plain" or "lively". idle: 0 (the mouth
    alone moves) to 1; seed: of it. rate: frames a second as [numerator, denominator].
    begin, end: the part of the sound, in seconds; None: to its end. actor: a performance that keeps
    all but its mouth, and its rate; actor_at: seconds of that part of the sound at which its first
    frame lies, actor_speed: seconds of the sound that pass in one of the actor's.
    """

    sound: Path
    out: Path
    text: str | None = None
    text_file: Path | None = None
    timed: Path | None = None
    style: str = "plain"
    idle: float = 1.0
    seed: int = 1
    rate: tuple[int, int] = (25, 1)
    begin: float = 0.0
    end: float | None = None
    actor: Path | None = None
    actor_at: float = 0.0
    actor_speed: float = 1.0


@dataclass(frozen=True)
class SynthesizeJob:
    """Portrait and motion -> head frames in the folder `out`.

    portrait: pictures of one person, the first is the one that leads. portrait_face: which face
    in it. track or performance: the motion, one of the two.
    transfer: one of TRANSFERS. neutral: the driver's neutral frame; None: found, or the
    performance's own. gains: by region. neutralize: take the portrait's own expression away
    first. smooth_pose, smooth_expression: of the motion, 0 (as it is) to 1.
    tier: "draft" or "final"; instead model: an ONNX file, or person: a folder that
    `python -m export personalize` made. layer: one of LAYERS.
    feather: softness of the head's edge, in units of the crop's side, 0 (as narrow as it may be)
    to 0.25. matte: one of MATTES, what is written beside each frame: the face's own region as an
    8-bit grey picture, or the mattes of the person and its parts as channels of an EXR.
    format: one of FORMATS. provider: one of PROVIDERS.
    match: "off"; "portrait": the network's colours keep to the portrait's palette; or a picture's
    path: that, and the head is graded towards the picture. match_strength: 0 to 1 of it.
    alpha, plate: pictures of the artist's own, of the person's matte and of what lies behind the
    person. box: move the head with what surrounds it, as a soft-edged box. teeth: how those look
    that are drawn where the portrait shows none; teeth_frames: a table in which that changes from
    frame to frame (`inference.mouth.look.read_looks`); teeth_plate: a picture that is painted on
    them (`inference.mouth.plate`).
    mark: strength of the invisible mark in the skin, 0 (off) to 1 (`inference.mark`).
    base: a folder of earlier frames, which are never changed. Where this job would only add to
    them it works there; else `out` is a version of its own, and what stays as it was is linked.
    note: a line on what is new, kept beside the frames. consent: the record of whose face this is
    and why it may be animated. preview: the frames are marked as previews, in their pixels.
    """

    portrait: tuple[Path, ...]
    track: Path | None
    out: Path
    portrait_face: int | None = None
    transfer: str = "relative"
    neutral: int | None = None
    tier: str = "draft"
    model: Path | None = None
    person: Path | None = None
    layer: str = "head"
    format: str = "png"
    frames: tuple[int, int] | None = None
    provider: str = "auto"
    performance: Path | None = None
    gains: Gains = AS_ACTED
    neutralize: bool = False
    feather: float = 0.0
    smooth_pose: float = 0.0
    smooth_expression: float = 0.0
    matte: str = "off"
    match: str = "portrait"
    match_strength: float = 1.0
    alpha: Path | None = None
    plate: Path | None = None
    box: bool = False
    teeth: TeethLook = MEAN
    base: Path | None = None
    note: str = ""
    teeth_frames: Path | None = None
    teeth_plate: Path | None = None
    mark: float = 1.0
    consent: Consent | None = None
    preview: bool = False


@dataclass(frozen=True)
class LayersJob:
    """Portrait -> its matte, the person cut out and the clean plate, as pictures in `out`.

    portrait_face, alpha, plate: as of SynthesizeJob.
    """

    portrait: Path
    out: Path
    portrait_face: int | None = None
    alpha: Path | None = None
    plate: Path | None = None


@dataclass(frozen=True)
class TeethJob:
    """Portrait -> a plate of teeth to paint on, at `out`, a PNG that is not there yet.

    portrait_face: as of SynthesizeJob.
    """

    portrait: Path
    out: Path
    portrait_face: int | None = None


@dataclass(frozen=True)
class FacesJob:
    """Picture -> its faces, with thumbnails and landmarks in the folder `out`.

    keep: a copy of the picture is kept in `out` and named as the picture.
    """

    picture: Path
    out: Path
    keep: bool = False


@dataclass(frozen=True)
class SignJob:
    """Sign the movie, picture or folder of frames at `path`.

    out: None: a movie beside it, of a folder its contact sheet. head: the head frames that a movie
    was made of. driver: the actor's footage.
    """

    path: Path
    out: Path | None = None
    head: Path | None = None
    driver: Path | None = None


@dataclass(frozen=True)
class VerifyJob:
    """Look which marks the file or folder at `path` carries."""

    path: Path


@dataclass(frozen=True)
class CheckJob:
    """What the worker runs on, in ten lines. provider: as of SynthesizeJob; tier: the timed one."""

    provider: str = "auto"
    tier: str = "draft"


@dataclass(frozen=True)
class CancelJob:
    """End the job named by `job`, queued or running, within one frame."""

    job: str


@dataclass(frozen=True)
class StopJob:
    """Finish what is queued, then end the worker."""


Work = (
    CaptureJob
    | PerformanceJob
    | SpeechJob
    | SynthesizeJob
    | LayersJob
    | TeethJob
    | FacesJob
    | CheckJob
    | SignJob
    | VerifyJob
)
Job = Work | CancelJob | StopJob

_KINDS: dict[str, type[Job]] = {
    "capture": CaptureJob,
    "performance": PerformanceJob,
    "speech": SpeechJob,
    "synthesize": SynthesizeJob,
    "layers": LayersJob,
    "teeth": TeethJob,
    "faces": FacesJob,
    "sign": SignJob,
    "verify": VerifyJob,
    "check": CheckJob,
    "cancel": CancelJob,
    "stop": StopJob,
}


def parse_job(message: dict[str, Any]) -> Job:
    """Check a JSON object without its "id" against the schema and build the job.

    Raises InputError for an unknown job, an unknown or missing field, or a wrong type.
    """
    name = message.get("do")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InputError(f"there is no job {name!r}; the jobs are {', '.join(_KINDS)}")
    given = {key: value for key, value in message.items() if key != "do"}
    if kind is SynthesizeJob and isinstance(given.get("matte"), bool):
        given["matte"] = "face" if given["matte"] else "off"  # as it was before there was a choice
    job: Job = _build(given, kind, f"job '{name}'")
    return unmarked_only_with_consent(job) if isinstance(job, SynthesizeJob) else job


def unmarked_only_with_consent(job: SynthesizeJob) -> SynthesizeJob:
    """What a person asks for is a preview, and marked as one, unless consent is on record."""
    return replace(job, preview=job.preview or job.consent is None)


def _build(given: dict[str, Any], kind: Any, where: str) -> Any:
    """The dataclass `kind` from a JSON object's entries."""
    known = {field.name: field for field in fields(kind)}
    for key in given:
        if key not in known:
            raise InputError(f"{where} has no field '{key}'; it has {', '.join(known)}")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, field in known.items():
        if key in given:
            values[key] = _convert(given[key], hints[key], f"{where}, field '{key}'")
        elif types.NoneType in typing.get_args(hints[key]):
            values[key] = None
        elif field.default is MISSING:
            raise InputError(f"{where} needs the field '{key}'")
    return kind(**values)


def _convert(value: Any, wanted: Any, where: str) -> Any:
    """A JSON value as the annotated type, or a clear line."""
    if isinstance(wanted, types.UnionType):
        if value is None:
            return None
        (wanted,) = (option for option in typing.get_args(wanted) if option is not types.NoneType)
    if typing.get_origin(wanted) is tuple:
        return _convert_list(value, typing.get_args(wanted), where)
    if wanted is Path and isinstance(value, str) and value:
        return _path(value, where)
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return checked_whole(value, where)
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return checked_number(value, where)
    if (wanted is str and isinstance(value, str)) or (wanted is bool and isinstance(value, bool)):
        return value
    if is_dataclass(wanted) and isinstance(value, dict):
        return _build(value, wanted, where)
    names = {
        Path: "a path", int: "a whole number", float: "a number", str: "a text",
        bool: "true or false", Gains: "an object", TeethLook: "an object",
        Consent: "an object",
    }  # fmt: skip
    raise InputError(f"{where} is {value!r}, but must be {names.get(wanted, wanted)}")


def checked_whole(value: int, where: str) -> int:
    """A whole number that can be meant. Raises InputError."""
    if abs(value) > LARGEST_WHOLE:
        raise InputError(f"{where} is a number of {value.bit_length()} bits, too large to be meant")
    return value


def checked_number(value: float, where: str) -> float:
    """A number that can be meant: a finite one that a float holds. Raises InputError."""
    if not abs(value) <= LARGEST_WHOLE:
        raise InputError(f"{where} is too large to be meant, or not a number")
    return float(value)


def _path(text: str, where: str) -> Path:
    """A name that a file can have; bytes that are no text come as \\udc80 to \\udcff."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise InputError(f"{where} is no name that a file can have") from None
    if "\0" in text:
        raise InputError(f"{where} is no name that a file can have")
    return Path(text)


def _convert_list(value: Any, wanted: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise InputError(f"{where} is {value!r}, but must be a list")
    if wanted[-1] is Ellipsis:
        if not value:
            raise InputError(f"{where} is an empty list")
        return tuple(_convert(item, wanted[0], where) for item in value)
    if len(value) != len(wanted):
        raise InputError(f"{where} must have {len(wanted)} entries")
    return tuple(_convert(item, kind, where) for item, kind in zip(value, wanted, strict=True))
