# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `python -m inference`: capture, performance, take, synthesize, and more."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import NoReturn, TextIO

from inference import batch_cli
from inference.arguments import frame_range, mix, number, ratio, whole
from inference.consent import PREVIEWS, read_consent
from inference.delivery import cli as delivery
from inference.errors import Cancelled, InputError, LikenessError, of_system, one_line
from inference.generator.contract import TIERS
from inference.jobs import (
    FORMATS,
    LAYERS,
    MATTES,
    PROVIDERS,
    TRANSFERS,
    CaptureJob,
    LayersJob,
    PerformanceJob,
    SynthesizeJob,
    TeethJob,
    unmarked_only_with_consent,
)
from inference.live import cli as live
from inference.mouth.look import MEAN, RANGES, TeethLook
from inference.performance.retargeting.gains import Gains
from inference.progress import progress_line
from inference.speech_cli import add_speech

CONSENT_HELP = "the portrait's consent record, as `consent` makes it; without one: previews"
_GAINS = tuple(field.name for field in fields(Gains))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code, 2 with one line on stderr for the user's mistakes."""
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except LikenessError as error:
        return _end(str(error), error.exit_code)
    except OSError as error:
        refusal = of_system(error)
        return _end(str(refusal), refusal.exit_code)
    except MemoryError:
        return _end("there is not enough memory; give less at once", LikenessError.exit_code)
    except KeyboardInterrupt:
        return _end("interrupted; no file is half-written", Cancelled.exit_code)


