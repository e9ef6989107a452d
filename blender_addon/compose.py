# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose a .blend from head frames and render it, without a window (bpy as a library).

    python -m blender_addon.compose --head DIR [--driver CLIP] --blend OUT.blend
        [--movie OUT.mp4] [--still OUT.png [--frame N]] [--max-size 1920]

A new scene named "Likeness": the portrait, its head frames above, the driver's clip in a corner.
What is rendered is the .blend that was saved, opened again. Progress goes to stderr, a line a
second; errors are one line there, exit code 2 for what the user gave, 1 for what went wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError, RenderError
from .sequencer.placement import FrameFiles, Placement, frame_files, read_placement
from .storage import ownership
from .storage.files import part_of

if TYPE_CHECKING:
    import bpy

SCENE = "Likeness"
FRAME_START = 1  # where index 0 of the track lies on the timeline


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        placement = read_placement(options.head.absolute())
        files = frame_files(placement)
        _check_outputs(options, placement)
        if files.missing:
            _say(
                f"{len(files.missing)} of {placement.count} head frames are missing, the first is "
                f"{placement.pattern % files.missing[0]}: the frame before each stands in"
            )
        compose(options, placement, files)
    except (InputError, RenderError) as error:
        _say(f"error: {error}")
        return error.exit_code
    except OSError as error:
        _say(f"error: {error.filename or options.blend}: {error.strerror or error}")
        return 1
    return 0


def compose(options: argparse.Namespace, placement: Placement, files: FrameFiles) -> None:
    """Make the scene, save it, then render from what was saved."""
    import bpy  # half a second: not before the input is known to be good

    from .sequencer import output

    blend = options.blend.absolute()
    with _blender_in_silence():
        scene = _empty_scene()
        _fill(scene, placement, files, options.driver, options.max_size)
        _save(scene, blend)
        bpy.ops.wm.open_mainfile(filepath=str(blend), load_ui=False)
        scene = bpy.data.scenes[SCENE]
        if options.still:
            frame = scene.frame_start if options.frame is None else options.frame
            output.render_still(scene, options.still.absolute(), frame)
        if options.movie:
            output.render_movie(scene, options.movie.absolute(), _Progress(), placement.xmp)


class _Progress:
    """Says how far the movie is, about once a second and at the end."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last >= 1 or done == total:
            self.last = now
            _say(f"movie: {done}/{total} frames, {done / max(now - self.start, 1e-6):.1f} a second")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m blender_addon.compose",
        description="Compose a .blend from head frames and render it with Blender's sequencer.",
    )
    parser.add_argument("--head", type=Path, required=True, metavar="DIR", help="has head.json")
    parser.add_argument(
        "--driver", type=Path, metavar="CLIP", help="movie, folder of pictures, or name with %%06d"
    )
    parser.add_argument("--blend", type=Path, required=True, metavar="OUT.blend")
    parser.add_argument("--movie", type=Path, metavar="OUT.mp4")
    parser.add_argument("--still", type=Path, metavar="OUT.png")
    parser.add_argument("--frame", type=int, metavar="N", help="Blender's number of the still")
    parser.add_argument(
        "--max-size", type=int, default=1920, metavar="PIXELS", help="longest side rendered, 0: any"
    )
    return parser


def _check_outputs(options: argparse.Namespace, placement: Placement) -> None:
    for path, suffix in (
        (options.blend, ".blend"),
        (options.movie, ".mp4"),
        (options.still, ".png"),
    ):
        if path is None:
            continue
        if path.suffix.lower() != suffix:
            raise InputError(f"{path}: the name must end with {suffix}")
        folder = path.absolute().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise InputError(f"{path}: {folder} is not a folder that can be written to")
        ownership.check_replaceable(path, ownership.is_named, "named as Likeness's own there")
    if options.max_size < 0:
        raise InputError(f"--max-size {options.max_size}: give 0 or more pixels")
    first = FRAME_START + placement.first
    if options.frame is not None and not first <= options.frame < first + placement.count:
        raise InputError(
            f"--frame {options.frame}: the head frames are {first} to {first + placement.count - 1}"
        )


def _empty_scene() -> bpy.types.Scene:
    """A fresh file that opens as a video editing workspace, with one empty scene."""
    import bpy

    from . import versions

    bpy.ops.wm.read_homefile(app_template="Video_Editing", use_factory_startup=True)
    scene = bpy.context.scene
    scene.name = SCENE
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    scene.sequence_editor_clear()
    scene.sequence_editor_create()
    # The only engine whose name is the same in every Blender served; the sequencer needs none.
    scene.render.engine = "BLENDER_WORKBENCH"  # type: ignore[assignment]
    versions.edit_in_every_workspace(scene)
    return scene


def _fill(
    scene: bpy.types.Scene,
    placement: Placement,
    files: FrameFiles,
    driver: Path | None,
    max_size: int,
) -> None:
    from .sequencer import output, strips

    start = FRAME_START + placement.first
    output.set_render(
        scene, placement.portrait_size, placement.rate, start, start + placement.count, max_size
    )
    output.set_movie(scene)
    scene.render.filepath = "//"
    portrait = strips.add_portrait_strip(scene, placement, FRAME_START)
    head = strips.add_head_strip(scene, placement, files, portrait, FRAME_START)
    if driver is not None:
        strips.add_driver_strip(scene, driver.absolute(), FRAME_START, above=head.channel)


def _save(scene: bpy.types.Scene, path: Path) -> None:
    import bpy

    from .sequencer import strips

    strips.make_relative(scene, path.parent)
    part = part_of(path)
    try:
        # The strips' paths are relative to this folder already: Blender must not touch them.
        bpy.ops.wm.save_as_mainfile(
            filepath=str(part), check_existing=False, copy=True, relative_remap=False, compress=True
        )
        os.replace(part, path)
    except RuntimeError as error:
        reason = " ".join(str(error).replace("Error:", "").split())
        raise RenderError(f"{path}: Blender could not save ({reason})") from None
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _blender_in_silence() -> Iterator[None]:
    """Keep what Blender prints for every frame off stdout; Python's own stderr stays."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 1)
        try:
            yield
        finally:
            # Blender reports through Python's stdout, where a pipe's reader gets it later.
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Blender 4.5 as a library may hang when Python ends; everything is written by now.
    os._exit(code)
