# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: one JSON file, a Markdown table beside it, and pictures to look at."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from export.evaluation.evaluate import Evaluated
from export.evaluation.identity import EMBEDDER
from export.evaluation.reenact import PERSONALIZED
from export.evaluation.report_files import HEADING, report_files
from export.evaluation.score import ClipResult, Shown
from export.evaluation.summary import MEASURES, Summary, identity_scale, summarise
from inference.files import write_whole
from inference.frames import encode_frame

Picture = NDArray[np.uint8]

# Measures of which a change in percent of the warp's value says more than a difference.
_IN_PERCENT = ("mouth_l1", "landmarks", "landmarks_mouth", "landmarks_eyes", "eye_opening", "pose")
# Of the generator's frames, by degrees of turn from the first source: where they begin, and what.
_TURNS = (0, 5, 10, 20)
_BY_TURN = ("psnr_face", "ssim_face", "ssim_lips", "ssim_eyes")
_CELL, _BAR = 256, 20  # pixels: a picture's longer side in the sheet, and the line of words above


def write_report(evaluated: Evaluated, path: Path) -> list[Path]:
    """Write `path` (JSON), `.md` and `.png` beside it, and `-T.png` for further shots.

    Returns what was written. Raises LikenessError when the folder cannot be written.
    """
    own = {
        shots: summarise(evaluated, [r for r in evaluated.own if r.shots == shots])
        for shots in evaluated.shots
    }
    cross = summarise(evaluated, evaluated.cross) if evaluated.cross else None
    content = _content(evaluated, own, cross)
    written = report_files(path, evaluated.shots)
    write_whole(written[0], (json.dumps(_plain(content), indent=1) + "\n").encode())
    write_whole(written[1], markdown(evaluated, own, cross).encode())
    for picture, shots in zip(written[2:], evaluated.shots, strict=True):
        sheet = _sheet([r for r in evaluated.own if r.shots == shots])
        write_whole(picture, encode_frame(sheet, None, "png"))
    return written


def markdown(evaluated: Evaluated, own: dict[int, Summary], cross: Summary | None) -> str:
    """The report for people to read."""
    model, scale = evaluated.model, identity_scale(evaluated)
    people = len({result.person for result in evaluated.own})
    clips = len({result.clip for result in evaluated.own})
    who = (
        "held back from training"
        if evaluated.held_back
        else ("NOT known to be held back from training: no clip of the split val")
    )
    lines = [
        f"{HEADING}{model.path.name}", "",
        f"Tier {model.tier} at {model.size}, training: {model.training}; ran on {model.provider}. "
        f"{clips} clips of {people} people, {who}. Means over people.", "",
    ]  # fmt: skip
    for shots, summary in own.items():
        lines += [f"## Self-reenactment, T = {shots}", ""]
        lines += [*_table(summary), "", *_gains(summary)]
        lines += [*_people(summary, "warp", "generator"), ""]
        lines += [*_turned([r for r in evaluated.own if r.shots == shots]), ""]
        if summary.personal_gain:
            lines += [*_people(summary, "generator", PERSONALIZED), ""]
            if shots == 1 and max(own) > 1:
                lines += [
                    f"Personalized on {max(own)} pictures, the first of which is moved, as "
                    "`synthesize` moves it.",
                    "",
                ]
    if cross:
        lines += ["## Cross-reenactment, T = 1, relative transfer", "", *_table(cross), ""]
        if cross.personal_gain:
            lines += [f"Personalized on T = {max(own)} pictures, one of which is moved.", ""]
    else:
        lines += ["## Cross-reenactment", "", "There is one person only, nobody to drive.", ""]
    lines += ["## What the columns mean", ""]
    lines += [f"- {m.title}: {m.words}; {_best(m.better)}." for m in MEASURES.values()]
    lines += [
        "",
        f"Identity: {EMBEDDER}. Real frames of a person score {_number(scale.same, 3)} with their "
        f"own person, {_number(scale.other, 3)} with others; {100 * scale.right:.0f}% are nearest "
        "to their own.",
        "The landmarks that drive the warp are those it is judged by: landmark errors flatter it.",
    ]
    if evaluated.left_out:
        lines += ["", "## Left out", "", *(f"- {reason}" for _, reason in evaluated.left_out)]
    return "\n".join(lines) + "\n"


def _content(
    evaluated: Evaluated, own: dict[int, Summary], cross: Summary | None
) -> dict[str, Any]:
    model = evaluated.model
    return {
        "model": {
            "file": model.path.name,
            "sha256": hashlib.sha256(model.path.read_bytes()).hexdigest(),
            "tier": model.tier,
            "size": model.size,
            "training": model.training,
            "provider": model.provider,
        },
        "held_back_people_only": evaluated.held_back,
        "clips": sorted({result.clip for result in evaluated.own}),
        "measures": {name: asdict(measure) for name, measure in MEASURES.items()},
        "identity": {"embedder": EMBEDDER, **asdict(identity_scale(evaluated))},
        "self": {str(shots): asdict(summary) for shots, summary in own.items()},
        "cross": asdict(cross) if cross else None,
        "left_out": [{"file": file, "reason": reason} for file, reason in evaluated.left_out],
    }


