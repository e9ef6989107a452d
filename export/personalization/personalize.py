# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine-tune the `warp` generator on one person's pictures, and keep it only where it is better.

The person's vector is folded into the weights first, and all of these are then trained: what the
2019 paper does when it trains psi' = P e_new directly. The meta-learned weights hold on to them.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from export.checkpoint import load_embedder, load_weights
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from export.personalization.config import FEWEST_TO_TRAIN, PersonalizeConfig
from export.personalization.judge import Figures, Judge
from export.personalization.pairs import Pairs
from export.personalization.pictures import PersonPictures, lay_out, open_pictures
from export.personalization.progress import StepLine
from export.personalization.unfinished import (
    Run,
    fingerprint,
    load_unfinished,
    save_unfinished,
)
from export.training.average import follow
from export.training.config import TrainConfig
from export.training.objective import objective
from export.training.precision import autocast
from export.training.render import View, render, view_batch
from inference.errors import LikenessError
from inference.files import check_writable
from inference.generator.contract import IDENTITY_SIZE
from inference.generator.identity import embedder_input, embedder_path
from inference.generator.person import PERSON_FOLDER, UNFINISHED
from inference.outputs import check_claimable, claim_folder

_WARM_UP = 10  # steps
_CLIP = 1.0  # norm of the gradient


@dataclass(frozen=True)
class Personalized:
    """generator: folded, of this person. identity: (256,) e_new. better: False when feed-forward
    was kept. step: of the kept weights. steps, seconds: what training took. feed_forward: the
    meta-learned generator, folded. training: the checkpoint's words on its own training.
    """

    pictures: PersonPictures
    generator: nn.Module
    feed_forward: nn.Module
    identity: Tensor
    better: bool
    step: int
    steps: int
    seconds: float
    before: Figures
    after: Figures
    held: tuple[int, ...]
    training: str
    judge: Judge


def personalize(
    config: PersonalizeConfig, opened: Callable[[int, int], None] = lambda done, total: None
) -> Personalized:
    """Personalize until nothing gets better, or the steps or minutes are used up.

    From a single picture the person's vector is taken and folded in; nothing is trained.
    Raises InputError for pictures or a checkpoint that cannot be used, and for a folder that is
    not ours. Interrupted, it leaves UNFINISHED in the person's folder, and the same call goes on
    from there.
    """
    meta_learned(config)  # a wrong checkpoint is refused before the pictures are looked at
    check_claimable(config.out, PERSON_FOLDER, read_files(config))
    return fine_tune(config, open_pictures(config.portraits, config.portrait_face, opened))


def read_files(config: PersonalizeConfig) -> list[Path]:
    """What is read and must not be written."""
    return [*config.portraits, config.checkpoint, embedder_path(config.checkpoint)]


def meta_learned(config: PersonalizeConfig) -> tuple[WarpGenerator, str]:
    """The generator to begin with, and the words on its training. Raises InputError."""
    generator = WarpGenerator(TIER_CONFIGS[config.tier])
    origin = load_weights(generator, config.checkpoint, f"warp {config.tier}")
    return generator, origin.training


