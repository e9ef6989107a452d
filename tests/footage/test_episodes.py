# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples of real clips: repeatable, and pixels and landmarks that belong together."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.data.augment import NONE, Strength, draw_augmentation, show, view_frame
from export.data.episodes import Episode, Episodes
from export.data.samples import Sample, SampleOptions, make_sample
from export.data.shards import PreparedData
from inference.capture.detector import find_faces
from inference.generator.contract import CHANNELS
from inference.generator.inputs import landmark_channels
from inference.landmarks import interocular, mirror_order

pytestmark = pytest.mark.footage

PLAIN = SampleOptions(strength=NONE, mouth_share=0)
MIRRORED = replace(PLAIN, strength=replace(NONE, mirror=1.0))
# Twice what training does, and every episode mirrored.
STRONG = SampleOptions(
    strength=Strength(mirror=1, zoom=0.2, shift=0.08, angle=12, shape=0.03, noise=0)
)


@pytest.fixture(scope="module")
def data(everybody: Path) -> PreparedData:
    return PreparedData(everybody, "train")


@pytest.fixture(scope="module")
def episodes(data: PreparedData) -> Episodes:
    return Episodes(data, seed=5, still_share=0)


def moved(episode: Episode, source: int, target: int) -> Episode:
    return replace(episode, sources=(source,), target=target)