def _plain(value: Any) -> Any:
    """JSON knows no NaN: what could not be measured is null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _table(summary: Summary) -> list[str]:
    names = [name for name in MEASURES if name in summary.mean["warp"]]
    lines = ["| | " + " | ".join(MEASURES[name].title for name in names) + " |"]
    lines.append("|---|" + "---|" * len(names))
    for method in summary.mean:
        cells = [
            _number(summary.mean[method].get(name, math.nan), MEASURES[name].digits)
            for name in names
        ]
        lost = f" ({summary.lost[method]} lost)" if summary.lost[method] else ""
        lines.append(f"| {method}{lost} | " + " | ".join(cells) + " |")
    return lines


def _turned(results: list[ClipResult]) -> list[str]:
    """The generator's frames by how far the head is turned from the first source."""
    heads = " | ".join(MEASURES[name].title for name in _BY_TURN)
    lines = [f"| turned by | frames | {heads} |", "|---|---|" + "---|" * len(_BY_TURN)]
    rows = [row for result in results for row in result.turned]
    for low, high in pairwise((*_TURNS, math.inf)):
        scores = [score for degrees, score in rows if low <= degrees < high]
        cells = [
            _number(float(np.nanmean([score[name] for score in scores])), MEASURES[name].digits)
            for name in _BY_TURN
            if scores
        ]
        if scores:
            to = f"{low} to {high}" if math.isfinite(high) else f"over {low}"
            lines.append(f"| {to} degrees | {len(scores)} | " + " | ".join(cells) + " |")
    return lines


def _gains(summary: Summary) -> list[str]:
    """The generator against the warp in one line, the personalized one against it in another."""
    lines = [_gain(summary, "generator", "warp", summary.gain, summary.wins), ""]
    if summary.personal_gain:
        lines += [
            _gain(summary, PERSONALIZED, "generator", summary.personal_gain, summary.personal_wins),
            "",
        ]
    return lines


def _gain(
    summary: Summary, method: str, other: str, gains: dict[str, float], wins: dict[str, float]
) -> str:
    words = []
    for name, gain in gains.items():
        before = summary.mean[other][name]
        if math.isnan(gain):
            continue
        text = f"{gain:+.{MEASURES[name].digits}f}"
        if name in _IN_PERCENT and before > 0:
            text = f"{100 * gain / before:+.0f}%"
        words.append(f"{MEASURES[name].title} {text}")
    won = ", ".join(
        f"{'both' if name == 'both' else MEASURES[name].title} {100 * share:.0f}%"
        for name, share in wins.items()
    )
    text = f"{method.capitalize()} against {other}: {', '.join(words)}."
    return f"{text} People on whom it wins: {won}."


def _people(summary: Summary, before: str, after: str) -> list[str]:
    """Who gains by what: the measures that tell the most, one method -> another."""
    names = ("ssim_lips", "ssim_eyes", "psnr_face", "mouth_l1", "eye_opening", "sharpness", "gmsd")
    lines = [f"| {before} → {after} | " + " | ".join(MEASURES[name].title for name in names) + " |"]
    lines.append("|---|" + "---|" * len(names))
    for person, scores in summary.people.items():
        cells = [
            f"{_number(scores[before][name], MEASURES[name].digits)} → "
            f"{_number(scores[after][name], MEASURES[name].digits)}"
            for name in names
        ]
        lines.append(f"| {person} | " + " | ".join(cells) + " |")
    return lines


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _best(better: str) -> str:
    return {"more": "higher is better", "less": "lower is better", "one": "1 is best"}[better]


def _sheet(results: list[ClipResult]) -> Picture:
    """For each person two rows: the most open mouth, the most closed eyes; a column a method."""
    first: dict[str, ClipResult] = {}
    for result in results:
        first.setdefault(result.person, result)
    rows = []
    for person, result in sorted(first.items()):
        assert result.shown is not None
        rows += [_row(person, shown) for shown in result.shown]
    return np.concatenate(rows)


def _row(person: str, shown: Shown) -> Picture:
    source, *others = shown.made.items()
    pictures = dict([source, (f"{person}, frame {shown.frame}", shown.real), *others])
    cells = []
    for words, picture in pictures.items():
        height, width = picture.shape[:2]
        zoom = _CELL / max(height, width)
        how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
        fitted = cv2.resize(picture, (round(width * zoom), round(height * zoom)), interpolation=how)
        cell = np.full((_CELL + _BAR, _CELL, 3), 24, np.uint8)
        cell[_BAR : _BAR + fitted.shape[0], : fitted.shape[1]] = fitted
        cv2.putText(
            cell,
            words,
            (4, _BAR - 6),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.4,
            (230, 230, 230),
            1,
            cv2.LINE_AA,
        )
        cells.append(cell)
    return np.concatenate(cells, axis=1)