def fine_tune(config: PersonalizeConfig, pictures: PersonPictures) -> Personalized:
    """As `personalize`, of pictures that are open: `config.portraits` only names them."""
    if config.threads:
        torch.set_num_threads(config.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    generator, training = meta_learned(config)
    folder = claim_folder(config.out, PERSON_FOLDER, read_files(config))
    check_writable(folder.file(UNFINISHED))
    identity = embed(config.checkpoint, pictures)

    start = generator.fold(identity).eval().to(device, memory_format=torch.channels_last)
    start.requires_grad_(False)
    losses = TrainConfig(data=Path(), out=config.out)
    pairs = Pairs(lay_out(pictures), config)
    judge = Judge(pairs, start, config, losses, device)

    network = copy.deepcopy(start).requires_grad_(True)
    average, candidate = copy.deepcopy(start), copy.deepcopy(start)
    optimizer = torch.optim.RAdam(network.parameters(), config.rate, betas=(0.5, 0.99))
    mark = fingerprint(config, pictures.hashes)
    run = load_unfinished(folder, mark, network, average, optimizer)

    began, earlier = time.monotonic(), run.seconds
    line = StepLine(config.steps, run.step, config.minutes - earlier / 60)
    batches = pairs.training(run.step) if len(pictures) >= FEWEST_TO_TRAIN else ()
    for step, batch in batches:
        run.seconds = earlier + time.monotonic() - began
        if run.seconds >= 60 * config.minutes or run.stale >= config.patience:
            break
        for group in optimizer.param_groups:
            group["lr"] = config.rate * min(1.0, (step + 1) / _WARM_UP)
        crop = None if step % config.whole_every == 0 else config.crop
        view = view_batch(batch, device, crop)
        loss = _loss(network, view, config, losses)
        optimizer.zero_grad(set_to_none=True)
        if not bool(torch.isfinite(loss)):
            raise LikenessError(
                f"{config.out}: the loss became {float(loss)} at step {step}; "
                "choose another checkpoint"
            )
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        optimizer.step()
        _hold_on(network, start, config.pull)
        follow(average, network, min(config.ema, (1 + step) / (10 + step)))
        run.step = step + 1
        if run.step % config.judge_every == 0 or run.step == config.steps:
            _between(candidate, start, average, config.keep)
            _judge(run, candidate, judge)
            save_unfinished(folder, mark, run, network, average, optimizer)
        line.show(run.step, _gain(run, judge))
    line.close()
    if run.seconds >= 60 * config.minutes:
        _between(candidate, start, average, config.keep)
        _judge(run, candidate, judge)  # the last steps count too

    kept = start
    if run.best is not None:
        candidate.load_state_dict(run.best)
        kept = candidate
    return Personalized(
        pictures=pictures,
        generator=kept.cpu(),
        feed_forward=start.cpu(),
        identity=identity,
        better=run.best is not None,
        step=run.best_step,
        steps=run.step,
        seconds=run.seconds,
        before=judge.before,
        after=run.best_figures or judge.before,
        held=pairs.held,
        training=training,
        judge=judge,
    )


@torch.no_grad()
def embed(checkpoint: Path, pictures: PersonPictures) -> Tensor:
    """e_new: the mean of the pictures' vectors (256,); zeros where there is no embedder."""
    embedder = load_embedder(checkpoint)
    if embedder is None:
        return torch.zeros(IDENTITY_SIZE)
    seen = torch.from_numpy(np.stack([embedder_input(p) for p in pictures.portraits]))
    return embedder(seen[:, :3], seen[:, 3:]).mean(dim=0)


def _loss(network: nn.Module, view: View, config: PersonalizeConfig, losses: TrainConfig) -> Tensor:
    device = view.target.device
    nobody = torch.zeros(len(view.target), IDENTITY_SIZE, device=device)  # it is in the weights
    with autocast(device, config.half):
        answer = network(view.picture, nobody)
    return torch.stack(list(objective(render(answer, view), view, losses).values())).sum()


def _judge(run: Run, candidate: nn.Module, judge: Judge) -> None:
    """Keep these weights if they are the best so far, and no figure suffers."""
    figures = judge.look(candidate)
    best = run.best_figures or judge.before
    if judge.no_worse(figures) and judge.score(figures) < judge.score(best):
        run.best = {name: value.detach().clone() for name, value in candidate.state_dict().items()}
        run.best_figures, run.best_step, run.stale = figures, run.step, 0
    else:
        run.stale += 1


def _gain(run: Run, judge: Judge) -> float | None:
    if run.best_figures is None:
        return None
    return 1 - judge.score(run.best_figures) / judge.score(judge.before)


@torch.no_grad()
def _hold_on(network: nn.Module, start: nn.Module, share: float) -> None:
    """An L2 penalty on the change, apart from the gradient as in AdamW: some is taken back."""
    for weight, origin in zip(network.parameters(), start.parameters(), strict=True):
        weight.lerp_(origin, share)


@torch.no_grad()
def _between(result: nn.Module, start: nn.Module, end: nn.Module, share: float) -> None:
    """Weights `share` of the way from start to end."""
    parts = (result.parameters(), start.parameters(), end.parameters())
    for weight, first, last in zip(*parts, strict=True):
        weight.copy_(torch.lerp(first, last, share))
