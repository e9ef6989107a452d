# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.hostile --cases 20000`: a longer run, or one case again with --only NUMBER."""

from __future__ import annotations

import argparse
import sys
import time

from tests.hostile.families import FAMILIES
from tests.hostile.harness import run_cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--only", type=int, help="run this case alone")
    parser.add_argument("--family", choices=FAMILIES, help="damage this alone")
    options = parser.parse_args()
    start = time.monotonic()
    numbers = range(options.first, options.first + options.cases)
    if options.only is not None:
        numbers = range(options.only, options.only + 1)

    def told(number: int, finding: str) -> None:
        print(f"--- {number}: {finding}", flush=True)

    outcome = run_cases(options.seed, numbers, options.family, told)
    print(
        f"{sum(outcome.counts.values())} cases, {len(outcome.findings)} findings, "
        f"{time.monotonic() - start:.0f} s; {dict(outcome.counts)}"
    )
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
