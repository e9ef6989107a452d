# SPDX-License-Identifier: GPL-3.0-or-later
"""Score one clip: make its frames by every method, find their faces, measure both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export.evaluation.clips import RUN, EvaluationClip, detect
from export.evaluation.measures import (
    compare_faces,
    compare_pictures,
    find_regions,
    jitter,
    pose_error,
)
from export.evaluation.reenact import (
    METHODS,
    PERSONALIZED,
    MadeFrame,
    crop_in_picture,
    reenact_other,
    reenact_self,
)
from inference.capture.appearance import Features, face_features
from inference.generator.model import Generator
from inference.performance.face.measures import eye_opening, mouth_opening

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]
Scores = dict[str, float]  # measure -> value; NaN where there was nothing to measure


@dataclass(frozen=True)
class Shown:
    """One target to look at: the real picture and each method's, of the crop."""

    frame: int
    real: Picture
    made: dict[str, Picture]


@dataclass(frozen=True)
class ClipResult:
    """One clip's figures: of itself by `shots` sources, or on another person's picture.

    scores: method -> measure -> mean over the targets. features: method -> (F, D). lost: method
    -> frames in which no face was found. turned: of each target, by how many degrees the head is
    turned from the first source, and the generator's scores. shown: the most open mouth, the most
    closed eyes.
    """

    clip: str
    person: str
    shots: int
    frames: int
    scores: dict[str, Scores]
    features: dict[str, Features]
    lost: dict[str, int]
    turned: tuple[tuple[float, Scores], ...] = ()
    shown: tuple[Shown, Shown] | None = None


@dataclass(frozen=True)
class RealClip:
    """The real frames' identity features: of the sources (T, D) and the targets (F, D)."""

    clip: str
    person: str
    sources: Features
    targets: Features


def measure_self(
    clip: EvaluationClip, shots: int, generator: Generator, personal: Generator | None = None
) -> ClipResult:
    """Self-reenactment of one clip from `shots` sources, against its real frames.

    personal: the person's own generator, if it is to be measured beside.
    """
    area = crop_in_picture(clip)
    frames = list(reenact_self(clip, shots, generator, personal))
    regions = [find_regions(made.wanted, area, clip.track.size) for made in frames]
    per_frame: dict[str, list[Scores]] = {
        method: [
            compare_pictures(made.pictures[method], clip.pictures[made.frame], region)
            for made, region in zip(frames, regions, strict=True)
        ]
        for method in _methods(personal)
    }
    # Real frames are measured as made ones are, so what a detector adds is in both.
    wanted = list(clip.found)
    result = _result(clip, clip, shots, frames, wanted, per_frame)
    turned = [pose_error(made.wanted, made.source) for made in frames]
    rows = tuple(zip(turned, per_frame["generator"], strict=True))
    return replace(result, turned=rows, shown=_show(clip, frames))


def measure_cross(
    driver: EvaluationClip,
    person: EvaluationClip,
    generator: Generator,
    personal: Generator | None = None,
) -> ClipResult:
    """Cross-reenactment: nothing real to compare with but where the landmarks ought to be."""
    frames = list(reenact_other(driver, person, generator, personal))
    wanted: list[Points | None] = [made.wanted for made in frames]
    nothing: dict[str, list[Scores]] = {method: [] for method in _methods(personal)}
    return _result(driver, person, 0, frames, wanted, nothing)


def _methods(personal: Generator | None) -> tuple[str, ...]:
    return METHODS if personal is None else (*METHODS, PERSONALIZED)


def describe_real(clip: EvaluationClip) -> RealClip:
    """What the person looks like in the real frames."""
    found = [
        (clip.pictures[frame], face)
        for frame, face in zip(clip.targets, clip.found, strict=True)
        if face is not None
    ]
    sources = [(clip.pictures[frame], clip.track.points[frame]) for frame in clip.sources]
    return RealClip(clip.name, clip.person, _features(sources), _features(found))


def _result(
    driver: EvaluationClip,
    person: EvaluationClip,
    shots: int,
    frames: list[MadeFrame],
    wanted: list[Points | None],
    per_frame: dict[str, list[Scores]],
) -> ClipResult:
    scores, features, lost = {}, {}, {}
    shaking = jitter(list(driver.found), RUN)
    for method in per_frame:
        found = _found(method, frames)
        faces = [
            compare_faces(face, real)
            for face, real in zip(found, wanted, strict=True)
            if real is not None
        ]
        scores[method] = {
            **_mean(per_frame[method]),
            **_mean(faces),
            "jitter": jitter(found, RUN) / max(shaking, 1e-6),
        }
        features[method] = _features(
            [
                (made.pictures[method], face)
                for made, face in zip(frames, found, strict=True)
                if face is not None
            ]
        )
        lost[method] = sum(face is None for face in found)
    name = driver.name if shots else f"{driver.name} -> {person.name}"
    return ClipResult(name, person.person, shots, len(frames), scores, features, lost)


def _found(method: str, frames: list[MadeFrame]) -> list[Points | None]:
    if method == "source":  # a real frame, and known
        return [made.source for made in frames]
    return detect([made.pictures[method] for made in frames])


def _features(faces: list[tuple[Picture, Points]]) -> Features:
    rows = [face_features(picture, points) for picture, points in faces]
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)


def _mean(scores: list[Scores]) -> Scores:
    """Over the frames in which a measure could be taken."""
    means = {}
    for name in scores[0] if scores else ():
        values = np.array([score[name] for score in scores])
        values = values[~np.isnan(values)]
        means[name] = float(values.mean()) if len(values) else float("nan")
    return means


def _show(clip: EvaluationClip, frames: list[MadeFrame]) -> tuple[Shown, Shown]:
    area = crop_in_picture(clip)

    def shown(made: MadeFrame) -> Shown:
        return Shown(
            made.frame,
            clip.pictures[made.frame][area],
            {method: picture[area] for method, picture in made.pictures.items()},
        )

    return (
        shown(max(frames, key=lambda made: mouth_opening(made.wanted))),
        shown(min(frames, key=lambda made: eye_opening(made.wanted))),
    )
