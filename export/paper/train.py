# SPDX-License-Identifier: GPL-3.0-or-later
"""Meta-learning of the 2019 paper's three networks, on all people or on one clip to prove them.

Episodes of K frames and a target; e is the mean of the K vectors. The generator's terms: content
(a perceptual distance that needs no downloaded weights, and pixels), the adversary's verdict,
feature matching, and the match of e with the discriminator's row of that person; the discriminator
learns twice for each of the generator's steps. As in `export.training.train`, terms are weighed by
the pull that they have on the picture, and a run goes on from its newest checkpoint.
"""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from export.data.augment import NONE, Strength
from export.data.episodes import Episode, Episodes
from export.data.samples import SampleOptions, make_sample
from export.data.shards import PreparedData
from export.data.workers import start_worker
from export.folders import writing
from export.networks.discriminator import PaperDiscriminator
from export.networks.embedder import PaperEmbedder, person_vector
from export.networks.paper import PaperGenerator
from export.paper.train_config import PaperConfig
from export.training.average import follow
from export.training.balance import Balance, check_finite
from export.training.folder import (
    TRAINING,
    checkpoint_name,
    checkpoints,
    drop_oldest,
    grid_name,
    log_line,
)
from export.training.losses import (
    dssim,
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    match,
)
from export.training.perceptual import FourierBlocks, PaperContent
from export.training.precision import autocast
from export.training.processes import Processes
from inference.errors import InputError
from inference.files import write_whole, written_whole
from inference.frames import encode_frame
from inference.outputs import OwnedFolder

Batch = dict[str, Tensor]

_HELD = 0.2  # the last share of a single clip, which is never trained on
_SHOWN = 6  # people or frames in a validation
_SIZE = 256


class PaperLearner(nn.Module):
    """Generator and embedder: what one step of the generator trains."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = PaperGenerator()
        self.embedder = PaperEmbedder()

    def forward(self, lines: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """lines (N, 3, 256, 256), frames (N, K, 6, 256, 256), all in [-1, 1] -> picture and e."""
        people, shots = frames.shape[:2]
        flat = frames.flatten(0, 1)
        vectors = self.embedder(flat[:, :3], flat[:, 3:]).float()
        e = person_vector(vectors.view(people, shots, -1))
        return self.generator(lines, e), e


def train_paper(config: PaperConfig) -> Path:
    """Train until the steps or minutes are used up. Returns the last checkpoint.

    Raises InputError for unusable data or checkpoints, or a folder that is not ours or that
    another run writes to; LikenessError when a loss is lost.
    """
    with writing(config.out, TRAINING, [config.data]) as folder:
        return _train(config, folder)


def _looks(config: PaperConfig) -> nn.Module:
    """The paper's content term where its networks are at hand, else one that needs no weights."""
    vgg19, vggface = (Path(name) if name else None for name in (config.vgg19, config.vggface))
    return PaperContent(vgg19, vggface) if vgg19 or vggface else FourierBlocks()