def picture(channels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(channels.transpose(1, 2, 0))


def assert_same(a: Sample, b: Sample) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def make_elsewhere(folder: Path, keys: list[tuple[int, int]]) -> list[Sample]:
    data = PreparedData(folder, "train")
    episodes = Episodes(data, seed=5)
    return [make_sample(data, episodes.at(*key), SampleOptions(sources=2)) for key in keys]


def test_a_sample_depends_on_seed_step_and_index_alone(data: PreparedData) -> None:
    keys = [(0, 0), (7, 3), (1000, 15), (2, 1)]
    here = make_elsewhere(data.folder, keys)
    with get_context("spawn").Pool(1) as pool:
        there = pool.apply(make_elsewhere, (data.folder, keys[::-1]))
    for a, b in zip(here, there[::-1], strict=True):
        assert_same(a, b)
    again = Episodes(data, seed=5)
    assert again.at(7, 3) == Episodes(data, seed=5).at(7, 3)
    assert again.at(7, 3) != Episodes(data, seed=6).at(7, 3)
    assert again.at(7, 3) != again.at(7, 4)


def test_a_step_s_episodes_have_as_many_sources(data: PreparedData) -> None:
    episodes = Episodes(data, seed=1, still_share=0.5)
    counts = []
    for step in range(60):
        drawn = [episodes.at(step, index) for index in range(4)]
        assert len({len(episode.sources) for episode in drawn}) == 1
        counts.append(len(drawn[0].sources))
        for episode in drawn:
            if not episode.motions:
                assert episode.target not in episode.sources
                assert len(set(episode.sources)) == len(episode.sources)
    assert set(counts) == set(range(1, 9))
    samples = [make_sample(data, episodes.at(3, i), SampleOptions(sources=2)) for i in range(6)]
    for key in samples[0]:
        assert len({(s[key].shape, s[key].dtype.str) for s in samples}) == 1, key


def test_the_source_s_own_pose_gives_it_back(data: PreparedData, episodes: Episodes) -> None:
    episode = moved(episodes.at(0, 0), 10, 10)
    sample = make_sample(data, episode, PLAIN)
    np.testing.assert_array_equal(sample["source"][0], sample["target"])
    assert np.abs(sample["displacement"]).max() < 0.01
    difference = np.abs(sample["warped"][0].astype(int) - sample["source"][0])
    assert difference.max() <= 2
    np.testing.assert_array_equal(sample["source_points"][0], sample["points"])


def test_displacement_and_openings_say_how_the_source_was_warped(
    data: PreparedData, episodes: Episodes
) -> None:
    sample = make_sample(data, moved(episodes.at(0, 0), 5, 60), PLAIN)
    at = np.stack(np.meshgrid(np.arange(256), np.arange(256)), axis=-1).astype(np.float32)
    where = at + sample["displacement"][0].astype(np.float32)
    source = picture(sample["source"][0])
    again = cv2.remap(source, where, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    outside = sample["opening"][0] == 0
    assert 0.5 < outside.mean() < 0.999
    difference = np.abs(again.astype(int) - picture(sample["warped"][0]))
    assert difference[outside].max() <= 2
    assert difference[~outside].max() > 3
    # The warp brings the source nearer to the target, where the target can be seen.
    seen = (sample["visible"] > 0) & (sample["face"] > 0)
    target = picture(sample["target"]).astype(float)
    assert (
        np.abs(picture(sample["warped"][0]) - target)[seen].mean()
        < 0.8 * np.abs(source - target)[seen].mean()
    )


def test_the_channels_are_those_of_the_contract(data: PreparedData, episodes: Episodes) -> None:
    sample = make_sample(data, episodes.at(3, 1), SampleOptions())
    assert len(sample["lines"]) == len(CHANNELS) - 5
    again = landmark_channels(sample["points"][:, :2].astype(np.float32), 256)
    assert np.abs(sample["lines"] / 255 - again).max() < 0.5 / 255 + 1e-6
    assert sample["valid"].dtype == np.uint8
    assert np.abs(sample["stretch"].astype(np.float32)).max() <= 1


@pytest.mark.parametrize("index", range(6))
def test_landmarks_stay_on_the_augmented_face(
    data: PreparedData, episodes: Episodes, index: int
) -> None:
    episode = episodes.at(20 + index, index)

    def error(options: SampleOptions) -> tuple[float, np.ndarray, np.ndarray]:
        sample = make_sample(data, episode, options)
        points = sample["points"][:, :2].astype(np.float32)
        faces = find_faces(picture(sample["target"]))
        assert len(faces) == 1
        distance = np.linalg.norm(faces[0][:, :2] - points, axis=1) / interocular(points)
        return float(distance.mean()), points, faces[0][:, :2]

    plain, _, _ = error(PLAIN)
    assert plain < 0.02
    # The detector has its own idea of a face's shape and bends towards it: half of this is its.
    strong, points, found = error(STRONG)
    assert strong < 0.06
    # It would not go unseen if left and right were not exchanged.
    unmirrored = points[mirror_order()]
    wrong = np.linalg.norm(found - unmirrored, axis=1) / interocular(points)
    assert wrong.mean() > 0.3


def test_landmarks_go_exactly_where_the_pixels_go(data: PreparedData) -> None:
    """A dot painted on a landmark is found at the landmark in the sample."""
    rng = np.random.default_rng(4)
    clip = data.clip(next(i for i, record in enumerate(data.records) if not record.still))
    stored = clip.record.size
    checked = 0
    for frame in (0, 30, 60):
        augmentation = draw_augmentation(clip.points(0), stored, 256, STRONG.strength, rng)
        points = clip.points(frame)
        view = view_frame(augmentation, points, stored)
        for landmark in (10, 152, 33, 263, 61, 291, 4, 234, 454, 13, 159, 105):
            dot = np.zeros((stored[1], stored[0], 3), np.uint8)
            middle = np.round((points[landmark, :2] - 0.5) * 16).astype(int).tolist()
            cv2.circle(dot, middle, 48, (255, 255, 255), -1, cv2.LINE_AA, 4)
            shown = show(view, dot)[..., 0].astype(float)
            rows, columns = np.mgrid[:256, :256] + 0.5
            found = np.array([(shown * columns).sum(), (shown * rows).sum()]) / shown.sum()
            expected = view.points[mirror_order()[landmark], :2]
            assert np.abs(found - expected).max() < 0.25
            checked += 1
    assert checked == 36


def test_a_mirrored_sample_is_the_mirror_image(data: PreparedData, episodes: Episodes) -> None:
    episode = moved(episodes.at(4, 2), 3, 50)
    plain, mirrored = (make_sample(data, episode, options) for options in (PLAIN, MIRRORED))
    flipped = plain["target"][..., ::-1].astype(int)
    assert np.abs(mirrored["target"] - flipped).max() <= 3
    expected = plain["points"][mirror_order()].copy()
    expected[:, 0] = 256 - expected[:, 0]
    np.testing.assert_allclose(mirrored["points"], expected, atol=1e-3)
    # The warp itself has no handedness: the whole sample is mirrored, but for a rounded edge.
    difference = np.abs(mirrored["warped"][0].astype(int) - plain["warped"][0][..., ::-1])
    assert difference.mean() < 1


def test_source_target_and_identity_share_shape_and_light(
    data: PreparedData, episodes: Episodes
) -> None:
    episode = moved(episodes.at(6, 1), 30, 30)
    options = replace(STRONG, strength=replace(STRONG.strength, light=1.0))
    sample = make_sample(data, episode, options)
    np.testing.assert_array_equal(sample["source"][0], sample["target"])
    small = cv2.resize(picture(sample["target"]), (128, 128), interpolation=cv2.INTER_AREA)
    seen = picture(sample["identity"][0, :3])
    assert np.abs(small.astype(float) - seen).mean() < 4
    plain = make_sample(data, episode, PLAIN)
    assert np.abs(plain["target"].astype(int) - sample["target"]).mean() > 10


def test_sources_that_are_laid_together_show_more_of_the_target(data: PreparedData) -> None:
    """Each region from the picture that has it; of one source, or of a still, nothing changes."""
    episodes = Episodes(data, seed=5, still_share=0)
    merging = replace(PLAIN, merge_share=1)
    errors = []
    for index in range(6):
        episode = episodes.at(4, index)
        pose = data.clip(episode.clip).measures
        order = np.argsort(np.linalg.norm(pose - pose[episode.target], axis=1), kind="stable")
        # The least alike leads, and beside it are the three that are most alike.
        episode = replace(episode, sources=(int(order[-1]), *order[1:4].tolist()))
        single, merged = (make_sample(data, episode, options) for options in (PLAIN, merging))
        face = single["face"] > 127
        errors.append(
            [
                np.abs(made["warped"][0].astype(float) - made["target"])[:, face].mean()
                for made in (single, merged)
            ]
        )
        # What the residual moves is the merged picture itself.
        np.testing.assert_array_equal(merged["source"], merged["warped"])
        assert not merged["displacement"].any()
        np.testing.assert_allclose(merged["opening"], single["opening"].astype(int), atol=2)
        np.testing.assert_array_equal(merged["identity"], single["identity"])
    first, together = np.mean(errors, axis=0)
    assert together < 0.8 * first
    alone = replace(episodes.at(4, 0), sources=episodes.at(4, 0).sources[:1])
    assert_same(make_sample(data, alone, merging), make_sample(data, alone, PLAIN))


def test_a_still_is_led_back_to_the_real_picture(data: PreparedData) -> None:
    episodes = Episodes(data, seed=3, still_share=1)
    differs = []
    for step in range(8):
        episode = episodes.at(step, 0)
        record = data.records[episode.clip]
        assert record.still
        assert episodes.people[episode.person] == record.identity
        sample = make_sample(data, episode, replace(PLAIN, sources=2))
        real = data.clip(episode.clip).picture(0)
        # The target is the picture itself: its usual crop, where the picture reaches.
        seen = sample["visible"] > 0
        mean = picture(sample["target"])[seen].mean(axis=0)
        assert np.abs(mean - real.reshape(-1, 3).mean(axis=0)).max() < 60
        shift = np.linalg.norm((sample["source_points"][0] - sample["points"])[:, :2], axis=1)
        differs.append(shift.mean())
        assert len(sample["identity"]) == len(episode.sources)
    assert np.median(differs) > 0.3
    assert max(differs) < 40


def test_repeated_edges_are_marked(data: PreparedData, episodes: Episodes) -> None:
    episode = episodes.at(9, 0)
    sample = make_sample(data, episode, PLAIN)
    record = data.records[episode.clip]
    share = (sample["visible"] > 0).mean()
    assert share == pytest.approx(np.prod(record.size) / record.side**2, rel=0.15)
    rows = np.flatnonzero((sample["visible"] > 0).any(axis=1))
    assert rows[0] > 5
    above = sample["target"][:, : rows[0] - 2].astype(int)
    assert np.abs(np.diff(above, axis=1)).max() <= 1, "the first row is repeated upwards"
