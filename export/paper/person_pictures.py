# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's pictures as the paper's networks see them: from files, or from a prepared clip.

There is no augmentation, as in the paper: all that is learnt of a picture is asked for where it
was, background included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export.data.augment import NONE
from export.data.episodes import Episode
from export.data.footage import Footage
from export.data.samples import SampleOptions, make_sample
from export.data.shards import PreparedData
from export.personalization.pairs import held_back
from export.personalization.pictures import (
    PICTURES,
    AlbumClip,
    AlbumRecord,
    PersonPictures,
    lay_out,
)
from inference.errors import InputError
from inference.landmarks import mirror_order
from inference.sources import looks, spread

SIZE = 256


@dataclass(frozen=True)
class PaperView:
    """target, lines: (N, 3, 256, 256) in [-1, 1]; points: (N, 478, 3) in pixels of 256."""

    target: Tensor
    lines: Tensor
    points: Tensor

    def __len__(self) -> int:
        return len(self.target)

    def to(self, device: torch.device) -> PaperView:
        """The same on a device."""
        return PaperView(self.target.to(device), self.lines.to(device), self.points)


@dataclass(frozen=True)
class PaperPerson:
    """names, hashes: of the T pictures. frames: (T, 6, 256, 256) in [-1, 1], for the embedder.

    learnt: what is trained on. held: what is not, a quarter of the pictures (one of two); of a
    single picture it is the mirror image. held_names: which these are.
    """

    names: tuple[str, ...]
    hashes: tuple[str, ...]
    frames: Tensor
    learnt: PaperView
    held: PaperView
    held_names: tuple[str, ...]


@dataclass(frozen=True)
class ClipHalves:
    """A prepared clip. early: frames that pictures are taken from, unlike each other, the main one
    first. late: frames of its second half, evenly spread, that stay unseen."""

    data: PreparedData
    clip: int
    early: tuple[int, ...]
    late: tuple[int, ...]


def person_of_portraits(pictures: PersonPictures) -> PaperPerson:
    """Of opened pictures, each in its own crop."""
    names = tuple(portrait.path.name for portrait in pictures.portraits)
    return _person(lay_out(pictures).clip(PICTURES), names, pictures.hashes)


def halve_clip(folder: Path, name: str, shots: int, frames: int) -> ClipHalves:
    """Take `shots` frames of the first half of a clip and `frames` of its second half, at most.

    Raises InputError when the prepared data has no such clip or it is too short.
    """
    data = PreparedData(folder)
    names = [record.name for record in data.records]
    if name not in names:
        some = next((r.name for r in data.records if not r.still), names[0])
        raise InputError(f"{folder}: holds no clip '{name}'; one of them is '{some}'")
    clip = names.index(name)
    count = data.records[clip].frames
    if count < 2:
        raise InputError(f"{folder}: '{name}' is a still; choose a clip, which has two halves")
    middle = count // 2
    stored = data.clip(clip)
    faces = np.stack([stored.points(frame) for frame in range(middle)])
    early = spread(looks(faces, faces[0]), shots)
    late = np.unique(np.linspace(middle, count - 1, min(frames, count - middle)).round())
    return ClipHalves(data, clip, tuple(early), tuple(late.astype(int).tolist()))


def person_of_clip(halves: ClipHalves) -> PaperPerson:
    """Of the frames of the clip's first half."""
    record, stored = halves.data.records[halves.clip], halves.data.clip(halves.clip)
    frames = tuple(stored.picture(frame) for frame in halves.early)
    album = AlbumClip(
        AlbumRecord(record.name, record.size, record.side),
        np.stack([stored.points(frame) for frame in halves.early]),
        frames,
        tuple(np.full(picture.shape[:2], 255, np.uint8) for picture in frames),
    )
    names = tuple(f"{record.name} frame {frame}" for frame in halves.early)
    hashes = tuple(hashlib.sha256(picture.tobytes()).hexdigest() for picture in frames)
    return _person(album if len(frames) > 1 else _with_mirror(album), names, hashes)


def unseen_view(halves: ClipHalves) -> PaperView:
    """The frames of the clip's second half, in the crop of its first picture."""
    return _view(halves.data, halves.clip, halves.early[0], halves.late)


@dataclass(frozen=True)
class _Alone:
    """One clip as footage."""

    only: AlbumClip

    def clip(self, index: int) -> AlbumClip:
        assert index == 0
        return self.only


def _person(album: AlbumClip, names: tuple[str, ...], hashes: tuple[str, ...]) -> PaperPerson:
    """`album` holds the pictures; a single one has its mirror image beside it."""
    count = len(album.faces)
    held = held_back(count)
    footage = _Alone(album)
    pictures = tuple(range(len(names)))
    shown = make_sample(footage, Episode(0, 0, pictures, 0, (0, 0, 0)), _OPTIONS)["identity"]
    said = (*names, f"the mirror image of {names[0]}")
    return PaperPerson(
        names,
        hashes,
        _signed(shown),
        _view(footage, 0, 0, [i for i in range(count) if i not in held]),
        _view(footage, 0, 0, held),
        tuple(said[i] for i in held),
    )


_OPTIONS = SampleOptions(SIZE, sources=0, identity_size=SIZE, strength=NONE)


def _view(footage: Footage, clip: int, first: int, targets: Sequence[int]) -> PaperView:
    """Frames of a clip in the crop of the frame `first`, as in meta-learning."""
    samples = [
        make_sample(footage, Episode(clip, 0, (first,), target, (0, 0, target)), _OPTIONS)
        for target in targets
    ]
    stacked = {key: np.stack([s[key] for s in samples]) for key in ("target", "lines", "points")}
    return PaperView(
        _signed(stacked["target"]),
        _signed(stacked["lines"][:, :3]),
        torch.from_numpy(stacked["points"]),
    )


def _with_mirror(album: AlbumClip) -> AlbumClip:
    picture, points = album.frames[0], album.faces[0][mirror_order()].copy()
    points[:, 0] = picture.shape[1] - points[:, 0]
    other = np.ascontiguousarray(picture[:, ::-1])
    return AlbumClip(
        album.record, np.stack([album.faces[0], points]), (picture, other), album.inside * 2
    )


def _signed(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).float() / 127.5 - 1
