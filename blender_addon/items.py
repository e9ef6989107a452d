# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be chosen in the panels' menus: identifier, label, description."""

from __future__ import annotations

NO_BASIS = "CHOOSE"
# Files keep the number, so each keeps its own.
BASES = (
    (NO_BASIS, "Choose...", "Nothing was chosen yet; that is no ground", "NONE", 5),
    ("OWN", "My own face", "You are the person in the picture", "NONE", 0),
    ("AGREED", "They agreed", "The person agreed to being animated, in writing", "NONE", 1),
    ("LICENSED", "Licensed", "A contract or a licence of the picture covers animating it",
     "NONE", 2),
    ("HISTORIC", "Historic", "A historic person, from a picture that is in the public domain",
     "NONE", 3),
    ("FICTION", "Not a real person", "A painted, sculpted or rendered person who never lived",
     "NONE", 4),
)  # fmt: skip
# On these grounds nobody agreed: a sentence must say who it is and why.
NEED_A_SENTENCE = ("HISTORIC", "FICTION")
SENTENCE = 3  # words
CONSENT_NOTE = (
    "Where the agreement or the licence is kept. Historic, or not a real person: a sentence that "
    "says who it is and why the picture may be used"
)
SOURCES = (
    ("STRIP", "Movie Strip", "The active movie strip, over the range that it shows"),
    ("CLIP", "Movie Clip", "A clip of the Movie Clip Editor"),
    ("FILE", "File", "A movie file"),
)
RANGES = (
    ("STRIP", "Portrait Strip", "As long as the portrait's strip lasts"),
    ("PREVIEW", "Preview Range", "The timeline's preview range"),
    ("SCENE", "Scene", "The scene's frame range"),
    ("TAKE", "Take", "The whole take, from its in to its out"),
)
TRANSFERS = (
    ("relative", "Like Itself", "The portrait starts from its own look and moves as far from it as "
     "the actor moves from the rest frame: it stays the person that it shows. For any two people"),
    ("absolute", "Like the Actor", "The portrait holds its head and its features as the actor "
     "does, whatever it looked like. For pictures of the actor's own face; other people lose "
     "their likeness"),
)  # fmt: skip
TIERS = (
    ("draft", "Draft", "The small network: quick on any machine"),
    ("final", "Final", "The large network: for delivery, best on a GPU"),
)
MATCHES = (
    ("off", "Off", "The network's colours are taken as they come"),
    ("portrait", "Portrait", "What the network paints keeps to the portrait's own colours: a "
     "monochrome or toned print stays one"),
    ("picture", "Picture", "The head strip is also graded, towards a still of the plate that it "
     "is laid over; once for the whole shot"),
)  # fmt: skip
LAYERS = (
    ("head", "Head", "The head before a still background, over the portrait that it came from"),
    ("person", "Person", "The moving person alone, cut out, to lay over any plate below; the "
     "portrait's own strip is muted"),
    ("box", "Box", "The head with its background around it, in a soft-edged box"),
)  # fmt: skip
MATTES = (
    ("face", "Face", "The face's own region, in grey: a mask for grades of the head strip"),
    ("channels", "Channels", "Person, face, hair, skin and what the portrait never showed, as "
     "channels of one OpenEXR file a frame, for the compositor"),
)  # fmt: skip
FORMATS = (
    ("png", "PNG 8 bit", "Straight alpha, display sRGB"),
    ("png16", "PNG 16 bit", "Straight alpha, display sRGB, for 16-bit portraits"),
    ("exr", "OpenEXR", "Half floats, linear Rec.709"),
)
