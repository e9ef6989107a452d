# SPDX-License-Identifier: GPL-3.0-or-later
"""A person before Blender's window: looks, moves the mouse, clicks, types. Runs outside Blender."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOOL_VARIABLE = "LIKENESS_WINDOW_TOOL"
FOLDER_VARIABLE = "LIKENESS_WINDOW_FOLDER"
INSIDE = Path(__file__).with_name("inside_window.py")
LOOP = INSIDE.with_name("loop_inside.py")
WIDTH, HEIGHT = 1600, 1000
_HOVER = 0.06  # seconds until Blender has seen where the mouse is
_SETTLED = 0.6  # seconds in which panels that move come to rest
_STEP = 14  # pixels between two looks, less than a button's height
_COLUMNS = (0.3, 0.7, 0.9)  # of the sidebar's width: whole buttons, halves, small ones


@dataclass(frozen=True)
class Tool:
    """The script that opens a Blender window on a virtual screen, and the folder it works in.

    binds: folders that Blender sees under the same path.
    """

    script: Path
    folder: Path
    binds: tuple[Path, ...]

    def call(self, verb: str, *arguments: object, timeout: float = 300) -> str:
        """Runs one verb of the script; returns what it printed."""
        words = ["bash", str(self.script), verb, str(self.folder), *map(str, arguments)]
        environment = {**os.environ, "BLENDER_BIND": ":".join(map(str, self.binds))}
        done = subprocess.run(
            words,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{verb}: {done.stdout[-3000:]}"
        return done.stdout

    def fresh_home(self) -> None:
        """Forget the settings and extensions of an earlier run."""
        shutil.rmtree(self.folder / "root" / "home" / "blender" / ".config", ignore_errors=True)


@dataclass(frozen=True)
class Clicked:
    """When a button was pressed, and what the interface showed before."""

    when: float
    before: str


@dataclass(frozen=True)
class Window:
    """An open Blender window. Places are pixels from the lower left, as Blender counts them."""

    tool: Tool
    display: str
    folder: Path
    shots: Path

    def ask(self, question: str, timeout: float = 60) -> Any:
        """The value of a Python expression inside Blender, where inside_window's names are."""
        answer = self.folder / "answer.json"
        answer.unlink(missing_ok=True)
        part = self.folder / "question.part"
        part.write_text(f"answer = {question}", encoding="utf-8")
        part.replace(self.folder / "question.py")
        self._until(answer.exists, timeout, question)
        reply = json.loads(answer.read_text(encoding="utf-8"))
        assert "error" not in reply, reply["error"]
        return reply["answer"]

    def wait(self, question: str, timeout: float = 300) -> Any:
        """Asks until the answer is true; returns it."""
        found: list[Any] = []

        def asked() -> bool:
            found.append(self.ask(question))
            return bool(found[-1])

        self._until(asked, timeout, question, 0.2)
        return found[-1]

    def shot(self, name: str) -> Path:
        """Saves what the screen shows."""
        path = self.shots / f"{name}.png"
        self.tool.call("shot", path)
        return path

    def move(self, place: Sequence[float]) -> None:
        """Move the mouse there."""
        self._xdotool("mousemove", round(place[0]), HEIGHT - 1 - round(place[1]))
        time.sleep(_HOVER)

    def press(self, *keys: str) -> None:
        """Press keys, each by its name or as a combination: "ctrl+z"."""
        for key in keys:
            self._xdotool("key", key)
            time.sleep(0.15)

    def type(self, text: str) -> None:
        """Type a text."""
        self._xdotool("type", "--delay", 40, text)

    def click(self, place: Sequence[float] | None = None, button: int = 1) -> Clicked:
        """Click at a place, or where the mouse is."""
        if place is not None:
            self.move(place)
        before = self.ask("fingerprint()")
        when = time.monotonic()
        self._xdotool("click", button)
        return Clicked(when, before)

    def click_twice(self, place: Sequence[float]) -> None:
        """Click twice, which turns a number into a text to be typed."""
        self.move(place)
        self._xdotool("click", "--repeat", 2, "--delay", 60, 1)
        time.sleep(0.4)

    def click_too(self, place: Sequence[float]) -> None:
        """Click with Ctrl held, which adds to what is selected."""
        self.move(place)
        self._xdotool("keydown", "ctrl", "click", 1, "keyup", "ctrl")
        time.sleep(0.3)

    def drag(self, place: Sequence[float], right: float, up: float) -> None:
        """Press the button at a place, move the mouse by so many pixels, and let go."""
        time.sleep(0.6)  # a press right after a click in the same place is a double click
        self.move(place)
        self._xdotool("mousedown", 1)
        for part in (0.1, 0.4, 0.7, 1):
            self.move((place[0] + part * right, place[1] + part * up))
            time.sleep(0.1)
        self._xdotool("mouseup", 1)
        time.sleep(0.4)

    def tap(self, key: str) -> Clicked:
        """Press a key whose effect is waited for."""
        before = self.ask("fingerprint()")
        when = time.monotonic()
        self._xdotool("key", key)
        return Clicked(when, before)

    def push(self, button: str, column: float | None = None) -> Clicked:
        """Find a button of the sidebar with the mouse, and press it.

        button: how its operator or property begins in Python: "likeness.synthesize(".
        """
        return self.click(self.find(button, column))

    def find(self, button: str, column: float | None = None) -> list[float]:
        """Where in the sidebar a button is, scrolled to its upper half where that can be.

        column: where in the sidebar's width, 0 to 1, to look; that saves time.
        """
        x, y, width, height = self.ask("sidebar()")
        self.move((x + width * 0.5, y + height * 0.5))
        for part in _COLUMNS if column is None else (column,):
            # First where the sidebar stands, then from its top downwards.
            for turns in (0, -60, *[7] * 12):
                self.move((x + 5, y + height * 0.5))  # over a list the wheel would turn that
                self.scroll(turns)
                place = self._look(button, x + width * part, y, height)
                while place is not None and place[1] < y + height * 0.4:
                    self.scroll(3)
                    lower, place = place, self._look(button, place[0], y, height)
                    if place is None or place[1] - lower[1] < _STEP:
                        break  # the sidebar's foot
                if place is not None and self._stays(button, place):
                    return place
        raise AssertionError(f"no button {button} is in the sidebar: {self.shot('not_found')}")

    def scroll(self, turns: int) -> None:
        """Turn the wheel over what the mouse is over; up is negative."""
        if turns:
            wheel = 5 if turns > 0 else 4
            self._xdotool("click", "--repeat", abs(turns), "--delay", 8, wheel)
            time.sleep(_SETTLED)

    def _stays(self, button: str, place: Sequence[float]) -> bool:
        """Is the button there still when the sidebar has come to rest?"""
        time.sleep(_SETTLED)
        self.move((place[0] + 1, place[1]))
        return button in self.ask("under_mouse(sequencer())")

    def _look(self, button: str, x: float, y: float, height: float) -> list[float] | None:
        """Go down the sidebar with the mouse until it is over the button."""
        for at in range(round(y + height) - 12, round(y) + 6, -_STEP):
            self.move((x, at))
            if button in self.ask("under_mouse(sequencer())"):
                return [x, float(at)]
        return None

    def reaction(self, clicked: Clicked, timeout: float = 60) -> float:
        """Seconds from the click until the sidebar was drawn with something new in it."""
        question = f"reaction({clicked.when!r}, {clicked.before!r})"
        return float(self.wait(f"{question} or 0", timeout))

    def _xdotool(self, *words: object) -> None:
        subprocess.run(
            ["xdotool", *map(str, words)],
            env={**os.environ, "DISPLAY": self.display},
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
        )

    def _until(
        self, true: Callable[[], bool], timeout: float, what: str, pause: float = 0.01
    ) -> None:
        limit = time.monotonic() + timeout
        while not true():
            if time.monotonic() > limit:
                raise AssertionError(f"not within {timeout} s: {what}; {self.shot('late')}")
            time.sleep(pause)


def open_window(
    tool: Tool, folder: Path, python: str, movie: Path, picture: Path, template: str = ""
) -> Window:
    """Opens Blender's window with the scene of the walk; stop it with `tool.call("stop")`.

    template: the application template that the file is made from.
    """
    inside, shots = folder / INSIDE.name, folder / "shots"
    shots.mkdir(exist_ok=True)
    shutil.copy(INSIDE, inside)
    shutil.copy(LOOP, folder)
    movie = Path(shutil.copy(movie, folder / "actor.mp4"))
    picture = Path(shutil.copy(picture, folder / "mona_lisa.jpg"))
    said = tool.call("run", "--python", inside, "--", folder, python, movie, picture, template)
    display = said.split("DISPLAY=")[1].split()[0]
    window = Window(tool, display, folder, shots)
    window.ask("bpy.app.version_string", timeout=120)
    return window