def _end(message: str, code: int) -> int:
    say(f"likeness: {message}", sys.stderr)
    return code


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line, whatever names and texts of files from outside are in it."""
    print(one_line(text), file=stream or sys.stdout)


def _capture(options: argparse.Namespace) -> int:
    from inference.capture.capture import run_capture

    rate = None if options.rate is None else options.rate.as_integer_ratio()
    job = CaptureJob(options.footage, options.out, options.face, options.frames, rate)
    captured = run_capture(job, progress_line("capture"))
    track = captured.track
    faces = ", ".join(str(number) for number in captured.faces)
    say(
        f"{options.out}: face {captured.face} of {faces}, {len(track)} frames at "
        f"{track.rate} a second, {int((~track.valid).sum())} gaps, {len(track.cuts)} cuts"
        + "".join(f"; {note}" for note in captured.notes)
    )
    return 0


def _performance(options: argparse.Namespace) -> int:
    from inference.performance_job import run_performance

    job = PerformanceJob(
        options.track,
        options.out,
        options.neutral,
        options.smooth_pose,
        options.smooth_expression,
        options.fill,
        options.lens,
    )
    result = run_performance(job)
    calm = ", ".join(str(frame) for frame in result.neutral)
    say(
        f"{options.out}: {result.frames} frames, {result.gaps} gaps, {result.filled} filled; "
        f"neutral as in frame {calm}"
    )
    return 0


def _take(options: argparse.Namespace) -> int:
    from inference.performance.taking.edit import Edit, edit_takes

    edit = Edit(options.frames, options.mix, options.rate, options.speed, options.mirror)
    made = edit_takes(options.takes, options.out, edit)
    say(
        f"{options.out}: {len(made)} frames at {made.rate} a second, "
        f"{int((~made.valid).sum())} gaps"
    )
    return 0


def _synthesize(options: argparse.Namespace) -> int:
    from inference.synthesis import synthesize

    job = SynthesizeJob(
        portrait=tuple(options.portrait),
        track=options.track,
        out=options.out,
        portrait_face=options.portrait_face,
        transfer=options.transfer,
        neutral=options.neutral,
        tier=options.tier,
        model=options.model,
        person=options.person,
        layer=options.layer,
        format=options.format,
        frames=options.frames,
        provider=options.provider,
        performance=options.performance,
        gains=Gains(**{name: getattr(options, f"gain_{name}") for name in _GAINS}),
        neutralize=options.neutralize,
        smooth_pose=options.smooth_pose,
        smooth_expression=options.smooth_expression,
        matte=options.matte,
        match=options.match,
        match_strength=options.match_strength,
        alpha=options.alpha,
        plate=options.plate,
        box=options.box,
        feather=options.feather,
        teeth=TeethLook(
            picture=options.teeth_picture,
            **{name: getattr(options, f"teeth_{name}") for name in RANGES},
        ),
        teeth_frames=options.teeth_frames,
        teeth_plate=options.teeth,
        base=options.base,
        note=options.note,
        mark=options.mark,
        consent=read_consent(options.consent) if options.consent else None,
    )
    job = unmarked_only_with_consent(job)
    result = synthesize(
        job, progress_line("synthesize"), preparing=progress_line("prepare", "steps")
    )
    say(
        f"{result.out}: {result.made} frames made, {result.kept} kept, {result.gaps} gaps "
        f"bridged; ran on {result.provider} ({result.reason})"
        + (f"; {result.words}" if result.words else "")
        + (f"; {PREVIEWS}" if job.preview else "")
    )
    return 0


def _layers(options: argparse.Namespace) -> int:
    from inference.layers_job import write_layers

    job = LayersJob(
        options.portrait, options.out, options.portrait_face, options.alpha, options.plate
    )
    result = write_layers(job, progress_line("prepare", "steps"))
    if result.fallback:
        raise InputError(f"{job.portrait}: there is no matte: {result.fallback}")
    say(f"{job.out}: matte.png, person.png, plate.png; {result.words or 'nothing to check'}")
    return 0


def _teeth(options: argparse.Namespace) -> int:
    from inference.teeth_job import write_template

    path = write_template(TeethJob(options.portrait, options.out, options.portrait_face))
    say(f"{path}: paint on it, keep its alpha, and give it to synthesize as --teeth")
    return 0


def _stills(options: argparse.Namespace) -> int:
    from inference.stills import write_stills

    progress = progress_line("stills", "steps")
    for path, still in write_stills(options.clip, options.out, options.count, progress):
        say(f"{path}: frame {still.frame}")
    return 0


def _worker(options: argparse.Namespace) -> int:
    from inference.worker import lower_priority, run_worker

    # Events alone may reach stdout: libraries that print there are sent to the log.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    if options.end_with_input:  # somebody sits before the program that holds the other end
        lower_priority()
    return run_worker(sys.stdin.buffer, events, options.end_with_input)


def _demo(options: argparse.Namespace) -> int:
    from inference.demo import run_demo

    consent = read_consent(options.consent) if options.consent else None
    run_demo(options.out, options.portrait, options.footage, options.tier, consent)
    return 0


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every other error; --help shows the usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(prog="python -m inference", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    capture = commands.add_parser("capture", help="footage -> landmark track")
    capture.add_argument("footage", type=Path)
    capture.add_argument("--out", type=Path, required=True, metavar="T.track.npz")
    capture.add_argument("--face", type=whole, help="its number, 1 and up; default: the largest")
    capture.add_argument("--frames", type=frame_range, metavar="A-B", help="zero-based, inclusive")
    capture.add_argument(
        "--rate",
        type=ratio,
        metavar="R",
        help="of numbered pictures, frames a second; default: 24",
    )
    capture.set_defaults(run=_capture)

    perform = commands.add_parser("performance", help="landmark track -> editable performance")
    perform.add_argument("track", type=Path)
    perform.add_argument("--out", type=Path, required=True, metavar="F.performance.npz")
    perform.add_argument("--neutral", type=whole, help="the neutral frame; default: found")
    _add_smoothing(perform)
    perform.add_argument("--fill", type=whole, default=0, help="bridge gaps of so many frames")
    perform.add_argument(
        "--lens",
        type=number,
        default=0.0,
        metavar="MM",
        help="the camera's focal length on 36 mm film, for a face that is near; default: unknown",
    )
    perform.set_defaults(run=_performance)

    add_speech(commands, say)

    take = commands.add_parser("take", help="cut, join, mix, retime, mirror; to and from tables")
    take.add_argument("takes", type=Path, nargs="+", metavar="TAKE", help="several are joined")
    take.add_argument("--out", type=Path, required=True, metavar="F.performance.npz|F.csv")
    take.add_argument(
        "--frames", type=frame_range, metavar="A-B", help="of each; zero-based, inclusive"
    )
    take.add_argument(
        "--mix",
        type=mix,
        metavar="W",
        help="of two: 0 is the first, 1 the second; or the parts that come from the second: "
        "mouth, or mouth=1,brows=0.5 (pose, mouth, eyes, brows, gaze, face)",
    )
    take.add_argument("--rate", type=ratio, metavar="R", help="frames a second: 25, 30000/1001")
    take.add_argument("--speed", type=ratio, default=Fraction(1), help="2 is twice as fast")
    take.add_argument("--mirror", action="store_true", help="left becomes right")
    take.set_defaults(run=_take)

    synth = commands.add_parser("synthesize", help="portrait and motion -> head frames")
    synth.add_argument("--portrait", type=Path, nargs="+", required=True, metavar="P")
    motion = synth.add_mutually_exclusive_group(required=True)
    motion.add_argument("--track", type=Path, metavar="T.track.npz")
    motion.add_argument(
        "--performance",
        type=Path,
        metavar="F.performance.npz|F.csv",
        help="or a table, or a Live Link Face take",
    )
    synth.add_argument("--out", type=Path, required=True, metavar="DIR")
    synth.add_argument("--portrait-face", type=whole, help="its number from left to right")
    synth.add_argument("--transfer", choices=TRANSFERS, default="relative")
    synth.add_argument("--neutral", type=whole, help="the driver's neutral frame; default: found")
    for name in _GAINS:
        synth.add_argument(f"--gain-{name}", type=number, default=1.0, help="0 to 2", metavar="G")
    for name, (low, high) in RANGES.items():
        synth.add_argument(
            f"--teeth-{name}",
            type=number,
            default=getattr(MEAN, name),
            metavar="T",
            help=f"{low:g} to {high:g}: of teeth that the portrait does not show",
        )
    synth.add_argument(
        "--teeth-picture",
        type=whole,
        default=MEAN.picture,
        metavar="N",
        help="of the portrait's pictures, which lends its teeth; default: whichever fits",
    )
    synth.add_argument(
        "--teeth-frames",
        type=Path,
        metavar="T.csv",
        help="a table with the column 'frame' and some of these, each row from its frame on",
    )
    synth.add_argument(
        "--teeth", type=Path, metavar="FILE", help="your own plate of teeth, as `teeth` exports it"
    )
    synth.add_argument(
        "--neutralize", action="store_true", help="take the portrait's own expression away first"
    )
    _add_smoothing(synth)
    synth.add_argument("--tier", choices=TIERS, default="draft")
    synth.add_argument("--model", type=Path, help="an ONNX generator instead of a shipped tier")
    synth.add_argument("--person", type=Path, metavar="DIR", help="a personalized one instead")
    synth.add_argument("--layer", choices=LAYERS, default="head")
    synth.add_argument(
        "--matte",
        nargs="?",
        choices=MATTES,
        const="face",
        default="off",
        help="also write mattes: the face's own region (grey PNG, what no word means), or channels "
        "person, face, hair, skin and unseen of one EXR a frame",
    )
    synth.add_argument(
        "--feather", type=number, default=0.0, metavar="SHARE",
        help="softness of its edge, 0 to 0.25 of the crop's side",
    )  # fmt: skip
    synth.add_argument(
        "--match",
        default="portrait",
        metavar="off|portrait|PICTURE",
        help="match colours to the portrait's own palette (default), or to a graded plate",
    )
    synth.add_argument(
        "--match-strength", type=number, default=1.0, metavar="S", help="0 to 1; default: 1"
    )
    _add_own_pictures(synth)
    synth.add_argument(
        "--box", action="store_true", help="move the head with its background, as a soft-edged box"
    )
    synth.add_argument(
        "--base", type=Path, metavar="DIR",
        help="earlier frames that must not change: adds to them, or links in --out what stays",
    )  # fmt: skip
    synth.add_argument("--consent", type=Path, metavar="FILE", help=CONSENT_HELP)
    synth.add_argument("--note", default="", help="a line on what is new, kept in job.json")
    synth.add_argument(
        "--mark", type=lambda text: 0.0 if text == "off" else number(text), default=1.0,
        metavar="off|0..1", help="the invisible mark in the skin: off, or its strength; default: 1",
    )  # fmt: skip
    synth.add_argument("--format", choices=FORMATS, default="png")
    synth.add_argument("--frames", type=frame_range, metavar="A-B", help="zero-based, inclusive")
    synth.add_argument("--provider", choices=PROVIDERS, default="auto")
    synth.set_defaults(run=_synthesize)

    batch_cli.add_command(commands)

    layers = commands.add_parser("layers", help="portrait -> its matte, person and clean plate")
    layers.add_argument("portrait", type=Path)
    layers.add_argument("--out", type=Path, required=True, metavar="DIR")
    layers.add_argument("--portrait-face", type=whole, help="its number from left to right")
    _add_own_pictures(layers)
    layers.set_defaults(run=_layers)

    teeth = commands.add_parser("teeth", help="portrait -> a plate of teeth to paint on")
    teeth.add_argument("portrait", type=Path)
    teeth.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    teeth.add_argument("--portrait-face", type=whole, help="its number from left to right")
    teeth.set_defaults(run=_teeth)

    stills = commands.add_parser("stills", help="clip of a person -> pictures for --portrait")
    stills.add_argument("clip", type=Path)
    stills.add_argument("--out", type=Path, required=True, metavar="DIR")
    stills.add_argument("--count", type=whole, default=8, metavar="N", help="1 to 32; default: 8")
    stills.set_defaults(run=_stills)

    live.add_commands(commands)
    delivery.add_commands(commands)

    worker = commands.add_parser("worker", help="serve jobs as JSON lines on stdin and stdout")
    worker.add_argument(
        "--end-with-input", action="store_true", help="a closed stdin cancels what is queued"
    )
    worker.set_defaults(run=_worker)

    demo = commands.add_parser("demo", help="the whole way, from portrait to movie")
    demo.add_argument("--portrait", type=Path, nargs="+", metavar="P")
    demo.add_argument("--footage", type=Path, metavar="F")
    demo.add_argument("--out", type=Path, required=True, metavar="DIR")
    demo.add_argument("--consent", type=Path, metavar="FILE", help=CONSENT_HELP)
    demo.add_argument("--tier", choices=TIERS, default="draft")
    demo.set_defaults(run=_demo)
    return parser


def _add_own_pictures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--alpha", type=Path, metavar="FILE", help="your own matte of the person in the portrait"
    )
    parser.add_argument(
        "--plate", type=Path, metavar="FILE", help="your own picture of what lies behind the person"
    )


def _add_smoothing(parser: argparse.ArgumentParser) -> None:
    for name in ("pose", "expression"):
        parser.add_argument(
            f"--smooth-{name}", type=number, default=0.0, metavar="S", help="0 (as it is) to 1"
        )
