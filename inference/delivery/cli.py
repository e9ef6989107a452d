# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `consent`, `sign` and `verify`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from inference.consent import BASES, consent_bytes, is_consent, make_consent
from inference.errors import InputError, one_line
from inference.files import write_whole
from inference.jobs import SignJob
from inference.outputs import check_replaceable, refuse_inputs
from inference.progress import progress_line


def add_commands(commands: Any) -> None:
    """Register the commands; `commands` is what argparse's add_subparsers returned."""
    consent = commands.add_parser(
        "consent",
        help="pictures -> a record of whose face they show, for synthesize --consent",
        epilog="; ".join(f"{basis}: {text}" for basis, text in BASES.items()),
    )
    consent.add_argument("pictures", type=Path, nargs="+", metavar="P")
    consent.add_argument("--who", required=True, metavar="NAME", help="whose face this is")
    consent.add_argument("--basis", required=True, choices=BASES)
    consent.add_argument("--note", default="", help="a sentence; HISTORIC and FICTION need one")
    consent.add_argument(
        "--document", type=Path, metavar="FILE", help="the agreement; only its hash is kept"
    )
    consent.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    consent.set_defaults(run=_consent)

    sign = commands.add_parser("sign", help="sign a movie, or a folder of frames, for delivery")
    sign.add_argument("paths", type=Path, nargs="+", metavar="MOVIE|FOLDER")
    sign.add_argument("--head", type=Path, metavar="DIR", help="the head frames of the movies")
    sign.add_argument("--driver", type=Path, metavar="FOOTAGE", help="named as an ingredient")
    sign.add_argument("--out", type=Path, metavar="FILE", help="of one; default: beside it")
    sign.set_defaults(run=_sign)

    verify = commands.add_parser(
        "verify",
        help="which marks files or folders carry",
        epilog="exit code: 0 all layers, 3 none, 4 something broken, 5 some layers",
    )
    verify.add_argument("paths", type=Path, nargs="+", metavar="FILE|FOLDER")
    verify.add_argument("--json", action="store_true", help="for programs")
    verify.set_defaults(run=_verify)


def _consent(options: argparse.Namespace) -> int:
    refuse_inputs([options.out], [*options.pictures, *filter(None, [options.document])])
    check_replaceable(options.out, is_consent, "a consent record")
    made = make_consent(
        options.pictures, options.who, options.basis, options.note, options.document
    )
    write_whole(options.out, consent_bytes(made))
    print(one_line(f"{options.out}: {made.who}, {made.basis}, {made.date}, id {made.id}"))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from inference.delivery.verify import verify, worst

    reports = [verify(path, progress_line("verify")) for path in options.paths]
    if options.json:
        print(json.dumps([report.as_json() for report in reports], indent=1))
    else:
        for line in (line for report in reports for line in report.lines()):
            print(one_line(line))
    return worst(reports)


def _sign(options: argparse.Namespace) -> int:
    from inference.delivery.sign import sign

    if options.out and len(options.paths) > 1:
        raise InputError("--out names one file; sign one at a time, or leave it out")
    for path in options.paths:
        out = sign(SignJob(path, options.out, options.head, options.driver))
        print(one_line(f"{out}: signed"))
    return 0
