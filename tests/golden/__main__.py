# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the golden frames again, for a change of pixels that is meant: `python -m tests.golden`.

It refuses as long as PIXELS_VERSION is the one that they were made with: raise it first, so that
frames of the older version, wherever they lie, are made again too.
"""

from __future__ import annotations

import sys

from inference.frames import encode_frame
from inference.sidecar import PIXELS_VERSION
from tests.golden.cases import CASES, FOLDER, VERSION, differs, golden, made, stored_version


def main() -> int:
    frames = {case: made(case) for case in CASES}
    changed = [c for c in CASES if golden(c) is None or differs(frames[c], golden(c)) is not None]
    if not changed:
        print("no pixel has changed; nothing was written")
        return 0
    if stored_version() == PIXELS_VERSION:
        print(
            f"{len(changed)} of {len(CASES)} frames have changed; raise PIXELS_VERSION in "
            f"inference/sidecar.py above {PIXELS_VERSION}, then run this again"
        )
        return 2
    for case in CASES:
        rgb, alpha = frames[case]
        (FOLDER / f"{case.name}.png").write_bytes(encode_frame(rgb, alpha, "png"))
    VERSION.write_text(f"{PIXELS_VERSION}\n", encoding="utf-8")
    print(f"{len(CASES)} frames written, of which {len(changed)} changed; look at them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
