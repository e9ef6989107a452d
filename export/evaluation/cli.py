# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `evaluate`, `retargeting`, `turns`, `sheet` and `blind` of `python -m export`."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import Cancelled, InputError
from inference.generator.contract import TIERS
from inference.generator.model import load_generator, model_path
from inference.jobs import PROVIDERS
from inference.outputs import check_replaceable, refuse_inputs
from inference.progress import Progress, progress_line, progress_meter
from inference.track import SUFFIX, LandmarkTrack, load_track

if TYPE_CHECKING:
    from export.evaluation.people import Personalizing

_LISTED = Path(__file__).with_name("retargeting_portraits.csv")
_STILLS = {".jpg", ".jpeg", ".png", ".webp"}


def add_commands(commands: Any) -> None:
    """Register all five; `commands` is what argparse's add_subparsers returned."""
    _add_evaluate(commands)
    _add_retargeting(commands)
    _add_turns(commands)
    _add_sheet(commands)
    _add_blind(commands)


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate", help="measure a generator on clips, beside the warp and the still picture"
    )
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--shots",
        type=int,
        nargs="+",
        default=[1, 8, 32],
        metavar="T",
        help="numbers of source pictures (default: 1 8 32)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="report.json")
    parser.add_argument("--model", type=Path, metavar="M.onnx", help="instead of a shipped tier")
    parser.add_argument("--tier", choices=TIERS, default="draft", help="default: draft")
    parser.add_argument(
        "--targets",
        type=int,
        default=32,
        metavar="N",
        help="frames of each clip, at most (default: 32)",
    )
    parser.add_argument(
        "--personalize",
        type=Path,
        metavar="DIR",
        help="also fine-tune on each clip's sources; DIR keeps the people's "
        "folders, and those that it holds already are used",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=5.0,
        help="of each fine-tuning, at most (default: %(default)g)",
    )
    parser.add_argument("--provider", choices=PROVIDERS, default="auto")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one for each core")
    parser.set_defaults(run=run_evaluate)


def run_evaluate(options: argparse.Namespace) -> None:
    """Evaluate as the options say, write the report and print its tables."""
    from export.evaluation.clips import RUN
    from export.evaluation.evaluate import evaluate
    from export.evaluation.report import write_report
    from export.evaluation.report_files import check_report
    from inference.files import check_writable

    shots = sorted(set(options.shots))
    if shots[0] < 1:
        raise InputError(f"--shots {shots[0]}: at least one source picture is needed")
    if options.targets < RUN:
        raise InputError(
            f"--targets {options.targets}: frames are taken {RUN} in a row; ask for {RUN} or more"
        )
    if options.processes is not None and options.processes < 1:
        raise InputError("--processes must be 1 or more")
    if options.minutes <= 0:
        raise InputError("--minutes must be above 0")
    check_report(options.out, shots, [options.model] if options.model else [])
    if options.personalize is not None:
        refuse_inputs([options.personalize], [options.clips])
    check_writable(options.out)
    try:
        evaluated = evaluate(
            options.clips,
            shots,
            options.model or options.tier,
            options.targets,
            options.provider,
            options.processes,
            _progress_line("clips read"),
            _progress_line("frames measured"),
            _personalizing(options),
            _progress_line("people fine-tuned"),
        )
    except KeyboardInterrupt:
        kept = f"; people in {options.personalize} are kept" if options.personalize else ""
        raise Cancelled(f"{options.out}: interrupted; no report was written{kept}") from None
    written = write_report(evaluated, options.out)
    print(written[1].read_text(encoding="utf-8"), end="")
    print(", ".join(map(str, written)))


def _add_retargeting(commands: Any) -> None:
    parser = commands.add_parser(
        "retargeting", help="measure how portraits follow drivers, on landmarks alone"
    )
    parser.add_argument(
        "--clips",
        type=Path,
        required=True,
        metavar="DIR",
        help="clips (those held back from training), or their tracks",
    )
    parser.add_argument(
        "--portraits",
        type=Path,
        required=True,
        metavar="DIR",
        help="where the listed ones lie; else all of its pictures",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="report.md")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th frame only")
    parser.set_defaults(run=run_retargeting)