def _train(config: PaperConfig, folder: OwnedFolder) -> Path:
    device = Processes.join().device
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    feed = _Feed(config)
    learner = PaperLearner().to(device)
    judge = PaperDiscriminator(feed.people).to(device)
    average = copy.deepcopy(learner).eval().requires_grad_(False)
    optimizers = (
        torch.optim.Adam(learner.parameters(), config.rate, betas=(0.0, 0.99)),
        torch.optim.Adam(judge.parameters(), config.rate_adversary, betas=(0.0, 0.99)),
    )
    shares = {
        "pixels": 1.0,
        "looks": config.share_looks,
        "adversary": config.share_adversary,
        "features": config.share_features,
    }
    balance = Balance(shares, "pixels")
    run: dict[str, Any] = {
        "learner": learner,
        "average": average,
        "judge": judge,
        "first": optimizers[0],
        "second": optimizers[1],
        "balance": balance,
    }
    first, before = _load(config, run, device)
    looks = _looks(config).to(device)
    validation = feed.validation()

    began = saved = logged = time.monotonic()
    window: dict[str, list[float]] = defaultdict(list)
    step, spent = first, before
    for step, batch in feed.batches(first):
        spent = before + (time.monotonic() - began) / 60
        progress = max(step / config.steps, spent / config.minutes)
        if progress >= 1:
            break
        target, lines, frames, person = _on_device(batch, device)
        adverse = progress >= config.adversary_from
        with autocast(device, config.half):
            picture, e = learner(lines, frames)
            picture = picture.float()
            if adverse:
                judge.meet(person, e)
            judge.requires_grad_(False)
            fake = judge(picture, lines, person) if adverse else None
            with torch.no_grad():
                real = judge(target, lines, person) if adverse else None
            judge.requires_grad_(True)
        seen, wanted = (picture + 1) / 2, (target + 1) / 2
        terms = {"pixels": (seen - wanted).abs().mean(), "looks": looks(seen, wanted)}
        if fake is not None and real is not None:
            terms["adversary"] = hinge_generator(fake.scores)
            terms["features"] = feature_matching(fake.features, real.features)
        weights = balance.weights(terms, picture)
        weighted = {name: weights[name] * term for name, term in terms.items()}
        if adverse:
            weighted["match"] = config.weight_match * match(e, judge.table(person).detach())
        check_finite(weighted, step)
        optimizers[0].zero_grad(set_to_none=True)
        torch.stack(list(weighted.values())).sum().backward()
        optimizers[0].step()
        follow(average, learner, min(config.ema, (1 + step) / (10 + step)))

        for _ in range(config.adversary_steps if adverse else 0):
            with autocast(device, config.half):
                real = judge(target, lines, person)
                fake = judge(picture.detach(), lines, person)
            loss = hinge_discriminator(real.scores, fake.scores)
            # The rows come to the vectors as the vectors come to the rows.
            loss = loss + config.weight_match * match(judge.table(person), e.detach())
            optimizers[1].zero_grad(set_to_none=True)
            loss.backward()
            optimizers[1].step()
            window["discriminator"].append(float(loss.detach()))
        for name, term in terms.items():
            window[name].append(float(term.detach()))
        if (step + 1) % config.log_every == 0:
            rate = config.log_every * config.batch / max(time.monotonic() - logged, 1e-6)
            _log(folder, step, spent, {"samples_a_second": rate, **_means(window)})
            window.clear()
            logged = time.monotonic()
        if (step + 1) % config.grid_every == 0:
            _validate(folder, average, validation, step, spent, device)
        if time.monotonic() - saved > 60 * config.checkpoint_minutes:
            saved = time.monotonic()
            _save(folder, config, run, step + 1, spent)
    _validate(folder, average, validation, step, spent, device)
    return _save(folder, config, run, step, spent)


class _Feed:
    """Episodes of all people of the train split, or of the first part of one clip."""

    def __init__(self, config: PaperConfig) -> None:
        self._config = config
        if config.clip:
            data = PreparedData(config.data)
            names = [record.name for record in data.records]
            if config.clip not in names:
                some = next(record.name for record in data.records if not record.still)
                raise InputError(
                    f"{config.data}: holds no clip '{config.clip}'; one of them is '{some}'"
                )
            steps = _Steps(data, config, names.index(config.clip))
            self.people = 1
        else:
            data = PreparedData(config.data, "train")
            steps = _Steps(data, config, None)
            self.people = len(Episodes(data, config.seed).people)
        self._steps = steps

    def batches(self, first: int) -> Iterator[tuple[int, Batch]]:
        workers = self._config.workers
        loader = DataLoader(
            self._steps,
            batch_size=None,
            sampler=range(first, self._config.steps + 1),
            num_workers=workers,
            prefetch_factor=2 if workers else None,
            worker_init_fn=_one_thread,
            multiprocessing_context="spawn" if workers else None,
        )
        yield from enumerate(loader, first)

    def validation(self) -> Batch:
        """Frames of the clip that are held back, or people of the validation split."""
        if self._config.clip:
            return self._steps.held_back()
        data = PreparedData(self._config.data, "val")
        episodes = Episodes(data, 12345, (self._config.shots, self._config.shots))
        return _stack([_sample(data, episodes.at(0, i), NONE) for i in range(_SHOWN)])


class _Steps(Dataset[Batch]):
    """Step -> batch, the same for the same seed and step. clip: the only one, or None for all."""

    def __init__(self, data: PreparedData, config: PaperConfig, clip: int | None) -> None:
        self._data, self._config, self._clip = data, config, clip
        self._episodes = (
            None if clip is not None else Episodes(data, config.seed, (1, config.shots))
        )

    def __getitem__(self, step: int) -> Batch:
        numbers = range(self._config.batch)
        return _stack([_sample(self._data, self._at(step, i), self._strength()) for i in numbers])

    def __len__(self) -> int:
        return self._config.steps

    def held_back(self) -> Batch:
        assert self._clip is not None
        frames = self._data.records[self._clip].frames
        first = int(frames * (1 - _HELD))
        targets = np.linspace(first, frames - 1, _SHOWN).astype(int).tolist()
        sources = tuple(np.linspace(0, first - 1, self._config.shots).astype(int).tolist())
        episodes = [Episode(self._clip, 0, sources, t, (0, 0, t)) for t in targets]
        return _stack([_sample(self._data, episode, NONE) for episode in episodes])

    def _strength(self) -> Strength:
        return NONE if self._clip is not None else Strength()

    def _at(self, step: int, index: int) -> Episode:
        if self._episodes is not None:
            return self._episodes.at(step, index)
        assert self._clip is not None
        key = (self._config.seed, step, index)
        rng = np.random.default_rng(key)
        known = int(self._data.records[self._clip].frames * (1 - _HELD))
        shots = int(np.random.default_rng(key[:2]).integers(1, self._config.shots, endpoint=True))
        drawn = rng.choice(known, shots + 1, replace=known < shots + 1).tolist()
        return Episode(self._clip, 0, tuple(drawn[1:]), drawn[0], key)


