# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `speech` of `python -m export`."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Register it; `commands` is what argparse's add_subparsers returned."""
    speech = commands.add_parser("speech", help="figures of takes made of a voice, as a table")
    speech.set_defaults(run=_speech)


def _speech(_options: argparse.Namespace) -> None:
    from export.speech.figures import measure_all, table

    print(table(measure_all()))
