# SPDX-License-Identifier: GPL-3.0-or-later
"""What training runs are made of. Every field can be given on the command line by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DISCRIMINATORS = ("light", "full")
LAST_STEP = 9_999_999  # that a checkpoint's name has digits for


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of `export.training.train`; the defaults are those of the shipped model."""

    data: Path  # folder that `prepare` wrote
    out: Path  # folder of checkpoints, log.jsonl and grids
    tier: str = "draft"  # of the warp generator

    # Weights to begin with: a checkpoint, or an exported .onnx such as a shipped one, with its
    # embedder beside it. A run that goes on does not look at it.
    init: Path | None = None

    # How long. Whatever comes first ends the run; a run goes on from its last checkpoint.
    steps: int = 1_000_000
    minutes: float = 60.0
    stop_at: float = 0.0  # time (seconds since 1970) at which it saves and ends; 0: none

    # A batch. Crops lie around the face at the network's own scale; whole pictures cost more, and
    # without any of them seams at the crop's border are never seen.
    batch: int = 8
    crop: int = 160  # pixels, a multiple of 32
    whole_every: int = 8  # one batch in so many is of whole pictures, half as many of them
    mouth_every: int = 2  # one batch in so many is cut close around the mouth; 0: none
    mouth_crop: int = 96  # pixels, a multiple of 32
    most_sources: int = 8  # K is drawn from 1 to this for the person's vector
    merge_share: float = 0.0  # of samples with several sources that show all of them laid together
    known_share: float = 0.8  # of samples whose person's vector is given; the rest get zeros
    workers: int = 1  # processes that warp and augment
    loader: str = "workers"  # or "resident": all footage in the device's memory, warped there
    seed: int = 0

    # Adam. The embedder learns more slowly: it must not chase the generator.
    rate: float = 4e-4
    rate_embedder: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.99)
    warm_up: int = 200  # steps over which the rates rise
    fall: float = 0.3  # the last share of the run (in time), over which they fall to a tenth
    clip_gradients: float = 1.0  # norm
    ema: float = 0.998  # of the weights that are evaluated and shipped

    # Losses: weights of regions, and of terms (export.training.objective).
    weight_mouth: float = 12.0  # how much more a pixel inside the lips counts than one of skin
    weight_eyes: float = 8.0
    weight_face: float = 2.0
    share_pixels: float = 1.0  # masked Charbonnier
    share_edges: float = 0.5  # Laplacian pyramid
    alpha_sparsity: float = 0.05  # pulls alpha to the warp where nothing is gained
    flow_smoothness: float = 0.02
    weight_matte: float = 0.005  # the matte's cross entropy, where the data holds mattes

    # Critics (export.training.critics). A share is that of the pixel terms' pull on the picture.
    share_looks: float = 0.5  # perceptual distance of the face, mouth and eyes
    phase: float = 0.25  # of that distance: how much detail in the wrong place counts
    adversary: str = "light"  # size of the discriminator, one of DISCRIMINATORS
    adversary_from: float = 0.5  # the share of the run, in time, after which it joins; 1: never
    adversary_warm_up: int = 200  # steps that it learns before its word counts
    adversary_steps: int = 2  # of its own for each of the generator's
    share_adversary: float = 0.25
    share_features: float = 0.25
    rate_adversary: float = 5e-4
    r1: float = 0.1  # gamma of its gradient penalty

    # Keeping watch.
    log_every: int = 50  # steps
    grid_every: int = 1000
    checkpoint_minutes: float = 3.0
    keep_checkpoints: int = 2
    threads: int = 0  # of torch; 0: all cores
    half: bool = True  # bfloat16 where the machine computes in it
