# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: portrait and performance in; a .blend, a movie and a contact sheet out."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.capture import Captured, capture_footage
from inference.capture.video import open_footage, read_frames
from inference.composite import Pixels, lay_over
from inference.consent import PREVIEWS, Consent, read_consent
from inference.drawing import draw_track
from inference.errors import InputError, LikenessError, one_line
from inference.files import write_whole
from inference.frames import encode_frame
from inference.inputs import sha256_of
from inference.jobs import SynthesizeJob, unmarked_only_with_consent
from inference.outputs import FolderKind, claim_folder
from inference.pictures import read_picture
from inference.portrait import Portrait, open_portrait
from inference.progress import progress_line
from inference.provenance.xmp import with_xmp
from inference.render import STAGES
from inference.sidecar import PLACEMENT, known_placement
from inference.synthesis import synthesize
from inference.track import load_track, save_track

SAMPLES = Path(__file__).with_name("samples")
PORTRAIT = SAMPLES / "eileen_collins.png"
TRACK = SAMPLES / "weekly_address.track.npz"
CONSENT = SAMPLES / "eileen_collins.consent.json"

BLEND, MOVIE, SHEET = "demo.blend", "demo.mp4", "contact.png"
MADE = "made.json"
DEMO = FolderKind(
    "a demonstration",
    (r"demo\.(blend|mp4)", r"contact\.png", r"made\.json", r"driver\.track\.npz"),
)

_MOMENTS = 6
_TILE = 384


@dataclass(frozen=True)
class StageRow:
    """One line of the table: a stage, its frames, milliseconds a frame, and what it ran on."""

    stage: str
    frames: int
    ms: float
    ran_on: str


def run_demo(
    out: Path,
    portraits: list[Path] | None,
    footage: Path | None,
    tier: str,
    consent: Consent | None = None,
) -> list[StageRow]:
    """Do the main job into the folder `out` and print a table of its stages.

    portraits: pictures of one person; None: the sample. footage: the performance; None: the
    sample track, whose drawing takes the place of the driver's clip. consent: to these portraits;
    the sample brings its own, others without one make a preview.
    Raises InputError for what the user can fix.
    """
    if not portraits:
        portraits, consent = [PORTRAIT], read_consent(CONSENT)
    claim_folder(out, DEMO, [*portraits, *([footage] if footage else [])])
    _refuse_edited(out / BLEND)
    rows: list[StageRow] = []
    track_path = out / "driver.track.npz"
    if footage:
        start = time.perf_counter()
        captured: Captured = capture_footage(footage, progress=progress_line("capture"))
        save_track(captured.track, track_path)
        rows.append(_row("capture", len(captured.track), start, "MediaPipe, CPU"))
        driver = footage
    else:
        save_track(load_track(TRACK), track_path)
        driver = out / "driver"
        draw_track(load_track(track_path), driver)
    track = load_track(track_path)

    head = out / "head"
    start = time.perf_counter()
    job = SynthesizeJob(tuple(portraits), track_path, head, tier=tier, consent=consent)
    job = unmarked_only_with_consent(job)
    made = synthesize(job, progress_line("synthesize"), preparing=progress_line("prepare", "steps"))
    for stage in STAGES:
        ran_on = f"ONNX Runtime, {made.provider}" if stage == "network" else "CPU"
        if made.made:
            rows.append(
                StageRow(stage, made.made, made.seconds.get(stage, 0) / made.made * 1000, ran_on)
            )
    rows.append(_row(f"synthesize, whole ({made.kept} kept)", made.made, start, "overlapping"))

    start = time.perf_counter()
    _refuse_edited(out / BLEND)
    _compose(head, driver, out)
    write_whole(out / MADE, json.dumps({BLEND: sha256_of(out / BLEND)}).encode())
    rows.append(_row("strips and movie", len(track), start, "Blender"))
    _contact_sheet(open_portrait(portraits[0]), head, driver, out / SHEET)
    _print_table(rows, made.reason, made.training, out)
    if job.preview:
        print(one_line(f"{out / MOVIE}: {PREVIEWS}"))
    return rows


