# SPDX-License-Identifier: GPL-3.0-or-later
"""A plate of teeth to paint on: those that are drawn for a portrait, in its own paint."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.errors import InputError
from inference.files import check_writable, write_whole
from inference.frames import encode_frame
from inference.jobs import TeethJob
from inference.mouth.paint import find_palette
from inference.mouth.plate import draw_template
from inference.outputs import refuse_inputs
from inference.portrait import open_portrait

_SUFFIX = ".png"


def write_template(job: TeethJob) -> Path:
    """Write the plate; returns its path. Raises InputError for what the user can fix.

    What is there already may have been painted on, and is never replaced.
    """
    if job.out.suffix.lower() != _SUFFIX:
        raise InputError(f"{job.out}: a plate of teeth is a PNG; name it {job.out.name}{_SUFFIX}")
    refuse_inputs([job.out], [job.portrait])
    if job.out.exists() or job.out.is_symlink():
        raise InputError(f"{job.out}: is there already and is kept; choose another name")
    check_writable(job.out)
    portrait = open_portrait(job.portrait, job.portrait_face)
    picture = portrait.picture.rgb
    top = np.float32(np.iinfo(picture.dtype).max)
    rgb, alpha = draw_template(find_palette(picture, portrait.points) / top)
    deep = np.round(rgb * 65535).astype(np.uint16)
    write_whole(job.out, encode_frame(deep, alpha, "png"))
    return job.out
