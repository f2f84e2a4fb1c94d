"""Checks of recipes whose data set has clips."""

from __future__ import annotations

from collections.abc import Iterator

from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec


def find_clip_errors(name: str, recipe: Recipe, clips: ImageSpec) -> Iterator[str]:
    """Errors of settings that are for single images, in a recipe whose data set has clips."""
    of_images = ("inception", "inception64", "torchvision")
    for setting in of_images:
        if getattr(recipe.evaluation, setting):
            yield (
                f"{name}.evaluation.{setting}: such a network sees single images, and {recipe.dataset} has clips of "
                f"{clips.frames} frames; set it to false, and evaluation.domain=true"
            )
    pipeline = recipe.settings().get("adaptive_augmentation") or ""
    if "c" in pipeline:
        yield (
            f"{name}.overrides.adaptive_augmentation: colours are changed in images of 1 or 3 channels, and a clip has "
            f"{clips.channels}; leave out the c of {pipeline}"
        )
    mirrored = {
        "training.horizontal_flip": recipe.training.horizontal_flip,
        "evaluation.domain_classifier.horizontal_flip": recipe.evaluation.domain
        and recipe.evaluation.domain_classifier.horizontal_flip,
    }
    for setting, on in mirrored.items():
        if on:
            yield f"{name}.{setting}: a mirrored clip moves the other way, which is another class; set it to false"
