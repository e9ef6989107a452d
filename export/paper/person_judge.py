# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's generator of the paper on frames of the person's clip that nothing was made of.

Self-reenactment as `export.evaluation` has it: pictures from the clip's first half, targets from
its second; its measures, its identity. Made faces are laid flat by the landmarks that drove them,
so that a picture in which no face could be found counts too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.data.shards import PreparedData
from export.evaluation.identity import EMBEDDER, likeness
from export.evaluation.measures import compare_pictures, find_regions
from export.networks.paper import PersonalPaperGenerator
from export.paper.person import show
from export.paper.person_pictures import SIZE, ClipHalves, PaperView, unseen_view
from inference.capture.appearance import Features, face_features

Picture = NDArray[np.uint8]

_WHOLE = (slice(0, SIZE), slice(0, SIZE))


@dataclass(frozen=True)
class Unseen:
    """What was found: before is feed-forward, after is personalized; measures by name, means.

    real_identity: what the real frames themselves reach, the most there is. people: of how many
    the middle was taken. targets, made: pictures (F, 256, 256, 3), made by "before" and "after".
    """

    clip: str
    person: str
    split: str
    people: int
    before: dict[str, float]
    after: dict[str, float]
    real_identity: float
    targets: tuple[Picture, ...]
    made: dict[str, tuple[Picture, ...]]

    def plain(self) -> dict[str, object]:
        """All but the pictures."""
        return {
            "clip": self.clip,
            "person": self.person,
            "split": self.split,
            "frames": len(self.targets),
            "people_of_the_middle": self.people,
            "identity_embedder": EMBEDDER,
            "real_identity": self.real_identity,
            "before": self.before,
            "after": self.after,
        }

    def line(self) -> str:
        """Both figures that matter, in one line."""
        return (
            f"{self.clip} ({self.split}), {len(self.targets)} unseen frames: "
            f"SSIM {self.before['ssim']:.3f} -> {self.after['ssim']:.3f}, "
            f"identity {self.before['identity']:.3f} -> {self.after['identity']:.3f} "
            f"(real frames: {self.real_identity:.3f})"
        )


def judge_unseen(
    halves: ClipHalves, before: PersonalPaperGenerator, after: PersonalPaperGenerator
) -> Unseen:
    """Compare two generators of the clip's person on its second half."""
    record, view = halves.data.records[halves.clip], unseen_view(halves)
    targets = as_pictures((view.target + 1) / 2)
    points = view.points.numpy()
    real = np.stack([face_features(*pair) for pair in zip(targets, points, strict=True)])
    middle, people = _middle(halves.data)
    person = real.mean(axis=0)
    made = {
        "before": as_pictures(show(before, view.lines)),
        "after": as_pictures(show(after, view.lines)),
    }
    scores = {
        name: _scores(pictures, targets, view, person, middle) for name, pictures in made.items()
    }
    return Unseen(
        record.name,
        record.identity,
        record.split,
        people,
        scores["before"],
        scores["after"],
        likeness(real, person, middle),
        targets,
        made,
    )


def as_pictures(batch: object) -> tuple[Picture, ...]:
    """(N, 3, H, W) in [0, 1] as pictures (H, W, 3)."""
    pixels = np.asarray(batch).transpose(0, 2, 3, 1)
    return tuple(np.round(pixels.clip(0, 1) * 255).astype(np.uint8))


def _scores(
    made: tuple[Picture, ...],
    targets: tuple[Picture, ...],
    view: PaperView,
    person: Features,
    middle: Features,
) -> dict[str, float]:
    points = view.points.numpy()
    rows = [
        compare_pictures(picture, target, find_regions(face, _WHOLE, (SIZE, SIZE)))
        for picture, target, face in zip(made, targets, points, strict=True)
    ]
    found = np.stack([face_features(*pair) for pair in zip(made, points, strict=True)])
    means = {name: _mean([row[name] for row in rows]) for name in rows[0]}
    return {"identity": likeness(found, person, middle), **means}


def _mean(values: list[float]) -> float:
    """Of the frames in which there was something to measure; 0 where there was none at all."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else 0.0


def _middle(data: PreparedData) -> tuple[Features, int]:
    """The mean face of all people of the data, a frame of each, and how many they are."""
    first: dict[str, int] = {}
    for index, record in enumerate(data.records):
        if not record.still:
            first.setdefault(record.identity, index)
    faces = []
    for index in first.values():
        clip = data.clip(index)
        frame = clip.record.frames // 2
        faces.append(face_features(clip.picture(frame), clip.points(frame)))
    middle = np.mean(faces, axis=0)
    # Seen from a single person's own face that person would be nothing.
    return (middle if len(faces) > 1 else np.zeros_like(middle)), len(faces)