def _sample(data: PreparedData, episode: Episode, strength: Strength) -> dict[str, Any]:
    options = SampleOptions(_SIZE, sources=0, identity_size=_SIZE, strength=strength)
    made = make_sample(data, episode, options)
    return {key: made[key] for key in ("target", "lines", "identity", "person")}


def _stack(samples: list[dict[str, Any]]) -> Batch:
    return {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}


def _on_device(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """target and lines (N, 3, 256, 256), frames (N, K, 6, 256, 256), in [-1, 1]; person (N,)."""

    def signed(name: str) -> Tensor:
        return batch[name].to(device, non_blocking=True).float() / 127.5 - 1

    return signed("target"), signed("lines")[:, :3], signed("identity"), batch["person"].to(device)


@torch.no_grad()
def _validate(
    folder: OwnedFolder,
    average: PaperLearner,
    batch: Batch,
    step: int,
    spent: float,
    device: torch.device,
) -> None:
    """SSIM of what is never trained on, whether e matters, and a picture: source, lines, result,
    target."""
    target, lines, frames, _ = _on_device(batch, device)
    made = [average(lines[i : i + 1], frames[i : i + 1]) for i in range(len(target))]
    results = torch.cat([picture for picture, _ in made]).float()
    vectors = torch.cat([e for _, e in made])
    swapped = average.generator(lines[:1], -vectors[:1])
    seen, wanted = (results + 1) / 2, (target + 1) / 2
    similar = [1 - 2 * float(dssim(a[None], b[None])) for a, b in zip(seen, wanted, strict=True)]
    values = {
        "val_ssim": sum(similar) / len(similar),
        "val_ssim_lowest": min(similar),
        "val_pixels": float((seen - wanted).abs().mean()),
        "val_identity_effect": float((swapped - results[:1]).abs().mean()) * 127.5,
    }
    _log(folder, step, spent, values)
    columns = [frames[:, 0, :3], lines, results, target]
    picture = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
    pixels = ((picture.cpu().clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).byte().numpy()
    write_whole(folder.file(grid_name(step + 1)), encode_frame(pixels, None, "png"))


def _means(window: dict[str, list[float]]) -> dict[str, float]:
    return {name: sum(values) / len(values) for name, values in window.items() if values}


def _log(folder: OwnedFolder, step: int, spent: float, values: dict[str, float]) -> None:
    line = {"step": step + 1, "minutes": round(spent, 2)}
    line |= {name: round(value, 5) for name, value in values.items()}
    log_line(folder, line)
    print(", ".join(f"{name} {value:g}" for name, value in line.items()), flush=True)


def _save(
    folder: OwnedFolder, config: PaperConfig, run: dict[str, Any], step: int, minutes: float
) -> Path:
    path = folder.file(checkpoint_name(step))
    what = f"on the clip {config.clip}" if config.clip else "on all people"
    content = {
        "generator": run["average"].generator.state_dict(),
        "paper_embedder": run["average"].embedder.state_dict(),
        "training": f"{step} steps of {config.batch} in {minutes:.0f} minutes {what}, paper",
        "resume": {"step": step, "minutes": minutes,
                   "state": {name: part.state_dict() for name, part in run.items()}},
    }  # fmt: skip
    with written_whole(path) as part:
        torch.save(content, part)
    drop_oldest(folder, 2)
    return path


def _load(config: PaperConfig, run: dict[str, Any], device: torch.device) -> tuple[int, float]:
    """Go on from the newest checkpoint: its step and minutes, or zeros."""
    found = checkpoints(config.out)
    if not found:
        return 0, 0.0
    try:
        resume = torch.load(found[-1], map_location=device, weights_only=True)["resume"]
        for name, part in run.items():
            part.load_state_dict(resume["state"][name])
        # A run that goes on at another rate is meant to.
        for name, rate in (("first", config.rate), ("second", config.rate_adversary)):
            for group in run[name].param_groups:
                group["lr"] = rate
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise InputError(
            f"{found[-1]}: a damaged checkpoint, or one of another training "
            f"({type(error).__name__}); remove it or choose another --out"
        ) from error
    return int(resume["step"]), float(resume["minutes"])


def _one_thread(number: int) -> None:
    start_worker(number)
    torch.set_num_threads(1)
