# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine-tune the 2019 paper's generator on one person's pictures (arXiv:1905.08233, section 3.3).

e_new is the mean of the T pictures' vectors. Then P has done its work: psi' = P e_new becomes a
free parameter and is trained with all of G's own weights psi; the discriminator begins with its
meta-learned weights and w' = w0 + e_new. Content, adversary and feature matching are asked for,
the match of e with a row of W is not: a new person has no row, and e is not used any more.
As in meta-learning here, terms are weighed by the pull that they have on the picture, and content
is measured without downloaded weights.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from export.networks.discriminator import PersonalPaperDiscriminator
from export.networks.embedder import PaperEmbedder
from export.networks.paper import PersonalPaperGenerator
from export.paper.person_config import PaperPersonConfig
from export.paper.person_kind import PAPER_FOLDER
from export.paper.person_pictures import PaperPerson, PaperView
from export.paper.person_weights import (
    MetaLearned,
    PaperRun,
    fingerprint,
    load_run,
    save_run,
)
from export.personalization.progress import StepLine
from export.training.average import follow
from export.training.balance import Balance, check_finite
from export.training.losses import dssim, feature_matching, hinge_discriminator, hinge_generator
from export.training.perceptual import FourierBlocks
from export.training.precision import autocast
from inference.files import check_writable
from inference.generator.person import UNFINISHED
from inference.outputs import claim_folder

_SAVE_EVERY = 60.0  # seconds, and at every judgement


@dataclass(frozen=True)
class PaperFigures:
    """On the held-back pictures: SSIM, and the mean difference of pixels in [0, 1]."""

    ssim: float
    pixels: float

    def score(self) -> float:
        """The criterion: lower is better."""
        return (1 - self.ssim) / 2 + self.pixels


@dataclass(frozen=True)
class PaperPersonalized:
    """generator: of this person, psi its parameter. feed_forward: as it was meta-learned, psi =
    P e_new. identity: (512,) e_new. better: False when feed-forward was kept. step: of the kept
    weights. steps, seconds: what training took. meta: what it began with.
    """

    person: PaperPerson
    generator: PersonalPaperGenerator
    feed_forward: PersonalPaperGenerator
    identity: Tensor
    better: bool
    step: int
    steps: int
    seconds: float
    before: PaperFigures
    after: PaperFigures
    meta: MetaLearned


def personalize_paper(
    config: PaperPersonConfig, meta: MetaLearned, person: PaperPerson
) -> PaperPersonalized:
    """Train until nothing gets better, or the steps or minutes are used up; `meta` stays as it is.

    Raises InputError when the folder is not ours or cannot be written. Interrupted, it leaves
    UNFINISHED in the person's folder, and the same call goes on from there.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    folder = claim_folder(config.out, PAPER_FOLDER, [*config.portraits, config.checkpoint])
    check_writable(folder.file(UNFINISHED))
    identity = embed(meta.embedder, person.frames)
    start = meta.generator.fold(identity).eval().requires_grad_(False).to(device)
    held = person.held.to(device)
    before = look(start, held)

    trial = _Trial(config, start, meta.judge.personal(identity).to(device), person, device)
    mark = fingerprint(config, person.hashes, meta.sha256)
    run = load_run(folder.file(UNFINISHED), mark, trial.parts())
    began, earlier = time.monotonic(), run.seconds
    line = StepLine(config.steps, run.step, config.minutes - earlier / 60)
    saved, late = began, False
    while run.step < config.steps and run.stale < config.patience and not late:
        trial.step(run.step)
        run.step += 1
        run.seconds = earlier + time.monotonic() - began
        late = run.seconds >= 60 * config.minutes
        judged = run.step % config.judge_every == 0 or run.step == config.steps or late
        if judged:
            _judge(run, trial.average, held, before)
        if judged or time.monotonic() - saved >= _SAVE_EVERY:
            save_run(folder.file(UNFINISHED), mark, run, trial.parts())
            saved = time.monotonic()
        line.show(run.step, None if run.best_score is None else 1 - run.best_score / before.score())
    line.close()

    kept = start
    if run.best is not None:
        kept = trial.average
        kept.load_state_dict(run.best)
    return PaperPersonalized(
        person=person,
        generator=kept.cpu(),
        feed_forward=start.cpu(),
        identity=identity,
        better=run.best is not None,
        step=run.best_step,
        steps=run.step,
        seconds=run.seconds,
        before=before,
        after=look(kept, person.held),
        meta=meta,
    )


@torch.no_grad()
def embed(embedder: PaperEmbedder, frames: Tensor) -> Tensor:
    """e_new (512,): the mean of the pictures' vectors; frames (T, 6, 256, 256) in [-1, 1]."""
    vectors = [embedder.eval()(one[None, :3], one[None, 3:]) for one in frames]
    return torch.cat(vectors).mean(dim=0)


