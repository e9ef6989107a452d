# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a person's pictures are learnt from which, and what is held back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.data.augment import NONE
from export.data.episodes import Episode
from export.data.footage import Footage
from export.data.samples import Sample, SampleOptions, make_sample
from export.personalization.pairs import Pairs, held_back
from export.personalization.pictures import PICTURES, Album, AlbumClip, lay_out, open_pictures
from inference.sources import looks
from tests.person import PORTRAIT, four_pictures, plan


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return four_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("count", range(2, 33))
def test_a_quarter_is_held_back_but_never_the_first(count: int) -> None:
    held = held_back(count)
    assert len(held) == len(set(held))
    assert all(0 < place < count for place in held)
    assert len(held) == min(6, max(1, count // 4))


class Locked(AlbumClip):
    """Pictures of which some must not be looked at."""

    locked: tuple[int, ...] = ()

    def picture(self, index: int, half: bool = False) -> np.ndarray:
        assert index not in self.locked, "a held-back picture was looked at"
        return super().picture(index, half)


def test_held_back_pictures_are_not_trained_on(pictures: tuple[Path, ...], tmp_path: Path) -> None:
    config = replace(plan(pictures, tmp_path), steps=12)
    album = lay_out(open_pictures(pictures, None, lambda done, total: None))
    first = album.clip(PICTURES)
    clip = Locked(first.record, first.faces, first.frames, first.inside)
    pairs = Pairs(Album((clip, *album.clips[1:])), config)
    assert pairs.held
    object.__setattr__(clip, "locked", pairs.held)
    assert len(list(pairs.training(0))) == 12
    with pytest.raises(AssertionError, match="held-back"):
        pairs.judging()


def test_what_is_mirrored_beyond_a_picture_is_not_asked_for(
    tmp_path: Path,
) -> None:
    """The sample's crop reaches above the picture: there nothing counts, the face does."""
    config = plan((PORTRAIT,), tmp_path)
    opened = open_pictures((PORTRAIT,), None, lambda done, total: None)
    portrait = opened.portraits[0]
    above = -portrait.box.y * 256 // portrait.box.height
    assert above > 8
    config = replace(config, still_share=1.0, strength=NONE, whole_every=1)
    for _, batch in Pairs(lay_out(opened), config).training(0):
        assert not batch["visible"][:, : above - 1].any()
        assert (batch["visible"][:, above + 12 :, 64:192] > 0).float().mean() > 0.99


@pytest.mark.parametrize("count", [1, 2])
def test_of_two_only_one_way_is_learnt(
    pictures: tuple[Path, ...], tmp_path: Path, count: int
) -> None:
    """One picture is two: itself and its mirror image."""
    config = plan(pictures[:count], tmp_path)
    config = replace(config, steps=12, still_share=0, strength=NONE)
    album = lay_out(open_pictures(pictures[:count], None, lambda done, total: None))
    assert len(album.clip(PICTURES).faces) == 2
    pairs = Pairs(album, config)
    learnt = torch.cat([batch["points"] for _, batch in pairs.training(0)])
    (judged,) = pairs.judging()
    assert (learnt - learnt[0]).abs().max() < 1e-3, "always the first"
    assert (judged["points"] - learnt[0]).abs().mean() > 1
    faces = album.clip(PICTURES).faces
    if count == 1:
        middle = faces[:, :, 0].mean(axis=1)
        assert middle.sum() == pytest.approx(album.clip(PICTURES).record.size[0], rel=1e-4)


def test_pictures_are_made_of_all_others_as_frames_are(
    pictures: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most often, and led by the first one in half of the samples; what is judged always is."""
    asked: list[tuple[Episode, SampleOptions]] = []

    def made(data: Footage, episode: Episode, options: SampleOptions) -> Sample:
        asked.append((episode, options))
        return make_sample(data, episode, options)

    monkeypatch.setattr("export.personalization.pairs.make_sample", made)
    album = lay_out(open_pictures(pictures, None, lambda done, total: None))
    pairs = Pairs(album, replace(plan(pictures, tmp_path), steps=16, still_share=0))
    list(pairs.training(0))
    merged = [episode for episode, _ in asked if len(episode.sources) > 1]
    assert 0.5 < len(merged) / len(asked) < 0.9
    for episode in merged:
        assert {*episode.sources, episode.target} == set(pairs.learnt)
    led = [episode for episode in merged if episode.target]
    assert sum(episode.sources[0] == 0 for episode in led) / len(led) > 0.4
    assert all(options.merge_share == 1 and options.match_light for _, options in asked)

    asked.clear()
    pairs.judging()
    found = looks(album.clip(PICTURES).faces, album.clip(PICTURES).faces[0])
    (target,) = pairs.held
    nearest = min(pairs.learnt, key=lambda i: float(np.linalg.norm(found[i] - found[target])))
    assert {episode.sources[0] for episode, _ in asked} == {0, nearest}
    assert all(set(episode.sources) == set(pairs.learnt) for episode, _ in asked)


def test_batches_are_the_same_from_any_step_on(pictures: tuple[Path, ...], tmp_path: Path) -> None:
    album = lay_out(open_pictures(pictures, None, lambda done, total: None))
    pairs = Pairs(album, replace(plan(pictures, tmp_path), steps=5))
    whole, later = dict(pairs.training(0)), dict(pairs.training(3))
    assert list(later) == [3, 4]
    for step, batch in later.items():
        for key, value in batch.items():
            assert torch.equal(value, whole[step][key]), key
    assert not torch.equal(whole[0]["target"], whole[4]["target"])
