"""The section of a model card that states from which model a generator was compressed, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from papergan.inference.card_text import code, text


def compression_section(about: Mapping[str, Any]) -> str:
    """From which model it was compressed, distilled or fine-tuned, and how; "" if it was not."""
    done, recipe = about.get("compression"), about.get("recipe") or {}
    if not done:
        learned = "\n\n".join(filter(None, (_taught(recipe), _fine_tuned(recipe))))
        return f"## Compression\n\n{learned}\n" if learned else ""
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


def _taught(recipe: Mapping[str, Any]) -> str:
    if not recipe.get("teacher"):
        return ""
    how = (recipe.get("overrides") or {}).get("distillation") or {}
    given = ", ".join(f"{text(name)} {text(value)}" for name, value in how.items())
    return f"It was distilled from the teacher `{code(recipe['teacher'])}` ({given})."


def _fine_tuned(recipe: Mapping[str, Any]) -> str:
    tuning = recipe.get("fine_tuning")
    if not tuning:
        return ""
    share = tuning.get("prune_weights", 0.0)
    zeros = f", with the smallest {share:.0%} of the generator's weights at zero, where they stayed" if share else ""
    return (
        f"Its training began with the networks of `{code(tuning['model'])}`{zeros}; where this generator is narrower, "
        "with the channels that had the largest filters."
    )
