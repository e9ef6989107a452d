# SPDX-License-Identifier: GPL-3.0-or-later
"""A phone's take drives the controls: its columns, its clock, its head, and what is wrong with it.

The files are written here as the app lays them out; the movement in them is simple and known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from inference.demo import PORTRAIT
from inference.errors import InputError
from inference.job_motion import open_motion
from inference.jobs import SynthesizeJob
from inference.landmarks import LEFT_EYE_LOWER, LEFT_EYE_UPPER
from inference.performance.face.controls import CONTROL_NAMES, CONTROLS
from inference.performance.face.decompose import compose
from inference.performance.face.rotations import to_angles
from inference.performance.taking.livelink import load_livelink
from inference.performance.taking.livelink_map import COEFFICIENTS, MAPPING
from inference.performance.taking.performance import load_performance, save_performance
from inference.performance.taking.read import read_performance

# The order of the app's own columns after Timecode and BlendshapeCount.
COLUMNS = [
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft",
    "EyeSquintLeft", "EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight",
    "EyeLookOutRight", "EyeLookUpRight", "EyeSquintRight", "EyeWideRight", "JawForward", "JawRight",
    "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight", "MouthLeft",
    "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft", "MouthFrownRight", "MouthDimpleLeft",
    "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight", "MouthRollLower", "MouthRollUpper",
    "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft", "MouthPressRight", "MouthLowerDownLeft",
    "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft", "BrowDownRight",
    "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft",
    "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut", "HeadYaw", "HeadPitch",
    "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch",
    "RightEyeRoll",
]  # fmt: skip


def timecode(tick: int, clock: int = 60, sub: int = 944, drop: bool = False) -> str:
    """Hours, minutes, seconds and frames from 07:44:57 on, in frames of the phone's clock."""
    seconds, frame = divmod(tick, clock)
    seconds += (7 * 60 + 44) * 60 + 57
    hours, rest = divmod(seconds, 3600)
    return f"{hours:02}:{rest // 60:02}:{rest % 60:02}{';' if drop else ':'}{frame:02}.{sub:03}"


