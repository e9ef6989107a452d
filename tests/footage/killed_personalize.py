# SPDX-License-Identifier: GPL-3.0-or-later
"""Personalize and be killed once a step was kept: python killed_personalize.py FOLDER KILLS SEED.

The pictures are opened once, in a process of its own, and what costs most and touches no file
(laying out, judging, tracing for ONNX) is remembered from a first run; what is killed loads, trains
and writes.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export.checkpoint import state_hash
from export.folders import writing
from export.personalization import personalize as loop
from export.personalization.config import PersonalizeConfig
from export.personalization.folder import write_person
from export.personalization.judge import Judge
from export.personalization.personalize import fine_tune, read_files
from export.personalization.pictures import PersonPictures, open_pictures
from export.training.render import View
from inference.files import PART_SUFFIX
from inference.generator.person import PERSON, PERSON_FOLDER, UNFINISHED, open_person
from inference.sessions import MODELS
from tests.killing import kill_over_and_over, same_files


def main(pictures: tuple[Path, ...], base: Path, kills: int, seed: int) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        opened = pool.submit(_open, pictures).result()
    torch.set_num_threads(1)  # threads would not survive the fork

    def work(out: Path) -> None:
        config = PersonalizeConfig(
            pictures,
            out,
            MODELS / "warp-draft.onnx",
            steps=2,
            judge_every=1,
            batch=1,
            crop=64,
            minutes=60,
            half=False,
            threads=1,
        )
        with writing(out, PERSON_FOLDER, read_files(config)):
            write_person(fine_tune(config, opened), config)

    for owner, name, remember in (
        (loop, "Pairs", _once),
        (loop, "Judge", _once),
        (Judge, "look", _by_weights),
        (Judge, "render", _by_weights),
    ):
        setattr(owner, name, remember(getattr(owner, name)))
    work(base / "first")
    folders = kill_over_and_over(
        work,
        base,
        kills,
        seed,
        left,
        lambda out, reference: same_files(out, reference, _timeless),
        armed=UNFINISHED,
        finished_share=0.2,
    )
    print(f"{kills} of {kills} kills, {folders} folders finished, each as if never interrupted")


def _open(pictures: tuple[Path, ...]) -> PersonPictures:
    return open_pictures(pictures, None, lambda done, total: None)


def _once(make: Any) -> Any:
    made: list[Any] = []

    def once(*arguments: Any) -> Any:
        made[:] = made or [make(*arguments)]
        return made[0]

    return once


def _by_weights(function: Callable[..., Any]) -> Any:
    """Remember the answer for the weights of the network among the arguments, and the view."""
    known: dict[tuple[str, str], Any] = {}

    def remembered(*arguments: Any) -> Any:
        (network,) = (a for a in arguments if isinstance(a, nn.Module))
        views = [id(a) for a in arguments if isinstance(a, View)]  # the judge keeps its own
        key = state_hash(network), str(views)
        if key not in known:
            known[key] = function(*arguments)
        return copy.deepcopy(known[key])

    return remembered


def _timeless(name: str, content: bytes) -> bytes:
    """The card tells how long it took."""
    return re.sub(rb"in \d+ seconds", b"", content) if name == "card.md" else content


def left(out: Path, reference: Path) -> None:
    """Every file under its own name is whole, and the person's list says so of the generator."""
    for path in out.iterdir():
        if path.name.endswith((PART_SUFFIX, ".lock")):
            continue
        if path.name == UNFINISHED:
            assert torch.load(path, weights_only=True)["run"]["step"] in (1, 2)
        else:
            whole = (reference / path.name).read_bytes()
            assert _timeless(path.name, path.read_bytes()) == _timeless(path.name, whole), path.name
    if (out / PERSON).is_file():
        open_person(out)
        assert json.loads((out / PERSON).read_text(encoding="utf-8"))["steps"] in (0, 1, 2)
    else:
        assert (out / UNFINISHED).is_file(), "nothing to go on from"


if __name__ == "__main__":
    *given, folder, count, start = sys.argv[1:]
    main(tuple(map(Path, given)), Path(folder), int(count), int(start))
