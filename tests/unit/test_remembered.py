# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers are kept for the same pictures alone, and only the last of them."""

from __future__ import annotations

import numpy as np

from inference.remembered import remembered


def test_the_last_answers_are_kept_by_what_the_arguments_hold() -> None:
    asked: list[tuple[float, int]] = []

    @remembered(2)
    def mean(picture: np.ndarray, least: int) -> float:
        asked.append((float(picture.mean()), least))
        return max(float(picture.mean()), least)

    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert mean(picture, 0) == mean(picture.copy(), 0) == mean(picture[:, ::-1][:, ::-1], 0) == 5.5
    assert len(asked) == 1
    for other in (picture + np.uint8(1), picture.reshape(4, 3), picture.astype(np.uint16)):
        mean(other, 0)
        assert asked[-1] == (float(other.mean()), 0)
    assert len(asked) == 4
    assert mean(picture, 7) == 7 and len(asked) == 5
    mean(picture.astype(np.uint16), 0)  # one of the last two
    assert len(asked) == 5
    mean(picture, 0)  # no more of them
    assert len(asked) == 6


def test_a_picture_that_is_changed_in_place_is_another() -> None:
    total = remembered(4)(lambda picture: int(picture.sum()))
    picture = np.zeros((2, 2), np.uint8)
    assert total(picture) == 0
    picture[0, 0] = 9
    assert total(picture) == 9


def test_what_decides_may_be_named_and_an_argument_passed_over() -> None:
    asked: list[str] = []

    @remembered(4, by=lambda data, name: None if name == "huge" else (data,))
    def length(data: bytes, name: str) -> int:
        asked.append(name)
        return len(data)

    assert length(b"abc", "one") == length(b"abc", "two") == 3
    assert asked == ["one"]
    assert length(b"abd", "three") == 3
    assert length(b"abc", "huge") == length(b"abc", "huge") == 3
    assert asked == ["one", "three", "huge", "huge"]
