# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of meta-learning the 2019 generator is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PaperConfig:
    """clip: the name of the one clip to overfit; empty: all people. shots: K is 1 to this.

    Rates are the paper's; a single clip learns faster with ten times as much. adversary_from: the
    share of the run from which the discriminator takes part. Shares are of the pull that pixels
    have on the picture. vgg19, vggface: files of Caffe's weights, for the paper's content term;
    without either, one that needs no weights takes its place.
    """

    data: Path
    out: Path
    clip: str = ""
    steps: int = 1_000_000
    minutes: float = 60.0
    batch: int = 2
    shots: int = 8
    workers: int = 1
    seed: int = 0
    rate: float = 5e-5
    rate_adversary: float = 2e-4
    adversary_steps: int = 2
    adversary_from: float = 0.0
    share_looks: float = 1.0
    vgg19: str = ""
    vggface: str = ""
    share_adversary: float = 0.25
    share_features: float = 0.5
    weight_match: float = 10.0
    ema: float = 0.998
    log_every: int = 10
    grid_every: int = 200
    checkpoint_minutes: float = 3.0
    threads: int = 0
    half: bool = True
