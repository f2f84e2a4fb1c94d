"""The model card of a sound model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from papergan.inference.card_text import HERE, UNKNOWN, text
from papergan.inference.plain_card import plain_card

RISKS = """\
## Intended use, misuse and risks

Research and teaching: looking at what a method of training does, and comparing methods under one protocol. Say of a
sound that it is generated; pass none off as the voice of a person or as a recording of an event. A generator can give
back sounds that it was trained on; that was not measured here. It repeats the gaps of its training sounds.
"""


def sound_card(config: Mapping[str, Any], task: str, use: str, place: str = HERE) -> str:
    """The card from a stored model's configuration; missing entries are called unknown.

    task, use: what the model does, and the Python code that calls it, with `g` the model. place: as for `plain_card`.
    """
    about, sound = dict(config["about"]), config["sound"]
    return plain_card(
        config, tags=["audio"], use=use, risks=RISKS,
        what=f"{task}, {sound['length']} samples at {sound['rate']} Hz, trained on "
        f"{text(about.get('dataset', 'unknown sounds'))}",
        facts={
            "sounds": about.get("dataset", UNKNOWN), "digest of the sounds": about.get("data_digest", UNKNOWN),
            "classes": ", ".join(config["classes"]),
        },
        shown={"settings": config["settings"], "sound": sound}, place=place,
    )  # fmt: skip
