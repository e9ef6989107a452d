# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `consent` and `verify`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from inference.consent import BASES, consent_bytes, is_consent, make_consent
from inference.errors import one_line
from inference.files import write_whole
from inference.outputs import check_replaceable, refuse_inputs


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


def _consent(options: argparse.Namespace) -> int:
    refuse_inputs([options.out], [*options.pictures, *filter(None, [options.document])])
    check_replaceable(options.out, is_consent, "a consent record")
    made = make_consent(
        options.pictures, options.who, options.basis, options.note, options.document
    )
    write_whole(options.out, consent_bytes(made))
    print(one_line(f"{options.out}: {made.who}, {made.basis}, {made.date}, id {made.id}"))
    return 0
