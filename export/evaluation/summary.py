# SPDX-License-Identifier: GPL-3.0-or-later
"""From clips to people to means, who wins, and how much the generator gains on the warp."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.evaluation.evaluate import Evaluated
from export.evaluation.identity import likeness
from export.evaluation.reenact import PERSONALIZED
from export.evaluation.score import ClipResult, Scores

ByMethod = dict[str, Scores]


@dataclass(frozen=True)
class Measure:
    """title: of its column. better: "more", "less", or "one" when 1 is best. words: what it is."""

    title: str
    better: str
    words: str
    digits: int = 3


MEASURES = {
    "ssim": Measure("SSIM", "more", "structural similarity of luma, window 11, sigma 1.5; the "
                    "crop's part of the picture. Blur raises it"),
    "ssim_face": Measure("SSIM face", "more", "the same in the box around the face"),
    "ssim_lips": Measure("SSIM lips", "more", "the same in the box around the lips"),
    "ssim_eyes": Measure("SSIM eyes", "more", "the same in the boxes around both eyes"),
    "psnr": Measure("PSNR", "more", "of all colours, dB", 2),
    "psnr_face": Measure("PSNR face", "more", "the same in the box around the face, dB", 2),
    "mouth_l1": Measure("L1 mouth", "less", "mean difference of colours (0 to 255) inside the "
                        "real lips, in frames that open them", 1),
    "landmarks": Measure("landmarks", "less", "landmarks found in the result against those found "
                         "in the real frame (cross: asked for), % of the eye distance", 2),
    "landmarks_mouth": Measure("lm mouth", "less", "the same for the lips", 2),
    "landmarks_eyes": Measure("lm eyes", "less", "the same for lids and irises", 2),
    "eye_opening": Measure("eye opening", "less", "difference of the lids' gap, % of the eye's "
                           "width", 2),
    "pose": Measure("pose", "less", "angle between the heads, degrees", 2),
    "sharpness": Measure("sharpness", "one", "energy of the gradient in the face, result over "
                         "real", 2),
    "gmsd": Measure("GMSD", "less", "gradient magnitude similarity deviation of the crop's part"),
    "jitter": Measure("jitter", "one", "mean change of the landmarks' speed, result over "
                      "driver", 2),
    "identity": Measure("identity", "more", "cosine of an embedder that says who it is"),
}  # fmt: skip
WINS = ("ssim_lips", "ssim_eyes")


@dataclass(frozen=True)
class Summary:
    """One setting: people -> method -> measure -> value, the mean of the people, and more.

    wins: share of people on whom the generator beats the warp, by WINS and at "both".
    gain: measure -> generator less warp, of the means. personal_wins, personal_gain: likewise the
    personalized generator over the generator; empty where nobody was fine-tuned on.
    lost: method -> frames without a face.
    """

    people: dict[str, ByMethod]
    mean: ByMethod
    wins: dict[str, float]
    gain: Scores
    personal_wins: dict[str, float]
    personal_gain: Scores
    frames: int
    lost: dict[str, int]


@dataclass(frozen=True)
class IdentityScale:
    """What the identity figures mean: real frames of a person's first half against their second.

    same: mean cosine with the person's own; other: with other people's; right: share of frames
    nearest to their own person.
    """

    same: float
    other: float
    right: float


def summarise(evaluated: Evaluated, results: list[ClipResult]) -> Summary:
    """Gather results of one setting; every person counts the same, however many clips there are."""
    persons, middle = _persons(evaluated)
    methods = tuple(results[0].scores)
    by_person: dict[str, list[ByMethod]] = defaultdict(list)
    for result in results:
        scores = {
            method: {
                **result.scores[method],
                "identity": likeness(result.features[method], persons[result.person], middle),
            }
            for method in methods
        }
        by_person[result.person].append(scores)
    people = {person: _mean(clips) for person, clips in sorted(by_person.items())}
    mean = _mean(people.values())
    return Summary(
        people,
        mean,
        _wins(people, "generator", "warp"),
        _gain(mean, "generator", "warp"),
        _wins(people, PERSONALIZED, "generator"),
        _gain(mean, PERSONALIZED, "generator"),
        sum(result.frames for result in results),
        {method: sum(result.lost[method] for result in results) for method in methods},
    )


def identity_scale(evaluated: Evaluated) -> IdentityScale:
    """How well the identity embedder tells these very people apart."""
    persons, middle = _persons(evaluated)
    same, other, right = [], [], []
    for real in evaluated.real:
        for features in real.sources:
            found = {
                name: likeness(features[None], person, middle) for name, person in persons.items()
            }
            same.append(found[real.person])
            other += [value for name, value in found.items() if name != real.person]
            right.append(max(found, key=lambda name: found[name]) == real.person)
    return IdentityScale(
        float(np.mean(same)), float(np.mean(other)) if other else math.nan, float(np.mean(right))
    )


def _persons(
    evaluated: Evaluated,
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """Each person's mean real face, and the middle of all people (zeros when there is one)."""
    rows: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for real in evaluated.real:
        rows[real.person].append(real.targets if len(real.targets) else real.sources)
    persons = {name: np.concatenate(parts).mean(axis=0) for name, parts in rows.items()}
    middle = np.mean(list(persons.values()), axis=0)
    return persons, middle if len(persons) > 1 else np.zeros_like(middle)


def _mean(parts: Iterable[ByMethod]) -> ByMethod:
    """Measure by measure over what has it."""
    parts = list(parts)
    means: ByMethod = {}
    for method in parts[0]:
        names = dict.fromkeys(name for part in parts for name in part[method])
        means[method] = {}
        for name in names:
            values = [part[method].get(name, math.nan) for part in parts]
            values = [value for value in values if not math.isnan(value)]
            means[method][name] = sum(values) / len(values) if values else math.nan
    return means


def _gain(mean: ByMethod, method: str, other: str) -> Scores:
    if method not in mean:
        return {}
    return {name: mean[method][name] - value for name, value in mean[other].items()}


def _wins(people: dict[str, ByMethod], method: str, other: str) -> dict[str, float]:
    won = {
        name: [scores[method][name] > scores[other][name] for scores in people.values()]
        for name in WINS
        if all(name in scores.get(method, {}) for scores in people.values())
    }
    if len(won) < len(WINS) or not people:
        return {}
    won["both"] = [all(row) for row in zip(*won.values(), strict=True)]
    return {name: sum(row) / len(row) for name, row in won.items()}
