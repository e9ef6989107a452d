# SPDX-License-Identifier: GPL-3.0-or-later
"""What a personalization of the 2019 paper's generator is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PaperPersonConfig:
    """Configuration of `export.paper.person`.

    The paper (arXiv:1905.08233, section 4) trains for 40 epochs at the rates of meta-learning. A
    later recipe of one of its authors counts iterations instead, 125 for one picture to 230 for
    more than thirty, at ten times the rate (the first `rate`): too few leave a stranger, too many
    let expressions die.
    """

    portraits: tuple[Path, ...]  # pictures of one person; empty: they were taken from a clip
    out: Path  # the person's folder
    checkpoint: Path  # that `python -m export paper` wrote
    portrait_face: int | None = None  # which face in the first picture, from left to right

    # How long. Whatever comes first ends it; it goes on from where it was interrupted.
    minutes: float = 20.0
    steps: int = 230
    patience: int = 3  # judgements in a row that bring no better one

    batch: int = 1
    rate: float = 5e-4  # Adam's, of the generator and psi
    rate_adversary: float = 8e-4
    adversary_steps: int = 2  # of the discriminator for each of the generator's
    warm_up: int = 5  # steps over which the rates rise
    # Of the pull that pixels have on the picture, as in meta-learning.
    share_looks: float = 1.0
    share_adversary: float = 0.25
    share_features: float = 0.5
    ema: float = 0.95  # of the weights that are judged and kept

    judge_every: int = 20  # steps
    seed: int = 0
    threads: int = 0  # of torch; 0: all cores
    half: bool = True  # bfloat16 where the machine computes in it
