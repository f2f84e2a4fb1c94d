"""The section of a model card that says from what a generator was compressed, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from papergan.inference.card_text import code, text


def compression_section(about: Mapping[str, Any]) -> str:
    """From what it was compressed, and how; "" where it was not."""
    done = about.get("compression")
    if not done:
        return ""
    steps = []
    if done["keep_channels"] < 1.0:
        steps.append(f"the {done['keep_channels']:.0%} of each layer's channels with the largest filters were kept")
    if done["prune_weights"] > 0.0:
        steps.append(f"the smallest {done['prune_weights']:.0%} of the weights were set to zero")
    if done["precision"] != "float32":
        steps.append(f"weights are {text(done['precision'])}")
    return (
        f"## Compression\n\nThis is `{code(done['variant'])}`, made from the generator with the weights "
        f"`{code(done['of'])}`: {'; '.join(steps)}. Nothing was trained after it. What is said of the training is "
        "of that generator; the scores are of this one.\n"
    )