def run_retargeting(options: argparse.Namespace) -> None:
    """Measure all pairs, write the report and print it."""
    from export.evaluation.retargeting import compare_all, report
    from inference.files import check_writable, write_whole

    if options.every < 1:
        raise InputError(f"--every {options.every}: name a number from 1 up")
    check_replaceable(options.out, _is_report, "a report of retargeting")
    check_writable(options.out)
    portraits = _portraits(options.portraits)
    drivers = _drivers(options.clips)
    pairs = compare_all(drivers, portraits, options.every, progress_line("retargeting", "drivers"))
    text = report(pairs)
    write_whole(options.out, text.encode())
    print(text, end="")


def _add_turns(commands: Any) -> None:
    parser = commands.add_parser(
        "turns", help="measure how a head turns, in depth against the flat warp"
    )
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="report",
        help="report.md and report.json are written",
    )
    parser.add_argument(
        "--pairs", type=int, default=8, metavar="N", help="of a clip and bin, at most (default: 8)"
    )
    parser.set_defaults(run=run_turns)


def run_turns(options: argparse.Namespace) -> None:
    """Measure, write both reports and print the table."""
    from export.evaluation.clips import clips_to_evaluate
    from export.evaluation.turns import measure_turns, table
    from inference.files import check_writable, written_whole

    if options.pairs < 1:
        raise InputError(f"--pairs {options.pairs}: name a number from 1 up")
    out = options.out.with_suffix("")
    written = {"md": out.with_suffix(".md"), "json": out.with_suffix(".json")}
    for path in written.values():
        check_writable(path)
    clips, _ = clips_to_evaluate(options.clips)
    turns = measure_turns(clips, options.pairs, progress_line("turns", "clips"))
    text = table(turns)
    rows = {"shaking": turns.shaking, "pairs": [asdict(result) for result in turns.results]}
    for kind, content in (("md", text), ("json", json.dumps(rows, indent=1))):
        with written_whole(written[kind]) as part:
            part.write_text(content, encoding="utf-8")
    print(text, end="")


def _add_sheet(commands: Any) -> None:
    parser = commands.add_parser(
        "sheet", help="portraits turned by known angles, as a contact sheet to judge by eye"
    )
    parser.add_argument("--portrait", type=Path, required=True, nargs="+", metavar="P")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--turn", choices=("yaw", "pitch"), default="yaw")
    parser.add_argument(
        "--layer", choices=("full", "person"), default="full", help="person: over grey checks"
    )
    parser.add_argument("--tier", choices=TIERS, default="draft")
    parser.add_argument(
        "--side",
        type=int,
        default=320,
        metavar="PIXELS",
        help="of a picture in the sheet (default: 320)",
    )
    parser.set_defaults(run=run_sheet)


def run_sheet(options: argparse.Namespace) -> None:
    """Render and write the sheet."""
    from export.evaluation.turn_sheet import PITCHES, YAWS, turn_sheet
    from inference.files import check_writable, write_whole
    from inference.frames import encode_frame
    from inference.outputs import refuse_inputs

    if not 64 <= options.side <= 2048:
        raise InputError(f"--side {options.side}: name a number from 64 to 2048")
    if options.out.suffix != ".png" or options.out.exists():
        raise InputError(f"{options.out}: name a .png file that is not there yet")
    refuse_inputs([options.out], options.portrait)
    check_writable(options.out)
    turns = YAWS if options.turn == "yaw" else PITCHES
    sheet = turn_sheet(
        options.portrait,
        turns,
        options.tier,
        options.layer,
        options.side,
        progress_line("sheet", "portraits"),
    )
    write_whole(options.out, encode_frame(sheet, None, "png"))


