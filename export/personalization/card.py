# SPDX-License-Identifier: GPL-3.0-or-later
"""The card in a person's folder: what it is, what it was made of, how good, what it cannot do."""

from __future__ import annotations

from export.personalization.config import FEWEST_TO_HOLD_BACK, FEWEST_TO_TRAIN, PersonalizeConfig
from export.personalization.personalize import Personalized

_ROWS = (
    ("face", "error in the face, grey levels of 255"),
    ("mouth", "error inside the lips, grey levels"),
    ("eyes", "error between the lids, grey levels"),
    ("error", "error of all, weighted as in training, grey levels"),
    ("sharpness", "fine detail of the face, 1 is the real picture's"),
    ("drift", "change of frames in other poses, grey levels"),
)


def write_card(made: Personalized, config: PersonalizeConfig) -> str:
    """The card as Markdown."""
    count = len(made.pictures)
    before, after = made.before.plain(), made.after.plain()
    lines = [
        "# A generator of one person",
        "",
        f"A `warp` generator, tier {config.tier}, {_from(count)}. Use it with "
        "`python -m inference synthesize --person THIS_FOLDER --portrait ...`.",
        "",
        f"- Pictures: {', '.join(p.path.name for p in made.pictures.portraits)} "
        "(hashes in `person.json`).",
        f"- Meta-learned weights: {made.training}.",
        f"- Training here: {made.steps} steps of {config.batch} samples in "
        f"{made.seconds:.0f} seconds.",
        f"- Kept: {_kept(made)}",
        "",
        "## Figures",
        "",
        _judged(made),
        "",
        "| | feed-forward | kept |",
        "|---|---|---|",
        *(f"| {words} | {before[name]:.2f} | {after[name]:.2f} |" for name, words in _ROWS),
        "",
        "`before_after.png` shows both generators side by side: first on what was "
        "held back, then in poses of a performance, where nothing real can be shown.",
        "",
        "## Limits",
        "",
        "- Whether all pictures show one person was not checked; nothing here could tell.",
        "- It moves this person only, and knows no more of them than the pictures show: a "
        "mouth that is open in none of them has teeth that are guessed.",
        "- The figures come from the few pictures themselves; they do not say how it does in "
        "another light, or with other hair.",
        "- Make it only of people who agreed to it, and say of what is made that it is made.",
        "",
    ]
    return "\n".join(lines)


def _from(count: int) -> str:
    return "from one picture" if count == 1 else f"from {count} pictures"


def _kept(made: Personalized) -> str:
    if made.better:
        return f"the weights of step {made.step}, the best by the figures below."
    if len(made.pictures) < FEWEST_TO_TRAIN:
        return (
            "the meta-learned weights, conditioned on the person. Nothing was trained on a single "
            "picture: what can be learnt from it makes other poses worse. Give more pictures."
        )
    return (
        "the meta-learned weights, conditioned on the person and otherwise unchanged: no step of "
        "training was better by the figures without making one of them worse."
    )


def _judged(made: Personalized) -> str:
    if len(made.pictures) == 1:
        return (
            "The figures are of the picture's mirror image, made of the picture. From one picture "
            "nobody can tell how the person looks in another pose."
        )
    names = ", ".join(made.pictures.portraits[i].path.name for i in made.held)
    way = "; the other way was learnt" if len(made.pictures) < FEWEST_TO_HOLD_BACK else ""
    return (
        f"Judged on pictures that were never asked for in training ({names}), made of others{way}. "
        "All figures are of these few, not of people at large."
    )
