# SPDX-License-Identifier: GPL-3.0-or-later
"""Episodes: K source frames and one target of one clip, the same for the same (seed, step, index).

Every draw depends on those three numbers and the prepared data alone, never on a generator that
lives on: a resumed run, or one shared by more processes, sees the same data in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.data.measures import MEASURES
from export.data.shards import PreparedData
from inference.errors import InputError

# How often the first source and the target are far apart in time, or differ most in pose, mouth
# or eyes; in the rest of the episodes they are any two frames.
FAR_SHARE, EXTREME_SHARE = 0.5, 0.3
_EXTREME = 0.05  # the share of a clip's frames from which an extreme one is drawn
_LARGEST_TURN = 12.0  # degrees
# What "differ most" may mean: columns of the measures, looked at together.
_KINDS = (("yaw", "pitch"), ("mouth",), ("eyes",))


@dataclass(frozen=True)
class Motion:
    """How somebody moved from one frame of a clip to another."""

    clip: int
    start: int
    end: int


@dataclass(frozen=True)
class Episode:
    """clip, sources, target: indices into the data's records and the clip's frames.

    person: the index into `Episodes.people`. key: (seed, step, index), for further draws.
    motions: for a still, which motion makes each source of it; the still itself is the target.
    """

    clip: int
    person: int
    sources: tuple[int, ...]
    target: int
    key: tuple[int, int, int]
    motions: tuple[Motion, ...] = ()


class Episodes:
    """Draws episodes from prepared data; people with clips are equally likely.

    A still has no second frame: the mesh moves it as somebody else moved, and the generator is
    asked to lead it back to the real picture.
    """

    def __init__(
        self,
        data: PreparedData,
        seed: int,
        shots: tuple[int, int] = (1, 8),
        still_share: float = 0.1,
    ) -> None:
        """shots: the fewest and the most source frames; all episodes of a step have as many.

        still_share: how many of the episodes are of stills, where there are any.
        """
        self.data = data
        self._seed = seed
        self._shots = shots
        self._still_share = still_share
        clips: dict[str, list[int]] = {}
        for index, record in enumerate(data.records):
            if not record.still:
                clips.setdefault(record.identity, []).append(index)
        if not clips:
            raise InputError(f"{data.folder}: holds only stills; training needs clips")
        self._clips = list(clips.values())
        self._stills = [i for i, record in enumerate(data.records) if record.still]
        self.people = list(dict.fromkeys([*clips, *(r.identity for r in data.records)]))
        self._place = {name: place for place, name in enumerate(self.people)}

    def at(self, step: int, index: int) -> Episode:
        """The episode at a place in a step's batch, counted over all processes."""
        key = (self._seed, step, index)
        rng = np.random.default_rng(key)
        # Alike for the whole step, so that a batch can be stacked.
        shots = int(np.random.default_rng(key[:2]).integers(*self._shots, endpoint=True))
        if rng.random() < self._still_share and self._stills:
            return self._of_a_still(shots, key, rng)
        clip = self._draw_clip(rng)
        stored = self.data.clip(clip)
        first, target = choose_pair(stored.measures, stored.numbers, rng)
        rest = np.setdiff1d(np.arange(stored.record.frames), [first, target])
        enough = len(rest) >= shots - 1
        others = rng.choice(rest if len(rest) else [first], shots - 1, replace=not enough)
        return Episode(clip, self._person(clip), (first, *others.tolist()), target, key)

    def _of_a_still(
        self, shots: int, key: tuple[int, int, int], rng: np.random.Generator
    ) -> Episode:
        clip = int(rng.choice(self._stills))
        motions = tuple(self._draw_motion(rng) for _ in range(shots))
        return Episode(clip, self._person(clip), (0,) * shots, 0, key, motions)

    def _draw_motion(self, rng: np.random.Generator) -> Motion:
        """Anybody's, with a turn of the head that a single picture can follow."""
        clip = self._draw_clip(rng)
        pose = self.data.clip(clip).measures[:, :2]
        start = int(rng.integers(len(pose)))
        near = np.flatnonzero(np.linalg.norm(pose - pose[start], axis=1) < _LARGEST_TURN)
        return Motion(clip, start, int(rng.choice(near)))

    def _draw_clip(self, rng: np.random.Generator) -> int:
        return int(rng.choice(self._clips[rng.integers(len(self._clips))]))

    def _person(self, clip: int) -> int:
        return self._place[self.data.records[clip].identity]


def choose_pair(
    measures: NDArray[np.float32], numbers: NDArray[np.int32], rng: np.random.Generator
) -> tuple[int, int]:
    """A first source and a target, two frames of a clip of at least two.

    measures: (F, 4); numbers: (F,) the frames' times.
    """
    count = len(numbers)
    first = int(rng.integers(count))
    kind = rng.random()
    if kind < FAR_SHARE:
        apart = np.abs(numbers - numbers[first])
        among = np.flatnonzero(apart >= apart.max() / 2)
    elif kind < FAR_SHARE + EXTREME_SHARE:
        columns = [MEASURES.index(name) for name in _KINDS[rng.integers(len(_KINDS))]]
        apart = np.linalg.norm(measures[:, columns] - measures[first, columns], axis=1)
        among = np.argsort(-apart, kind="stable")[: max(1, round(_EXTREME * count))]
    else:
        among = np.arange(count)
    among = among[among != first]
    if not len(among):  # nothing differs in this measure
        among = np.delete(np.arange(count), first)
    return first, int(rng.choice(among))
