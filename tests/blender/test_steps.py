# SPDX-License-Identifier: GPL-3.0-or-later
"""The four steps, called as scripts and farms call them, with the real worker on a real clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.blender import material
from tests.blender.scenes import BLENDERS, Scenario, steps_in
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

INSIDE = Path(__file__).with_name("steps_inside.py")
HEAD = [f"head_{index:06d}.png" for index in range(8)]


@pytest.fixture(params=BLENDERS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path, footage: Path) -> Scenario:
    """Run a scenario of steps_inside.py in each Blender; returns its report."""
    return steps_in(request.param, INSIDE, tmp_path, footage)


def test_the_artists_way(scenario: Scenario, tmp_path: Path, footage: Path) -> None:
    shot = tmp_path / "shot.png"
    facts = scenario("walk", still=str(shot))
    assert facts["done"] == [["FINISHED"]] * 4

    portrait = facts["portrait"]
    assert portrait["name"] == "lisa"
    assert (portrait["faces"], portrait["face"], portrait["size"]) == (1, 1, [511, 512])
    assert len(portrait["sha256"]) == 64
    assert portrait["thumbnail"] and portrait["points"]

    # The strip begins at 10 and shows the frames 12 to 17: pictures 2 to 7 of the file.
    take = facts["take"]
    assert (take["name"], take["frames"], take["start"], take["offset"]) == ("actor", 6, 12, 2)
    assert (take["rate"], take["pace"], take["inout"]) == ([25, 1], 0, [0, 5])
    assert take["track"].startswith("//likeness/takes/")
    assert take["performance"].startswith("//likeness/takes/")
    assert 0 <= take["neutral"] < 6

    tested = facts["tested"]["test"]
    assert tested["span"] == [14, 15] and tested["files"] == [HEAD[2]]
    assert "consent" in facts["no consent"]

    strips = facts["synthesized"]
    assert "test" not in strips
    assert strips["head"]["span"] == [12, 18] and strips["head"]["files"] == HEAD[:6]
    assert strips["portrait"]["channel"] < strips["head"]["channel"]
    assert strips["portrait"]["span"] == [5, 40]
    assert facts["job"]["message"].startswith("6 frames made on CPU")
    assert facts["again"]["message"].startswith("0 frames made, 6 kept")

    reopened = facts["reopened"]
    assert reopened["strips"] == strips
    assert (reopened["who"], reopened["note"]) == ("Lisa del Giocondo", "Louvre, 1503")
    assert reopened["job"]["message"].startswith("0 frames made, 6 kept")

    # The render is the portrait with this frame's head over it.
    picture = cv2.imread(str(footage / "sample" / "s_mona_lisa_pd.jpg"))[..., ::-1]
    frame = cv2.imread(str(Path(facts["head"]["folder"]) / HEAD[2]), cv2.IMREAD_UNCHANGED)
    frame = cv2.cvtColor(frame, cv2.COLOR_BGRA2RGBA)
    box = tuple(facts["head"]["box"])
    wanted = material.composite(picture, frame, box)[:, :510]
    assert np.abs(material.load(shot) - wanted).mean() < 1
    assert np.abs(picture[:, :510] - wanted).mean() > 0.5  # and the head did move


def test_the_artists_edits_are_kept(scenario: Scenario) -> None:
    facts = scenario("edits")
    assert "no preview range is set" in facts["no range"]
    assert facts["elsewhere"].startswith("the preview range (100 to 110) and the take (12 to 17)")
    part, whole = facts["part"]["head"], facts["whole"]["head"]
    assert part["span"] == [13, 15]
    assert part["files"] == ["pending.png", *HEAD[1:3], *["pending.png"] * 3]
    assert whole["span"] == [12, 18] and whole["files"] == HEAD[:6]
    assert whole["channel"] == part["channel"]

    trimmed = facts["trimmed"]["head"]
    assert trimmed["span"] == [14, 18]
    assert trimmed["offset"] == [whole["offset"][0] + 7, whole["offset"][1]]
    assert trimmed["modifiers"] == 1

    # Moved by 20 frames, and the take begins a frame later: picture 1 is at 13 + 20 now.
    moved = facts["moved"]["head"]
    assert moved["name"] == "my head"
    assert moved["content"][0] == 33 and moved["files"] == HEAD[1:6]
    assert moved["span"] == [34, 38]
    assert moved["offset"] == trimmed["offset"] and moved["modifiers"] == 1
    assert facts["aligned"]["head"]["offset"] == whole["offset"]
    assert facts["other mouth"]["message"].startswith("6 frames made")


def test_the_matte_lies_as_the_head_does(scenario: Scenario) -> None:
    facts = scenario("matte")
    files = [name.replace("head", "matte") for name in HEAD]
    for state in ("first", "redone"):
        head, matte = facts[state]["head"], facts[state]["matte"]
        assert matte["mute"] and not head["mute"]
        assert matte["channel"] > head["channel"]
        assert matte["files"] == files[:6] and matte["name"] == f"{head['name']} matte"
        for fact in ("span", "content", "offset"):
            assert matte[fact] == head[fact]
    assert "matte" not in facts["undone"] and "head" in facts["undone"]
    # Made again with the toggle off: the strip that is there is replaced and stays in step.
    again = facts["again"]
    assert again["matte"]["span"] == again["head"]["span"] == [14, 18]
    assert again["matte"]["files"] == files[:6]
    assert facts["count"] == len(again)


def test_a_clip_keeps_its_speed_on_another_timeline(
    scenario: Scenario, tmp_path: Path, footage: Path
) -> None:
    frames = read_clip(footage / "sample" / "s_grid_female_ccby4.mp4", 0, 4)
    short = write_movie(tmp_path / "short.mp4", frames, rate=25)
    facts = scenario("rates", short=str(short))
    head = facts["strips"]["head"]
    assert head["span"] == [101, 109]  # 4 / 25 seconds are 8 frames of 1 / 50
    assert head["files"] == [HEAD[k // 2] for k in range(8)]
    # A portrait from a file gets a strip of its own, below the head.
    assert facts["strips"]["portrait"]["span"] == [101, 109]
    assert facts["strips"]["portrait"]["channel"] < head["channel"]
    assert facts["pace"] == 0  # in real time


def test_a_frame_of_a_movie_can_be_the_portrait(scenario: Scenario) -> None:
    facts = scenario("plate")
    assert facts["there"] and facts["size"] == [256, 256]
    assert facts["path"].startswith("//likeness/actor-") and facts["path"].endswith(".png")


def test_one_of_two_faces_is_chosen(scenario: Scenario, tmp_path: Path, footage: Path) -> None:
    pair = [
        cv2.resize(cv2.imread(str(footage / "sample" / name)), (400, 400))
        for name in ("s_obama_official_pd.jpg", "s_girl_pearl_earring_pd.jpg")
    ]
    two = tmp_path / "two.png"
    cv2.imwrite(str(two), np.hstack(pair))
    frames = read_clip(footage / "sample" / "s_grid_female_ccby4.mp4", 0, 3)
    short = write_movie(tmp_path / "short.mp4", frames, rate=25)
    facts = scenario("couple", two=str(two), short=str(short))
    left, right = facts["boxes"]
    assert left[0] + left[2] / 2 < 400 < right[0] + right[2] / 2
    assert facts["face"] == 0 and facts["thumbnails"] == 2
    assert facts["take"] == ["short", 3, 30]
    assert "two.png shows 2 faces; choose one" in facts["which"]
    assert facts["asked"] == 2
    assert facts["strips"]["test"]["span"] == [31, 32]
    assert facts["offset"] > 0  # the right half of the picture


REFUSALS = {
    "at first": "no portrait yet", "test at first": "no portrait yet",
    "no strip": "there is no strip 'nobody'", "wrong strip": "'lisa.jpg' is no movie strip",
    "no file": "/no/movie.mp4: there is no such file", "no movie": "movie",
    "no clip": "no clip is chosen", "no picture": "there is no such picture",
    "a movie": "not a picture that can be used", "no face": "no face was found",
    "no take": "no performance yet", "no name": "needs a name",
    "face 7": "there is no face 7 in this picture; its faces are: 1",
    "off the take": "frame 90 is outside of 'actor', which lies at 12 to 17",
    "neutral off": "frame 90 is outside of the take",
    "nothing to clear": "no test frame", "no head": "synthesize first",
    "other pictures": "consent note is for other pictures",
}  # fmt: skip


def test_what_cannot_be_done_is_one_line(scenario: Scenario, tmp_path: Path, footage: Path) -> None:
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((300, 300, 3), 127, np.uint8))
    second = footage / "sample" / "s_girl_pearl_earring_pd.jpg"
    facts = scenario("refusals", blank=str(blank), second=str(second))
    for case, words in REFUSALS.items():
        assert words in facts[case], case
        assert "\n" not in facts[case] and len(facts[case]) < 300, case
    assert facts["empty"] == [0, 0]
    assert facts["known"] == [["FINISHED"], 1]
    as_made, off, on, found = facts["ticks"]
    assert as_made == on == [True, 0, True, -1]
    assert off == [False, 1, False, found]


def test_what_went_missing_is_named(scenario: Scenario) -> None:
    facts = scenario("gone")
    assert "the strip of 'lisa' was deleted meanwhile" in facts["strip deleted"]
    assert facts["laid on a new one"]["head"]["files"] == HEAD[:6]
    assert facts["laid on a new one"]["portrait"]["name"] == "lisa"
    assert facts["kept"].startswith("0 frames made, 6 kept")
    assert "mine.jpg: the file has changed since consent was recorded" in facts["other picture"]
    assert "mine.jpg: the picture 1 of 'lisa' is not there any more" in facts["picture gone"]
    assert "is not there any more" in facts["take gone"]
    assert "the portrait that this was for was removed" in facts["portrait removed"]


def test_a_file_saved_elsewhere_still_finds_everything(scenario: Scenario) -> None:
    facts = scenario("elsewhere")
    assert facts["same"]  # a saved copy changes nothing in memory
    assert facts["found"]
    assert facts["relative"].startswith("//../../likeness/takes/")
    for name in ("copy.blend", "moved.blend"):
        assert facts[name][0] == ["FINISHED"]
        assert facts[name][1].startswith("//../../likeness/takes/")


def test_the_footages_sound_is_in_step(scenario: Scenario, tmp_path: Path, footage: Path) -> None:
    frames = read_clip(footage / "sample" / "s_grid_female_ccby4.mp4", 0, 12)
    loud = _with_sound(tmp_path / "loud.mp4", frames)
    facts = scenario("sound", loud=str(loud))
    head, sound = facts["strips"]["head"], facts["strips"]["sound"]
    assert facts["count"] == 1
    assert sound["span"] == head["span"]
    assert sound["content"][0] == 6  # where frame 0 of the footage lies
    assert sound["channel"] > head["channel"]


def test_edited_curves_make_just_their_frames_anew(scenario: Scenario) -> None:
    facts = scenario("curves")
    assert facts["first"].startswith("6 frames made")
    assert "press Edit as Curves first" in facts["nothing to keep"]
    assert facts["shown"]
    assert facts["span"] == [12, 1]
    assert facts["edited"]
    assert facts["after"].startswith("1 frame made, 5 kept")
    assert facts["dropped"].startswith("1 frame made, 5 kept")
    assert "no edited curves" in facts["again"]


@pytest.mark.parametrize("scenario", ["this"], indirect=True)
def test_a_portrait_gets_a_model_of_its_own(scenario: Scenario) -> None:
    pytest.importorskip("torch", reason="personalizing needs torch")
    facts = scenario("person")
    assert "personalize first" in facts["nothing"]
    assert "needs an environment with torch" in facts["no torch"]
    assert facts["job"]["state"] == "DONE" and "kept, from 1 picture" in facts["job"]["message"]
    assert facts["folder"].startswith("//likeness/lisa-")
    assert facts["compared"] == ["FINISHED"]
    assert facts["used"].endswith("/person")
    assert "personalize first" in facts["deleted"]
    assert facts["then"] == "draft"


def test_the_puppets_face_is_a_take(scenario: Scenario) -> None:
    facts = scenario("puppet")
    assert "puppet" in facts["no puppet"]
    assert facts["take"] == ["speech", 4, 20, True]
    assert facts["strips"]["head"]["span"] == [20, 24]
    assert facts["strips"]["head"]["files"] == HEAD[:4]


def _with_sound(path: Path, frames: list[np.ndarray]) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=Fraction(25), options={"crf": "10"})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=48000)
        audio.layout = "mono"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode())
        samples = np.sin(np.arange(48000 * len(frames) // 25) / 20)[None].astype(np.float32)
        tone = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        tone.sample_rate = 48000
        container.mux(audio.encode(tone))
        container.mux(audio.encode())
    return path
