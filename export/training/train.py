# SPDX-License-Identifier: GPL-3.0-or-later
"""Meta-learning of the `warp` generator: episodes of many people, one loop.

`train` is the whole of it. Many processes: start it with torchrun, each takes its share of every
batch. It goes on from the newest checkpoint in `out`, with the same data in the same order.
"""

from __future__ import annotations

import copy
import math
import time
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from export.checkpoint import load_embedder, load_weights
from export.folders import writing
from export.networks.embedder import WarpEmbedder, person_vector
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from export.training.average import follow
from export.training.config import TrainConfig
from export.training.critics import Critics
from export.training.feed import Feed, validation_batches
from export.training.folder import TRAINING, grid_name, log_line
from export.training.grid import write_grid
from export.training.objective import measures, objective
from export.training.precision import autocast
from export.training.processes import Processes
from export.training.render import Rendered, View, render, view_batch
from export.training.resident import ResidentFeed
from export.training.saved import load_newest, save_checkpoint
from inference.errors import LikenessError
from inference.generator.contract import IDENTITY_SIZE
from inference.generator.identity import embedder_path
from inference.outputs import OwnedFolder

_LOST_STEPS = 20  # so many steps in a row without a finite loss end the run


class Learner(nn.Module):
    """Generator and embedder as one, so that gradients of both are shared among processes."""

    def __init__(self, tier: str) -> None:
        super().__init__()
        self.generator = WarpGenerator(TIER_CONFIGS[tier])
        self.embedder = WarpEmbedder()

    def forward(self, view: View, known: Tensor) -> tuple[Rendered, Tensor]:
        """known: (N,) 0 withholds a person's vector. Returns the picture and e (N, 256)."""
        people, shots = view.identity.shape[:2]
        frames = view.identity.flatten(0, 1)
        vectors = self.embedder(frames[:, :3], frames[:, 3:]).float()
        e = person_vector(vectors.view(people, shots, IDENTITY_SIZE)) * known[:, None]
        return render(self.generator(view.picture, e), view), e


def train(config: TrainConfig) -> Path:
    """Train until the steps or minutes are used up. Returns the last checkpoint.

    Raises InputError for unusable data or checkpoints, or a folder that is not ours or that
    another run writes to; LikenessError when the loss is lost.
    """
    processes = Processes.join()
    if not processes.first:
        return _train(config, processes, None)
    with writing(config.out, TRAINING, [config.data, *_first_weights(config)]) as folder:
        return _train(config, processes, folder)


def _first_weights(config: TrainConfig) -> list[Path]:
    return [config.init, embedder_path(config.init)] if config.init else []


def _train(config: TrainConfig, processes: Processes, folder: OwnedFolder | None) -> Path:
    """folder: of the first process, which alone writes."""
    device = processes.device
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    learner = Learner(config.tier).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(learner).eval().requires_grad_(False)
    optimizer = torch.optim.Adam(
        [
            {"params": learner.generator.parameters(), "peak": config.rate},
            {"params": learner.embedder.parameters(), "peak": config.rate_embedder},
        ],
        betas=config.betas,
    )
    critics = Critics(config, processes)
    start = load_newest(config, learner, average, optimizer, critics, device)
    validation = validation_batches(config) if processes.first else []
    if start.step == 0 and not (config.init and _begin_with(config.init, learner, average, config)):
        _calibrate(learner, average, config, device)
    model = DistributedDataParallel(learner) if processes.count > 1 else learner

    began = saved = logged = time.monotonic()
    window: dict[str, list[float]] = defaultdict(list)
    step, lost = start.step, 0
    spent = start.minutes
    shared = (config, start.step, processes.rank, processes.count)
    resident = config.loader == "resident"
    for step, batch in ResidentFeed(*shared, device) if resident else Feed(*shared):
        spent = start.minutes + (time.monotonic() - began) / 60
        over = spent >= config.minutes or time.time() >= (config.stop_at or math.inf)
        if step >= config.steps or processes.any(over):
            break
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * _rate_at(step, spent, config)

        view = view_batch(batch, device, *_cut(step, config))
        with autocast(device, config.half):
            rendered, e = model(view, batch["known"].to(device))
        terms = objective(rendered, view, config)
        if processes.any(not bool(torch.isfinite(terms["pixels"]))):
            lost += 1
            if lost >= _LOST_STEPS:
                raise LikenessError(
                    f"{config.out}: the loss was not a number for {lost} steps up to {step}; go on "
                    "from the last checkpoint with a lower --rate"
                )
            continue
        lost = 0
        terms |= critics.judge(rendered, view, e, terms["pixels"] + terms["edges"])
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        norm = nn.utils.clip_grad_norm_(learner.parameters(), config.clip_gradients)
        optimizer.step()
        follow(average, learner, min(config.ema, (1 + step) / (10 + step)))
        if processes.any(_progress(step, spent, config) >= config.adversary_from):
            for _ in range(config.adversary_steps):
                for name, number in critics.learn(rendered, view, e).items():
                    window[name].append(number)

        for name, value in (*terms.items(), ("gradient", norm)):
            window[name].append(float(value.detach()))
        for name, number in measures(rendered, view).items():
            window[name].append(number)
        window["samples"].append(len(view.target) * processes.count)
        if folder and (step + 1) % config.log_every == 0:
            _log(folder, config, step, spent, window, logged)
            logged = time.monotonic()
        if folder and (step + 1) % config.grid_every == 0:
            _validate(folder, average, validation, step, spent, device)
        if folder and time.monotonic() - saved > config.checkpoint_minutes * 60:
            saved = time.monotonic()
            save_checkpoint(folder, config, learner, average, optimizer, critics, step + 1, spent)
    processes.wait()
    if folder:
        _validate(folder, average, validation, step, spent, device)
        return save_checkpoint(folder, config, learner, average, optimizer, critics, step, spent)
    return config.out