@torch.no_grad()
def show(generator: PersonalPaperGenerator, lines: Tensor) -> Tensor:
    """The generator's pictures (N, 3, 256, 256) in [0, 1], one at a time."""
    made = [generator(one[None]).float() for one in lines]
    return (torch.cat(made).clamp(-1, 1) + 1) / 2


def look(generator: PersonalPaperGenerator, view: PaperView) -> PaperFigures:
    """The figures of a generator of this person."""
    seen, wanted = show(generator, view.lines), (view.target + 1) / 2
    return PaperFigures(1 - 2 * float(dssim(seen, wanted)), float((seen - wanted).abs().mean()))


class _Trial:
    """The networks in training with all that a step needs."""

    def __init__(
        self,
        config: PaperPersonConfig,
        start: PersonalPaperGenerator,
        judge: PersonalPaperDiscriminator,
        person: PaperPerson,
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self.network = copy.deepcopy(start).train().requires_grad_(True)
        self.average = copy.deepcopy(start)
        self.judge = judge.train().requires_grad_(True)
        self.learnt = person.learnt.to(device)
        self.looks = FourierBlocks().to(device)
        self.first = torch.optim.Adam(self.network.parameters(), config.rate, betas=(0.0, 0.99))
        self.second = torch.optim.Adam(
            self.judge.parameters(), config.rate_adversary, betas=(0.0, 0.99)
        )
        shares = {
            "pixels": 1.0,
            "looks": config.share_looks,
            "adversary": config.share_adversary,
            "features": config.share_features,
        }
        self.balance = Balance(shares, "pixels")

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | Balance]:
        """All that a resumed run takes back."""
        return {
            "network": self.network,
            "average": self.average,
            "judge": self.judge,
            "first": self.first,
            "second": self.second,
            "balance": self.balance,
        }

    def step(self, step: int) -> None:
        """One of the generator's, then the discriminator's own."""
        config = self.config
        rise = min(1.0, (step + 1) / config.warm_up)
        for optimizer, rate in ((self.first, config.rate), (self.second, config.rate_adversary)):
            for group in optimizer.param_groups:
                group["lr"] = rate * rise
        chosen = self._draw(step)
        target, lines = self.learnt.target[chosen], self.learnt.lines[chosen]
        with autocast(self.device, config.half):
            picture = self.network(lines).float()
            self.judge.requires_grad_(False)
            fake = self.judge(picture, lines)
            with torch.no_grad():
                real = self.judge(target, lines)
            self.judge.requires_grad_(True)
        seen, wanted = (picture + 1) / 2, (target + 1) / 2
        terms = {
            "pixels": (seen - wanted).abs().mean(),
            "looks": self.looks(seen, wanted),
            "adversary": hinge_generator(fake.scores),
            "features": feature_matching(fake.features, real.features),
        }
        check_finite(terms, step)
        weights = self.balance.weights(terms, picture)
        self.first.zero_grad(set_to_none=True)
        torch.stack([weights[name] * term for name, term in terms.items()]).sum().backward()
        self.first.step()
        follow(self.average, self.network, min(config.ema, (1 + step) / (10 + step)))
        both, twice = torch.cat([target, picture.detach()]), torch.cat([lines, lines])
        for _ in range(config.adversary_steps):
            with autocast(self.device, config.half):
                verdict = self.judge(both, twice)
            shown, made = verdict.scores[0].chunk(2)
            loss = hinge_discriminator((shown,), (made,))
            self.second.zero_grad(set_to_none=True)
            loss.backward()
            self.second.step()

    def _draw(self, step: int) -> Tensor:
        """Which pictures: every one once an epoch, the same at the same step of any run."""
        count, batch = len(self.learnt), min(self.config.batch, len(self.learnt))
        places = np.arange(step * batch, (step + 1) * batch)
        chosen = [
            np.random.default_rng((self.config.seed, epoch)).permutation(count)[place]
            for epoch, place in zip(places // count, places % count, strict=True)
        ]
        return torch.tensor(chosen, device=self.device)


def _judge(
    run: PaperRun, average: PersonalPaperGenerator, held: PaperView, before: PaperFigures
) -> None:
    """Keep the averaged weights if they are the best so far."""
    score = look(average, held).score()
    if score < (before.score() if run.best_score is None else run.best_score):
        run.best = {name: value.detach().clone() for name, value in average.state_dict().items()}
        run.best_score, run.best_step, run.stale = score, run.step, 0
    else:
        run.stale += 1