def write(path: Path, rows: Sequence[dict[str, float]], codes: Sequence[str] | None = None) -> Path:
    codes = [timecode(i) for i in range(len(rows))] if codes is None else codes
    lines = ["Timecode,BlendshapeCount," + ",".join(COLUMNS)]
    for code, row in zip(codes, rows, strict=True):
        values = ",".join(f"{row.get(name, 0.0):.10f}" for name in COLUMNS)
        lines.append(f"{code},{len(COLUMNS)},{values}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def take(tmp_path: Path) -> Path:
    """Three seconds at 60: the jaw opens and closes, the left eye blinks once."""
    rows = [
        {"JawOpen": 0.5 - 0.5 * np.cos(i / 10), "EyeBlinkLeft": float(88 <= i <= 92)}
        for i in range(180)
    ]
    return write(tmp_path / "MySlate_1_iPhone.csv", rows)


def test_a_phone_s_take_drives_a_portrait(take: Path, tmp_path: Path) -> None:
    job = SynthesizeJob((PORTRAIT,), None, tmp_path / "out", performance=take, neutral=0)
    driver, motion = open_motion(job)
    assert len(driver) == 180
    shape = motion.at(90)[1]
    lids = shape[list(LEFT_EYE_LOWER[2:-2])] - shape[list(LEFT_EYE_UPPER[2:-2])]
    rest = motion.neutral[list(LEFT_EYE_LOWER[2:-2])] - motion.neutral[list(LEFT_EYE_UPPER[2:-2])]
    assert np.linalg.norm(lids, axis=1).mean() < 0.35 * np.linalg.norm(rest, axis=1).mean()


def control(path: Path, name: str) -> float:
    return float(load_livelink(path).controls[0, CONTROL_NAMES.index(name)])


def test_every_column_of_the_app_has_its_place_in_the_table() -> None:
    assert sorted(COEFFICIENTS) == sorted(COLUMNS[:52])
    assert all(share.why for share in MAPPING)
    assert {share.control for share in MAPPING} - {""} == {
        name
        for name in CONTROL_NAMES
        if name != "mouth_down"  # no coefficient tells it
    }


def test_the_table_is_the_same_for_both_sides() -> None:
    mirror = {one.name: one.mirror for one in CONTROLS}
    shares = {(one.coefficient, one.control): one.share for one in MAPPING if one.control}
    for (coefficient, name), share in shares.items():
        swapped = coefficient.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
        sign = -1 if name == "gaze_x" else 1
        assert shares[swapped, mirror[name]] == sign * share, coefficient


def test_a_take_becomes_a_performance_that_can_be_saved(take: Path, tmp_path: Path) -> None:
    performance = read_performance(take)
    assert performance.rate == 60
    assert len(performance) == 180
    assert performance.valid.all()
    assert performance.source == "MySlate_1_iPhone.csv"
    jaw = performance.controls[:, CONTROL_NAMES.index("jaw_open")]
    np.testing.assert_allclose(jaw, 0.5 - 0.5 * np.cos(np.arange(180) / 10), atol=1e-6)
    path = tmp_path / "take.performance.npz"
    save_performance(performance, path)
    np.testing.assert_array_equal(load_performance(path).controls, performance.controls)


def test_a_blink_closes_its_own_eye_and_a_jaw_opens_the_mouth(take: Path) -> None:
    points = compose(load_livelink(take)).points
    upper, lower = list(LEFT_EYE_UPPER[2:-2]), list(LEFT_EYE_LOWER[2:-2])
    lids = np.linalg.norm(points[:, upper] - points[:, lower], axis=2).mean(axis=1)
    assert lids[90] < 0.35 * lids[80]
    lips = np.linalg.norm(points[:, 13] - points[:, 14], axis=1)
    assert lips[31] > lips[0] + 17  # of 190 pixels between the eyes
    assert points[..., :2].min() > 0
    assert points[..., :2].max() < 1000


@pytest.mark.parametrize(
    ("coefficient", "name", "sign"),
    [
        ("EyeLookOutLeft", "gaze_x", 1),
        ("EyeLookInRight", "gaze_x", 1),
        ("EyeLookInLeft", "gaze_x", -1),
        ("EyeLookUpLeft", "gaze_y", 1),
        ("EyeLookDownRight", "gaze_y", -1),
        ("BrowOuterUpRight", "brow_up_right", 1),
        ("MouthSmileLeft", "smile_left", 1),
        ("MouthPucker", "mouth_narrow", 1),
    ],
)
def test_coefficients_move_their_controls(
    tmp_path: Path, coefficient: str, name: str, sign: int
) -> None:
    value = control(write(tmp_path / "one.csv", [{coefficient: 0.8}] * 3), name)
    assert value * sign > 0.35


def test_shut_lips_over_an_open_jaw_stay_shut(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [{"JawOpen": 0.3, "MouthClose": 0.3}] * 3)
    assert control(path, "jaw_open") < 0.05


def test_controls_keep_their_ranges(tmp_path: Path) -> None:
    everything = write(tmp_path / "all.csv", [dict.fromkeys(COLUMNS[:52], 1.0)] * 3)
    controls = load_livelink(everything).controls
    for i, one in enumerate(CONTROLS):
        assert one.low <= controls[0, i] <= one.high, one.name


def test_the_head_turns_as_the_phone_saw_it(tmp_path: Path) -> None:
    path = write(tmp_path / "h.csv", [{"HeadYaw": 0.3, "HeadPitch": 0.2, "HeadRoll": 0.1}] * 3)
    angles = to_angles(load_livelink(path).rotation)[0]
    np.testing.assert_allclose(angles, np.degrees([0.3, 0.2, -0.1]), atol=1e-6)


@pytest.mark.parametrize(
    ("ticks", "clock", "drop", "rate"),
    [
        (range(180), 60, False, Fraction(60)),
        (range(0, 360, 2), 60, False, Fraction(30)),
        (range(90), 30, False, Fraction(30)),
        (range(96), 24, False, Fraction(24)),
        (range(100), 25, False, Fraction(25)),
        (range(180), 60, True, Fraction(60000, 1001)),
        (range(20), 60, False, Fraction(60)),
    ],
)
def test_the_rate_is_read_off_the_timecodes(
    tmp_path: Path, ticks: range, clock: int, drop: bool, rate: Fraction
) -> None:
    codes = [timecode(tick, clock, drop=drop) for tick in ticks]
    performance = load_livelink(write(tmp_path / "c.csv", [{}] * len(codes), codes))
    assert performance.rate == rate
    assert len(performance) == len(codes)


def test_dropped_rows_are_gaps(tmp_path: Path) -> None:
    ticks = [tick for tick in range(180) if tick not in (50, 51, 120)]
    path = write(
        tmp_path / "d.csv",
        [{"JawOpen": tick / 180} for tick in ticks],
        [timecode(tick) for tick in ticks],
    )
    performance = load_livelink(path)
    assert list(np.flatnonzero(~performance.valid)) == [50, 51, 120]
    jaw = performance.controls[:, CONTROL_NAMES.index("jaw_open")]
    assert jaw[121] == pytest.approx(121 / 180, abs=1e-6)
    assert np.isnan(jaw[120])


def test_a_trembling_clock_loses_no_row(tmp_path: Path, rng: np.random.Generator) -> None:
    places = np.arange(300) + 0.5 + rng.uniform(-0.45, 0.45, 300)
    codes = [timecode(int(place), sub=int(place % 1 * 1000)) for place in places]
    rows = [{"JawOpen": i / 300} for i in range(300)]
    performance = load_livelink(write(tmp_path / "t.csv", rows, codes))
    assert int(performance.valid.sum()) == 300
    assert len(performance) <= 301
    jaw = performance.controls[performance.valid, CONTROL_NAMES.index("jaw_open")]
    assert (np.diff(jaw) > 0).all()


def test_midnight_is_no_jump(tmp_path: Path) -> None:
    codes = [f"23:59:59:{i:02}.000" for i in range(60)] + [
        f"00:00:00:{i:02}.000" for i in range(60)
    ]
    performance = load_livelink(write(tmp_path / "n.csv", [{}] * 120, codes))
    assert len(performance) == 120
    assert performance.valid.all()


@pytest.mark.parametrize(
    "codes", [[str(i) for i in range(40)], [f"00:00:{i:02}:00.000" for i in range(40)]]
)
def test_a_clock_that_counts_no_frames_leaves_the_order(tmp_path: Path, codes: list[str]) -> None:
    path = write(tmp_path / "o.csv", [{}] * 40, codes)
    assert load_livelink(path).rate == 60
    assert load_livelink(path, Fraction(25)).rate == 25
    assert len(load_livelink(path)) == 40


def test_columns_in_another_order_and_camel_case_are_the_same(take: Path, tmp_path: Path) -> None:
    lines = take.read_text().splitlines()
    order = list(range(2, len(COLUMNS) + 2))[::-1]
    turned = [
        ",".join([*line.split(",")[:2], *(line.split(",")[i] for i in order)]) for line in lines
    ]
    names = turned[0].split(",")
    turned[0] = ",".join([*names[:2], *(name[0].lower() + name[1:] for name in names[2:])])
    other = tmp_path / "camel.csv"
    other.write_text("\n".join(turned))
    np.testing.assert_array_equal(load_livelink(other).controls, load_livelink(take).controls)


def cell(line: int, column: int, text: str) -> Callable[[list[str]], list[str]]:
    def at(lines: list[str]) -> list[str]:
        cells = lines[line - 1].split(",")
        cells[column] = text
        return [*lines[: line - 1], ",".join(cells), *lines[line:]]

    return at


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: lines[:1], "the take is empty"),
        (lambda lines: [lines[0].replace("JawOpen", "Jaw"), *lines[1:]], "'JawOpen' is missing"),
        (lambda lines: [lines[0].replace("Timecode", "Time"), *lines[1:]], "no column 'Timecode'"),
        (lambda lines: [*lines[:5], lines[5][:60]], "line 6 has 6 cells"),
        (cell(7, 4, "nan"), "'nan' in line 7, column 'EyeLookInLeft'"),
        (cell(7, 4, ""), "'' in line 7"),
        (cell(7, 0, "noon"), "'noon' in line 7 is not a timecode"),
        (cell(7, 0, "07:44"), "'07:44' in line 7 is not a timecode"),
        (cell(7, 0, "09:44:57:05.944"), "the timecode in line 7 jumps by 7200"),
        (cell(100, 0, "07:44:57:02.944"), "the timecode in line 100 jumps by -1.6 seconds"),
    ],
)
def test_a_wrong_take_is_refused_in_one_line(
    take: Path, spoil: Callable[[list[str]], list[str]], words: str
) -> None:
    take.write_text("\n".join(spoil(take.read_text().splitlines())))
    with pytest.raises(InputError) as caught:
        load_livelink(take)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{take}: ")
    assert "\n" not in message


def test_an_impossible_rate_is_refused(take: Path) -> None:
    with pytest.raises(InputError, match="cannot have 0 frames"):
        load_livelink(take, Fraction(0))
