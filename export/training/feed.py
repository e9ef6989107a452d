# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches for training: made in other processes, the same for the same seed and step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from export.data.augment import NONE
from export.data.episodes import Episodes
from export.data.samples import Sample, SampleOptions, make_sample
from export.data.shards import PreparedData
from export.data.workers import start_worker
from export.training.config import TrainConfig

Batch = dict[str, Tensor]

_VALIDATION_EPISODES = 16
_CROP = 9  # the stream of draws for crops, beside those of export.data.samples


class Feed:
    """Yields (step, batch) from a step on; a process gets its own part of every batch.

    A batch stacks `export.data.samples.make_sample`, with two draws for each sample: shift (2,)
    in [0, 1], of the crop, and known (), 0 where the person's vector is withheld.
    """

    def __init__(self, config: TrainConfig, first: int, rank: int, count: int) -> None:
        data = PreparedData(config.data, "train")
        self._first = first
        self._steps = _Steps(
            Episodes(data, config.seed, (1, config.most_sources)), config, rank, count
        )
        self._workers = config.workers

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        loader = DataLoader(
            self._steps,
            batch_size=None,
            sampler=range(self._first, len(self._steps) + 1),
            num_workers=self._workers,
            prefetch_factor=4 if self._workers else None,
            worker_init_fn=_one_thread,
            # A forked process would inherit OpenCV's locks without the threads that hold them.
            multiprocessing_context="spawn" if self._workers else None,
        )
        yield from enumerate(loader, self._first)


def validation_batches(config: TrainConfig) -> list[Batch]:
    """A few fixed episodes of validation people, not augmented."""
    data = PreparedData(config.data, "val")
    episodes = Episodes(data, 12345, (2, 2))
    made = []
    for index in range(_VALIDATION_EPISODES):
        episode = episodes.at(0, index)
        made.append(make_sample(data, episode, SampleOptions(strength=NONE)))
    return [_stack(made[i : i + 8]) for i in range(0, len(made), 8)]


class _Steps(Dataset[Batch]):
    """Step -> this process's part of its batch."""

    def __init__(self, episodes: Episodes, config: TrainConfig, rank: int, count: int) -> None:
        self._episodes = episodes
        self._config = config
        self._rank, self._count = rank, count

    def __len__(self) -> int:
        return self._config.steps

    def __getitem__(self, step: int) -> Batch:
        whole = step % self._config.whole_every == 0
        size = max(self._count, self._config.batch // 2 if whole else self._config.batch)
        samples = []
        for index in range(self._rank, size, self._count):
            episode = self._episodes.at(step, index)
            options = SampleOptions(merge_share=self._config.merge_share)
            sample = make_sample(self._episodes.data, episode, options)
            # Drawn for the sample, not for the process: any split of a batch sees the same.
            rng = np.random.default_rng((*episode.key, _CROP))
            sample["shift"] = rng.random(2, np.float32)
            sample["known"] = np.float32(rng.random() < self._config.known_share).reshape(())
            samples.append(sample)
        return _stack(samples)


def _stack(samples: list[Sample]) -> Batch:
    return {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}


def _one_thread(number: int) -> None:
    start_worker(number)
    torch.set_num_threads(1)
