# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `python -m inference speech`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from inference.arguments import number, ratio
from inference.jobs import SpeechJob
from inference.progress import progress_line

STYLES = ("calm", "plain", "lively")


def add_speech(commands: Any, say: Callable[[str], None]) -> None:
    """Add the command to a parser's; `say` prints its one line."""
    speech = commands.add_parser("speech", help="voice recording -> performance that speaks it")
    speech.add_argument("sound", type=Path, help="a recording, or a video with sound")
    speech.add_argument("--out", type=Path, required=True, metavar="F.performance.npz")
    known = speech.add_mutually_exclusive_group()
    known.add_argument("--text", metavar="T", help="what is said, in English: exact lips")
    known.add_argument("--text-file", type=Path, metavar="F", help="the same, from a text file")
    known.add_argument(
        "--timed",
        type=Path,
        metavar="F",
        help="in any language: lines of 'start end label', a TextGrid, Rhubarb's TSV or JSON, "
        "Papagayo's .dat",
    )
    speech.add_argument("--style", choices=STYLES, default="plain")
    speech.add_argument(
        "--idle", type=number, default=1.0, metavar="0..1", help="blinks, glances, nods; 0: none"
    )
    speech.add_argument("--seed", type=int, default=1, metavar="N", help="of these; default: 1")
    speech.add_argument("--rate", type=ratio, default=Fraction(25), metavar="R", help="default: 25")
    speech.add_argument(
        "--begin", type=number, default=0.0, metavar="S", help="from this second on"
    )
    speech.add_argument("--end", type=number, metavar="S", help="to this second")
    speech.set_defaults(run=partial(_speech, say))


def _speech(say: Callable[[str], None], options: argparse.Namespace) -> int:
    from inference.speech.speech import run_speech

    job = SpeechJob(
        options.sound,
        options.out,
        options.text,
        options.text_file,
        options.timed,
        options.style,
        options.idle,
        options.seed,
        options.rate.as_integer_ratio(),
        options.begin,
        options.end,
    )
    made = run_speech(job, progress_line("speech", "percent"))
    rate = made.performance.rate
    say(
        f"{options.out}: {len(made.performance)} frames at {rate} a second"
        + "".join(f"; {note}" for note in made.notes)
    )
    return 0