def _refuse_edited(blend: Path) -> None:
    """Somebody may have gone on working in it. Raises InputError."""
    if not blend.exists():
        return
    try:
        made = json.loads((blend.with_name(MADE)).read_text(encoding="utf-8"))[BLEND]
    except (OSError, ValueError, KeyError, TypeError):
        made = None
    if blend.is_symlink() or made != sha256_of(blend):
        raise InputError(
            f"{blend}: may have been edited since it was made; move it away to keep "
            "it, or choose another folder with --out"
        )


def _compose(head: Path, driver: Path, out: Path) -> None:
    """Let Blender lay the strips and render; in a process of its own, as in the real work."""
    command = [
        sys.executable, "-m", "blender_addon.compose", "--head", str(head), "--driver", str(driver),
        "--blend", str(out / BLEND), "--movie", str(out / MOVIE),
    ]  # fmt: skip
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        log.seek(0)
        said = log.read().strip().splitlines()
    if done.returncode:
        last = said[-1] if said else f"exit code {done.returncode}"
        raise LikenessError(f"{head / PLACEMENT}: Blender could not compose the strips: {last}")


def _contact_sheet(portrait: Portrait, head: Path, driver: Path, path: Path) -> None:
    """Driver, portrait and result at six moments, closer in on the head."""
    frames = sorted(head.glob("head_*.png"))
    moments = [round(i) for i in np.linspace(0, len(frames) - 1, _MOMENTS)]
    if driver.is_dir():
        drivers = [read_picture(driver / f"driver_{i:06d}.png").rgb8() for i in moments]
    else:
        drivers = _frames_at(driver, moments)
    still = _tile(_close_up(portrait, portrait.picture.rgb8()))
    columns = []
    for index, acted in zip(moments, drivers, strict=True):
        layer = cv2.imread(str(frames[index]), cv2.IMREAD_UNCHANGED)
        alpha = layer[..., 3].astype(np.float32) / 255
        whole, _ = lay_over(portrait, cv2.cvtColor(layer, cv2.COLOR_BGRA2RGB), alpha)
        columns.append(np.vstack([_tile(acted), still, _tile(_close_up(portrait, whole))]))
    said = str(known_placement(head).get("xmp", "")).encode()
    write_whole(path, with_xmp(encode_frame(np.hstack(columns), None, "png"), said))


def _close_up(portrait: Portrait, picture: Pixels) -> Pixels:
    box = portrait.box
    return picture[max(0, box.y) : box.y + box.height, max(0, box.x) : box.x + box.width]


def _frames_at(movie: Path, indices: list[int]) -> list[NDArray[np.uint8]]:
    wanted = set(indices)
    found: dict[int, NDArray[np.uint8]] = {}
    for frame in read_frames(open_footage(movie), 0, max(indices)):
        if frame.index in wanted:
            found[frame.index] = frame.picture
    last = found[max(found)]
    return [found.get(index, last) for index in indices]


def _tile(picture: Pixels) -> NDArray[np.uint8]:
    """The picture fitted into a square, on grey."""
    height, width = picture.shape[:2]
    factor = _TILE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    fitted = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.full((_TILE, _TILE, 3), 40, np.uint8)
    top, left = (_TILE - size[1]) // 2, (_TILE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = fitted
    return tile


def _row(stage: str, frames: int, start: float, ran_on: str) -> StageRow:
    return StageRow(stage, frames, (time.perf_counter() - start) / max(1, frames) * 1000, ran_on)


def _print_table(rows: list[StageRow], reason: str, training: str, out: Path) -> None:
    print(f"{'stage':32} {'frames':>7} {'ms/frame':>9}  ran on")
    for row in rows:
        print(f"{row.stage:32} {row.frames:7d} {row.ms:9.2f}  {row.ran_on}")
    print(one_line(f"provider: {reason}; generator: {training}"))
    for name in (BLEND, MOVIE, SHEET):
        print(one_line(str(out / name)))
