# SPDX-License-Identifier: GPL-3.0-or-later
"""Four pictures of one person, and a short personalization on them."""

from __future__ import annotations

from pathlib import Path

from export.personalization.config import PersonalizeConfig
from inference.frames import encode_frame
from inference.jobs import SynthesizeJob
from inference.render import StageClock, render_frame
from inference.scene import build_scene
from inference.track import load_track

SAMPLES = Path(__file__).resolve().parents[1] / "inference" / "samples"
PORTRAIT, TRACK = SAMPLES / "eileen_collins.png", SAMPLES / "weekly_address.track.npz"


def four_pictures(folder: Path) -> tuple[Path, ...]:
    """The sample portrait, and three of it in motion, which are written into the folder."""
    scene = build_scene(SynthesizeJob((PORTRAIT,), TRACK, folder, layer="full"), load_track(TRACK))
    paths = [PORTRAIT]
    for frame in (40, 110, 190):
        made, _ = render_frame(scene, frame, StageClock())
        paths.append(folder / f"frame {frame}.png")
        paths[-1].write_bytes(encode_frame(made, None, "png"))
    return tuple(paths)


def plan(pictures: tuple[Path, ...], out: Path, checkpoint: Path = Path()) -> PersonalizeConfig:
    """A short run that costs little and is the same every time."""
    return PersonalizeConfig(
        pictures, out, checkpoint, steps=4, judge_every=2, batch=2, crop=128, half=False
    )
