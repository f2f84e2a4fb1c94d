"""Checks of recipes whose data set has clips."""

from __future__ import annotations

from collections.abc import Iterator

from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.objectives.adaptive_augmentation.transformations import GROUPS


def find_clip_errors(name: str, recipe: Recipe, clips: ImageSpec) -> Iterator[str]:
    """Errors of settings that are for single images, in a recipe whose data set has clips."""
    of_images = ("inception", "inception64", "torchvision")
    for setting in of_images:
        if getattr(recipe.evaluation, setting):
            yield (
                f"{name}.evaluation.{setting}: such a network sees single images, and {recipe.dataset} has clips of "
                f"{clips.frames} frames; set it to false, and evaluation.domain=true"
            )
    mirrored = {
        "training.horizontal_flip": recipe.training.horizontal_flip,
        "evaluation.domain_classifier.horizontal_flip": recipe.evaluation.domain
        and recipe.evaluation.domain_classifier.horizontal_flip,
    }
    for setting, on in mirrored.items():
        if on:
            yield f"{name}.{setting}: a mirrored clip moves the other way, which is another class; set it to false"


def find_colour_errors(name: str, game: Game, clips: ImageSpec) -> Iterator[str]:
    """An error where the game's augmentation changes colours: it would mix the frames of a clip, which are channels."""
    if changed := [one for one in getattr(game.augment, "names", ()) if one in ("color", *GROUPS["c"])]:
        yield (
            f"{name}.overrides: colours are changed in images of 1 or 3 channels, and a clip has {clips.channels}; "
            f"augment without {', '.join(changed)}, or not at all"
        )
