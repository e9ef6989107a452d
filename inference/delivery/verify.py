# SPDX-License-Identifier: GPL-3.0-or-later
"""Which marks a file or a folder carries, layer by layer. What has none may still be made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from inference.delivery import look_consent, look_metadata, look_pixels, look_signature
from inference.delivery.found import ABSENT, BROKEN, PRESENT, Found, Target, open_target
from inference.progress import Progress

# A layer is a module with one function. A further one is added here, and nowhere else.
LAYERS: tuple[Callable[[Target], Found], ...] = (
    look_metadata.look,
    look_consent.look,
    look_signature.look,
    look_pixels.look,
)

ALL, NONE, WRONG, SOME = 0, 3, 4, 5  # exit codes


@dataclass(frozen=True)
class Report:
    """What was found at a path, a line a layer."""

    path: Path
    layers: tuple[Found, ...]

    @property
    def code(self) -> int:
        """The exit code: ALL layers there, NONE, something WRONG in one, or SOME."""
        states = {found.state for found in self.layers}
        if BROKEN in states:
            return WRONG
        return {frozenset({PRESENT}): ALL, frozenset({ABSENT}): NONE}.get(frozenset(states), SOME)

    def lines(self) -> list[str]:
        """For people. No mark proves nothing, and that is how it is said."""
        said = [f"{self.path}: no mark found"] if self.code == NONE else [f"{self.path}:"]
        return said + [f"  {f.layer:9} {f.state:7}  {f.words}" for f in self.layers]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "path": str(self.path),
            "code": self.code,
            "layers": [asdict(found) for found in self.layers],
        }


def verify(
    path: Path,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Report:
    """Look for every layer's marks. progress: of frames with an invisible one, perhaps.

    Raises InputError where there is nothing to look at, Cancelled.
    """
    target = replace(open_target(path), progress=progress, cancelled=cancelled)
    return Report(path, tuple(look(target) for look in LAYERS))


def worst(reports: Iterable[Report]) -> int:
    """One exit code for several: that of a single one if all agree, WRONG before all others."""
    codes = {report.code for report in reports}
    if WRONG in codes:
        return WRONG
    return codes.pop() if len(codes) == 1 else SOME
