# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the house in CONTRIBUTING.md, drawn from the imports: python -m tests.architecture

A box is a package, an arrow an import. Of the files beside a room's packages those that use one are
its top; one that a package uses in turn has a box of its own; what uses none is the ground on which
everything stands, and left out. So is an arrow that longer ways imply.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "CONTRIBUTING.md"
ROOMS = ("blender_addon", "inference", "export")
BEGIN, END = "<!-- drawn by python -m tests.architecture -->\n", "<!-- end -->"

Arrows = dict[str, set[str]]


def main() -> None:
    """Draw it again."""
    text = GUIDE.read_text(encoding="utf-8")
    GUIDE.write_text(with_picture(text), encoding="utf-8")


def with_picture(text: str) -> str:
    """The guide's text with the picture as the code stands."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}{drawn()}{END}{rest.split(END, 1)[1]}"


def drawn() -> str:
    """The house as a Mermaid flowchart."""
    lines = ["```mermaid", "flowchart TB"]
    for room in ROOMS:
        arrows = shortest(room_arrows(room))
        boxes = sorted(arrows.keys() | {box for boxes in arrows.values() for box in boxes})
        names = {box: f"{room}_{box}".replace(".", "_") for box in boxes}
        lines += [f"    subgraph {room}", *(f'        {names[box]}["{box}"]' for box in boxes)]
        lines += [
            f"        {names[box]} --> {names[end]}"
            for box in sorted(arrows)
            for end in sorted(arrows[box])
        ]
        lines.append("    end")
    lines += ["    export --> inference", "    blender_addon -. a process of its own .-> inference"]
    return "\n".join([*lines, "```\n"])


def room_arrows(room: str) -> Arrows:
    """Which box of a room imports which."""
    modules = {_module(path): path for path in sorted((ROOT / room).rglob("*.py"))}
    uses = {name: _imports(path, modules) for name, path in modules.items()}
    boxes = {name: _box(name, uses) for name in modules}
    arrows: Arrows = {}
    for name, used in uses.items():
        for other in used:
            if "ground" not in (boxes[name], boxes[other]) and boxes[name] != boxes[other]:
                arrows.setdefault(boxes[name], set()).add(boxes[other])
    return arrows


def shortest(arrows: Arrows) -> Arrows:
    """Without the arrows that a longer way implies, where there is no circle."""
    return {
        box: {end for end in ends if not any(end in reached(o, arrows) for o in ends - {end})}
        for box, ends in arrows.items()
    }


def reached(start: str, arrows: Arrows) -> set[str]:
    """Where the arrows lead from a box."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in arrows.get(waiting.pop(), set()) - found:
            found.add(other)
            waiting.append(other)
    return found


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of the same room that a file imports, wherever it does."""
    room = path.relative_to(ROOT).parts[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = node.module or ""
        if node.level:
            package = path.relative_to(ROOT).parts[: -node.level]
            base = ".".join([*package, *filter(None, [base])])
        if base.split(".")[0] == room:
            named = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else base for name in named}
    return found & modules.keys()


def _box(name: str, uses: dict[str, set[str]]) -> str:
    parts = name.split(".")
    if len(parts) == 1:
        return "top"
    if _in_package(name, uses):
        return parts[1]
    if not any(_in_package(other, uses) for other in reached(name, uses)):
        return "ground"
    used = any(name in reached(other, uses) for other in uses if _in_package(other, uses))
    return f"{parts[1]}.py" if used else "top"


def _in_package(name: str, uses: dict[str, set[str]]) -> bool:
    return name.count(".") > 1 or any(other.startswith(f"{name}.") for other in uses)


if __name__ == "__main__":
    main()