def _cut(step: int, config: TrainConfig) -> tuple[int | None, bool]:
    """The crop of a step's batch (None: whole pictures), and whether it is of mouths.

    Mouths take the steps between those of whole pictures: what is drawn inside of them is the
    hardest to tell, and a small crop costs a third.
    """
    if step % config.whole_every == 0:
        return None, False
    mouths = config.mouth_every > 0 and step % config.mouth_every == 0
    return (config.mouth_crop if mouths else config.crop), mouths


def _rate_at(step: int, spent: float, config: TrainConfig) -> float:
    """The learning rate's share of its peak: up at first, down to a tenth at the end."""
    progress = _progress(step, spent, config)
    rise = min(1.0, (step + 1) / max(1, config.warm_up))
    beyond = max(0.0, (progress - (1 - config.fall)) / max(config.fall, 1e-6))
    return rise * (0.55 + 0.45 * math.cos(math.pi * min(1.0, beyond)))


def _progress(step: int, spent: float, config: TrainConfig) -> float:
    """How much of the run is over, 0 to 1; spent: minutes."""
    return max(step / config.steps, spent / config.minutes)


def _begin_with(path: Path, learner: Learner, average: Learner, config: TrainConfig) -> bool:
    """Take the weights of a file; returns whether it had an embedder, which is calibrated then."""
    origin = load_weights(learner.generator, path, f"warp {config.tier}")
    embedder = load_embedder(path)
    if embedder is not None:
        learner.embedder.load_state_dict(embedder.state_dict())
    average.load_state_dict(learner.state_dict())
    print(f"begins with {path}: {origin.training}", flush=True)
    return embedder is not None


def _calibrate(
    learner: Learner, average: Learner, config: TrainConfig, device: torch.device
) -> None:
    """Put the middle of many people at the vector of zeros; alike in every process."""
    alone = replace(config, workers=0, steps=6)
    frames = [batch["identity"][:, 0].to(device).float() / 255 for _, batch in Feed(alone, 0, 0, 1)]
    people = torch.cat(frames)
    for part in (learner, average):
        part.embedder.calibrate(people[:, :3], people[:, 3:])


@torch.no_grad()
def _validate(
    folder: OwnedFolder,
    average: Learner,
    batches: list[dict[str, Tensor]],
    step: int,
    spent: float,
    device: torch.device,
) -> None:
    """Figures and a picture of people that training never sees."""
    found: dict[str, list[float]] = defaultdict(list)
    rows = []
    for batch in batches:
        view = view_batch(batch, device, None)
        rendered, e = average(view, torch.ones(len(view.target), device=device))
        swapped = average.generator(view.picture, e.roll(1, dims=0))
        other = render(swapped, view).result
        for name, number in measures(rendered, view).items():
            found[f"val_{name}"].append(number)
        found["val_identity_effect"].append(float((other - rendered.result).abs().mean()) * 255)
        rows.append((view, rendered))
    values = {name: sum(numbers) / len(numbers) for name, numbers in found.items()}
    _write_line(folder, {"step": step + 1, "minutes": round(spent, 2), **values})
    if values and values["val_identity_effect"] < 1e-3 and step > 5000:
        print("warning: the generator ignores the person's vector", flush=True)
    write_grid(folder.file(grid_name(step + 1)), rows)


def _log(
    folder: OwnedFolder,
    config: TrainConfig,
    step: int,
    spent: float,
    window: dict[str, list[float]],
    since: float,
) -> None:
    line = {name: sum(values) / len(values) for name, values in window.items() if name != "samples"}
    seen = sum(window["samples"])
    rate = seen / max(time.monotonic() - since, 1e-6)
    window.clear()
    _write_line(
        folder,
        {
            "step": step + 1,
            "minutes": round(spent, 2),
            "samples_a_second": round(rate, 2),
            **line,
        },
    )
    print(
        f"step {step + 1}, {spent:.1f} of {config.minutes:g} min, {rate:.1f} samples/s: "
        + ", ".join(
            f"{k} {line[k]:.4g}"
            for k in ("pixels", "face", "face_warp", "mouth", "mouth_warp", "eyes", "eyes_warp")
        ),
        flush=True,
    )


def _write_line(folder: OwnedFolder, values: dict[str, float]) -> None:
    log_line(folder, {k: round(v, 6) for k, v in values.items()})


def describe(config: TrainConfig) -> dict[str, object]:
    """The configuration as plain values, for the log and the checkpoint."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(config).items()}