def _add_blind(commands: Any) -> None:
    parser = commands.add_parser(
        "blind",
        help="pairs of pictures to be told apart, with the key in a file of its own; and the score",
        description="Writes pairs of a real and a made frame, or of frames by two models, in "
        "random order. A judge who has not seen the key writes lines such as '7 left', the made "
        "or the better one; --answers counts them.",
    )
    parser.add_argument("--key", type=Path, required=True, metavar="KEY.json", help="keep it apart")
    parser.add_argument("--answers", type=Path, metavar="A.txt", help="count these, make nothing")
    parser.add_argument("--clips", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the pairs")
    parser.add_argument("--pairs", type=int, default=40, metavar="N", help="default: 40")
    parser.add_argument("--shots", type=int, default=1, metavar="T", help="source pictures")
    parser.add_argument("--shown", choices=("whole", "face", "mouth"), default="whole")
    parser.add_argument("--tier", choices=TIERS, default="draft", help="default: draft")
    parser.add_argument("--model", type=Path, metavar="M.onnx", help="instead of a shipped tier")
    parser.add_argument(
        "--against", type=Path, metavar="M.onnx", help="compare with this model, not with the truth"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run_blind)


def run_blind(options: argparse.Namespace) -> None:
    """Write pairs and their key, or count a judge's answers."""
    from export.evaluation.blind import PAIRS, is_key, make_pairs, score, write_key
    from export.evaluation.clips import clips_to_evaluate
    from inference.outputs import claim_folder

    if options.answers:
        found = score(options.key, options.answers)
        print(
            f"named {found.named} of {found.of}, {found.named / found.of:.0%} "
            f"(95% interval {found.low:.0%} to {found.high:.0%}; by chance 50%)"
        )
        return
    if not options.clips or not options.out:
        raise InputError("name --clips and --out to make pairs, or --answers to count them")
    for name in ("pairs", "shots"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} must be 1 or more")
    if options.key.resolve().is_relative_to(options.out.resolve()):
        raise InputError(f"{options.key}: the key lies among the pairs; keep it apart from them")
    check_replaceable(options.key, is_key, "a key of a blind comparison")
    asked = str(options.model or options.tier)
    generators = {asked: load_generator(options.model or options.tier)}
    if options.against:
        generators[f"against {options.against}"] = load_generator(options.against)
    files, _ = clips_to_evaluate(options.clips)
    given = [file.path for file in files]
    folder = claim_folder(options.out, PAIRS, given)
    for path in folder.files():
        path.unlink()
    pairs = make_pairs(
        files,
        generators,
        folder,
        options.pairs,
        options.shots,
        options.shown,
        options.seed,
        progress_line("blind", "pairs"),
    )
    write_key(options.key, pairs, asked)
    print(f"{options.out}: {len(pairs)} pairs; the key is {options.key}")


def _personalizing(options: argparse.Namespace) -> Personalizing | None:
    """How people are fine-tuned on, if at all. Raises InputError when the model cannot be."""
    if options.personalize is None:
        return None
    from export.checkpoint import load_weights
    from export.evaluation.people import Personalizing
    from export.networks.warp import TIER_CONFIGS, WarpGenerator

    model = load_generator(model_path(options.model or options.tier), "cpu")
    if model.size != 256:
        raise InputError(f"{model.path}: people are fine-tuned at 256; this one is of {model.size}")
    # Told before the clips are read, not after.
    load_weights(WarpGenerator(TIER_CONFIGS[model.tier]), model.path, f"warp {model.tier}")
    return Personalizing(options.personalize, model.path, model.tier, options.minutes)


def _progress_line(what: str) -> Progress:
    live, tenth = sys.stderr.isatty(), 0
    meter: Progress | None = None

    def report(done: int, total: int, _: float, left: float) -> None:
        nonlocal tenth
        text = f"evaluate: {done}/{total} {what}, {left:.0f} s left"
        if done and live:
            print(f"\r{text}  ", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done * 10 // total > tenth:
            tenth = done * 10 // total
            print(text, file=sys.stderr, flush=True)

    def progress(done: int, total: int) -> None:
        nonlocal meter
        meter = meter or progress_meter(report)  # its clock starts when this stage does
        meter(done, total)

    return progress


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return re.match(rb"\d+ drivers on \d+ portraits\. Correlations", file.read(100)) is not None


def _drivers(folder: Path) -> dict[str, LandmarkTrack]:
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; name one of clips or of tracks")
    tracks = sorted(folder.glob(f"*{SUFFIX}"))
    if tracks:
        return {path.name.removesuffix(SUFFIX): load_track(path) for path in tracks}
    # Capturing loads the detector: not when the tracks are there.
    from export.evaluation.clips import clips_to_evaluate
    from inference.capture.capture import capture_footage

    clips, _ = clips_to_evaluate(folder)
    return {clip.path.stem: capture_footage(clip.path).track for clip in clips}


def _portraits(folder: Path) -> dict[str, NDArray[np.float32]]:
    from inference.portrait import open_portrait

    with _LISTED.open(encoding="utf-8", newline="") as file:
        listed = {row["file"] for row in csv.DictReader(file)}
    pictures = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _STILLS)
    chosen = [picture for picture in pictures if picture.name in listed] or pictures
    if not chosen:
        raise InputError(f"{folder}: holds no picture; name a folder of portraits")
    return {picture.name: open_portrait(picture).points for picture in chosen}
