# SPDX-License-Identifier: GPL-3.0-or-later
"""Which picture is led to which: to train on, to judge by, and to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from torch import Tensor

from export.data.augment import NONE, Strength
from export.data.episodes import Episode, Motion
from export.data.merged import ANOTHER_PLACE, around_face
from export.data.samples import Sample, SampleOptions, make_sample
from export.personalization.config import PersonalizeConfig
from export.personalization.pictures import DRIVEN, MOTION, PICTURES, Album
from inference.sources import looks, spread

Batch = dict[str, Tensor]

_MOST_HELD = 6
# How often a picture is made of all others, as frames are; and of how many it is made of the first
# one, or of any, where that is not so.
_MERGE_SHARE, _FIRST_SHARE = 0.7, 0.5
_VIEWS_OF_TWO = 4  # placements in which one of two is judged
_LARGEST_TURN = 12.0  # degrees: what a single picture can follow
_SHIFT = 7  # the stream of draws that moves a crop, see `export.training.render.view_batch`
_TOGETHER = 4


class Pairs:
    """Draws the same samples for the same (seed, step, index); holds some pictures back."""

    def __init__(self, album: Album, config: PersonalizeConfig) -> None:
        self._album = album
        self._config = config
        count = len(album.clip(PICTURES).faces)
        self.held = held_back(count)
        self.learnt = tuple(i for i in range(count) if i not in self.held)
        # Of two, one way between them is learnt, the other way is judged by.
        self._sources = tuple(range(count)) if count == 2 else self.learnt
        faces = album.clip(PICTURES).faces
        found = looks(faces, faces[0])
        self._apart = np.linalg.norm(found[:, None] - found[None], axis=2)

    def training(self, first: int) -> Iterator[tuple[int, Batch]]:
        """(step, batch) from a step on; the next batch is made while one is being used."""
        with ThreadPoolExecutor(1, "pairs") as pool:
            ready = pool.submit(self._batch, first)
            for step in range(first, self._config.steps):
                batch = ready.result()
                if step + 1 < self._config.steps:
                    ready = pool.submit(self._batch, step + 1)
                yield step, batch

    def judging(self) -> list[Batch]:
        """Held-back pictures, each made of others."""
        seed = self._config.seed
        if len(self.learnt) == 1:
            (source,), (target,) = self.learnt, self.held
            views = [
                Episode(PICTURES, 0, (source,) * 2, target, (seed, 1, n))
                for n in range(_VIEWS_OF_TWO)
            ]
            return self._batches(views, self._config.strength)
        episodes = [
            Episode(PICTURES, 0, self._led_by(lead, self.learnt), target, (seed, 1, target))
            for target in self.held
            for lead in dict.fromkeys([0, self._nearest(target)])
        ]
        return self._batches(episodes, NONE)

    def driven(self, count: int) -> list[Batch]:
        """The first picture as the performance moves it, in poses that differ most.

        There is no truth: the target's pixels are the picture's own.
        """
        faces = self._album.clip(DRIVEN).faces
        poses = spread(looks(faces, faces[0]), count + 1)[1:]
        key = (self._config.seed, 2, 0)
        episodes = [Episode(DRIVEN, 0, (0, 0), pose, key) for pose in poses]
        return self._batches(episodes, NONE)

    def _batch(self, step: int) -> Batch:
        config = self._config
        whole = step % config.whole_every == 0
        size = max(1, config.batch // 2) if whole else config.batch
        episodes = []
        for index in range(size):
            key = (config.seed, step + 10, index)
            rng = np.random.default_rng(key)
            target = int(rng.choice(self.learnt))
            others = [i for i in self._sources if i != target]
            if rng.random() < config.still_share:
                episodes.append(self._still(target, key, rng))
            else:
                first = 0 in others and rng.random() < _FIRST_SHARE
                lead = 0 if first else int(rng.choice(others))
                merged = rng.random() < _MERGE_SHARE
                sources = self._led_by(lead, others) if merged else (lead,)
                episodes.append(Episode(PICTURES, 0, sources, target, key))
        return self._batches(episodes, config.strength, together=size)[0]

    def _nearest(self, target: int) -> int:
        """The learnt picture that is most like a held-back one."""
        return min(self.learnt, key=lambda other: float(self._apart[target, other]))

    @staticmethod
    def _led_by(lead: int, pictures: Sequence[int]) -> tuple[int, ...]:
        """All of them, to be laid together as they are when frames are made."""
        return (lead, *(other for other in pictures if other != lead))

    def _still(self, picture: int, key: tuple[int, int, int], rng: np.random.Generator) -> Episode:
        """The picture as the mesh moves it, to be led back to itself."""
        pose = self._album.clip(MOTION).measures[:, :2]
        half = len(pose) // 2  # the performance, then the same mirrored
        start = int(rng.integers(len(pose)))
        same = np.arange(half) + (half if start >= half else 0)
        near = same[np.linalg.norm(pose[same] - pose[start], axis=1) < _LARGEST_TURN]
        motion = Motion(MOTION, start, int(rng.choice(near)))
        return Episode(PICTURES, 0, (picture, picture), picture, key, (motion, motion))

    def _batches(
        self, episodes: Sequence[Episode], strength: Strength, *, together: int = _TOGETHER
    ) -> list[Batch]:
        # The person's vector is known already.
        options = SampleOptions(identity_size=0, merge_share=1, match_light=True, strength=strength)
        samples = []
        for episode in episodes:
            sample = make_sample(self._album, episode, options)
            if episode.clip != DRIVEN:
                sample = _match(self._without_mirror(sample, episode.target))
            rng = np.random.default_rng((*episode.key, _SHIFT))
            sample["shift"] = rng.random(2, np.float32)
            samples.append(sample)
        return [
            _stack(samples[start : start + together]) for start in range(0, len(samples), together)
        ]

    def _without_mirror(self, sample: Sample, target: int) -> Sample:
        """What a mirror fills beyond the target picture's edge is not asked for."""
        clip = self._album.clip(PICTURES)
        inside = clip.inside[target]
        if inside.all():
            return sample
        # Where the picture went is read off its landmarks: the shape warp yields a pixel or two.
        known = np.column_stack([clip.points(target)[:, :2], np.ones(len(sample["points"]))])
        place = np.linalg.lstsq(known, sample["points"][:, :2], rcond=None)[0].T
        size = sample["visible"].shape[0]
        shown = cv2.warpAffine(inside, place, (size, size), flags=cv2.INTER_NEAREST)
        shown = cv2.erode(shown, np.ones((7, 7), np.uint8))
        return {**sample, "visible": np.minimum(sample["visible"], shown)}


