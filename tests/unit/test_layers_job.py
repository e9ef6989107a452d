# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's layers as pictures, by the command line and by the worker; progress and cancel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference import caches
from inference.cli import main
from inference.demo import PORTRAIT, TRACK
from inference.errors import Cancelled, InputError
from inference.jobs import LayersJob, SynthesizeJob
from inference.layers.layers import portrait_layers
from inference.layers_job import write_layers
from inference.pictures import read_picture
from inference.portrait import open_portrait
from inference.synthesis import synthesize


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv(caches.FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path


def test_the_pictures_are_the_layers(tmp_path: Path) -> None:
    written = write_layers(LayersJob(PORTRAIT, tmp_path / "out"))
    layers = portrait_layers(open_portrait(PORTRAIT))
    assert (written.words, written.fallback) == (layers.quality, "")
    assert written.matte and written.person and written.plate
    matte = cv2.imread(str(written.matte), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(matte, layers.alpha)
    np.testing.assert_array_equal(read_picture(written.plate).rgb, layers.plate)
    cut = cv2.imread(str(written.person), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cut[..., 3], layers.alpha)
    shown = layers.alpha > 0
    np.testing.assert_array_equal(cut[..., 2::-1][shown], layers.person[shown])
    # The matte serves as one's own: it makes the same person again.
    again = portrait_layers(open_portrait(PORTRAIT), read_picture(written.matte))
    np.testing.assert_array_equal(again.alpha, layers.alpha)


def test_a_picture_that_was_painted_on_is_kept(tmp_path: Path) -> None:
    job = LayersJob(PORTRAIT, tmp_path)
    first = write_layers(job)
    assert first.matte
    assert write_layers(job) == first
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    first.matte.write_bytes(PORTRAIT.read_bytes())
    with pytest.raises(InputError, match="was changed since it was made"):
        write_layers(job)
    assert first.matte.read_bytes() == PORTRAIT.read_bytes()
    first.matte.unlink()
    write_layers(job)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    # As the artist's own in that very folder it is refused as well.
    with pytest.raises(InputError, match="would be replaced"):
        write_layers(LayersJob(PORTRAIT, tmp_path, alpha=first.matte))


def test_a_stranger_in_the_way_is_kept(tmp_path: Path) -> None:
    (tmp_path / "plate.png").write_text("mine")
    with pytest.raises(InputError, match="was not made by Likeness"):
        write_layers(LayersJob(PORTRAIT, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["plate.png"]


def test_the_command_says_where_and_what_to_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["layers", str(PORTRAIT), "--out", str(tmp_path / "out")]) == 0
    assert "matte.png, person.png, plate.png; " in capsys.readouterr().out
    missing = str(tmp_path / "none.png")
    assert main(["layers", str(PORTRAIT), "--out", str(tmp_path / "b"), "--plate", missing]) == 2
    assert "there is no such clean plate" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_preparing_is_heard_before_the_first_frame(fresh: Path) -> None:
    heard: list[str] = []
    job = SynthesizeJob((PORTRAIT,), TRACK, fresh / "out", frames=(0, 0))
    synthesize(
        job, lambda *_: heard.append("frames"), preparing=lambda *_: heard.append("preparing")
    )
    assert heard.index("frames") > 10
    assert set(heard[: heard.index("frames")]) == {"preparing"}


def test_preparing_can_be_cancelled(fresh: Path) -> None:
    heard = 0

    def hear(_done: int, _total: int) -> None:
        nonlocal heard
        heard += 1

    job = LayersJob(PORTRAIT, fresh / "out")
    with pytest.raises(Cancelled, match="cancelled while its layers were made"):
        write_layers(job, hear, lambda: heard > 5)
    assert heard <= 7
    assert not (fresh / "out").exists()
