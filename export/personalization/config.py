# SPDX-License-Identifier: GPL-3.0-or-later
"""What a personalization is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from export.data.augment import Strength

MOST_PICTURES = 32
# One picture and its mirror image teach nothing about other poses: generators trained on them were
# a tenth better on the mirror image and a little worse on the same people's later frames.
FEWEST_TO_TRAIN = 2
FEWEST_TO_HOLD_BACK = 3  # with fewer, each way between two is the other's judge


@dataclass(frozen=True)
class PersonalizeConfig:
    """Configuration of `export.personalization.personalize`.

    The few steps are meant: beyond some two hundred a generator forgets how others moved, and
    expressions die.
    """

    portraits: tuple[Path, ...]  # pictures of one person; the first is the main one
    out: Path  # the person's folder
    checkpoint: Path  # that `train` wrote, or an exported .onnx
    tier: str = "draft"
    portrait_face: int | None = None  # which face in the first picture, from left to right

    # How long. Whatever comes first ends it; it goes on from where it was interrupted.
    minutes: float = 5.0
    steps: int = 200
    patience: int = 5  # judgements in a row that bring no better one

    batch: int = 8
    crop: int = 160  # pixels, a multiple of 32
    whole_every: int = 4  # one batch in so many is of whole pictures, half as many of them
    still_share: float = 0.3  # of samples that undo the mesh's own motion of one picture
    # The person's own colours and sides are to be learnt: mirrored, or in another light, it would
    # be somebody else.
    strength: Strength = field(
        default_factory=lambda: Strength(mirror=0, shape=0.012, colour=0.3, light=0)
    )

    rate: float = 2e-4  # RAdam's
    pull: float = 0.004  # share of the change from the meta-learned weights taken back each step
    ema: float = 0.95  # of the weights that are judged and kept
    # Share of the change that is kept. Weights part of the way from the meta-learned ones do better
    # beyond the pictures that were learnt (Wortsman et al. 2022, arXiv:2109.01903). On the eight
    # people of the validation, all of it was worse than feed-forward in poses near a picture.
    keep: float = 0.7

    judge_every: int = 20  # steps
    seed: int = 0
    threads: int = 0  # of torch; 0: all cores
    half: bool = True  # bfloat16 where the machine computes in it