def held_back(count: int) -> tuple[int, ...]:
    """Which of two or more pictures are never asked for in training: a quarter, never the first."""
    number = min(_MOST_HELD, max(1, count // 4))
    return tuple(int((k + 0.5) * (count - 1) / number) + 1 for k in range(number))


def _match(sample: Sample) -> Sample:
    """Bring the target to the source's light; leave out surroundings that are another place's."""
    warped, target = sample["warped"][0].astype(np.float32), sample["target"].astype(np.float32)
    face = cv2.erode(sample["face"], np.ones((5, 5), np.uint8)) > 127
    skin = face & (sample["valid"][0] > 127) & (sample["opening"][0] < 1)
    if skin.sum() < 100:
        return sample
    gain = np.clip(
        warped[:, skin].mean(axis=1) / np.maximum(target[:, skin].mean(axis=1), 1), 0.6, 1.6
    )
    target = np.clip(target * gain[:, None, None], 0, 255)
    head = around_face(sample["points"], sample["face"].shape[0])
    around = (sample["visible"] > 127) & ~head
    visible = sample["visible"]
    if around.any() and np.abs(warped - target)[:, around].mean() > ANOTHER_PLACE:
        visible = visible * head
    return {**sample, "target": np.round(target).astype(np.uint8), "visible": visible}


def _stack(samples: Sequence[Sample]) -> Batch:
    return {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
