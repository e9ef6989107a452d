# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job's frames come to be: over a real plate, or from nothing real at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inference.errors import InputError
from inference.generator.model import Generator
from inference.jobs import SynthesizeJob
from inference.mark.embed import payload_of
from inference.portrait import Portrait
from inference.provenance.facts import COMPOSITE, GENERATED, SOURCE_TYPES, Facts, parse_packet
from inference.provenance.xmp import find_xmp


def facts_of(portrait: Portrait, generator: Generator, job: SynthesizeJob) -> Facts:
    """What a picture of the head over its plate says of itself."""
    kind = GENERATED if is_generated(portrait.path) else COMPOSITE
    consent = job.consent.id if job.consent else ""
    mark = f"{payload_of(portrait.picture.sha256):08x}" if job.mark else "off"
    return Facts(kind, portrait.picture.sha256, generator.sha256, consent, job.preview, mark)


def of_layer(facts: Facts, layer: str) -> Facts:
    """What a frame of a layer says of itself: a person cut out stands before no plate."""
    return replace(facts, kind=GENERATED) if layer == "person" else facts


def is_generated(path: Path) -> bool:
    """Does the picture itself say that a trained algorithm made all of it?"""
    try:
        packet = find_xmp(path)
        said = parse_packet(packet) if packet else {}
    except (ValueError, InputError):
        return False  # a mark that cannot be read says nothing, and the picture was read well
    return said.get("DigitalSourceType") == SOURCE_TYPES + GENERATED
