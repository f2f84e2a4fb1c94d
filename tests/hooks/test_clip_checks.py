"""Settings for single images are refused in a recipe whose data set has clips."""

from __future__ import annotations

import pytest

from helpers.tiny_game import tiny_game
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.game.augmentation import DiffAugment
from papergan.hooks.clip_checks import find_clip_errors, find_colour_errors
from papergan.objectives.adaptive_augmentation.probability import AugmentationProbability
from papergan.objectives.adaptive_augmentation.transformations import AdaptiveAugment

CLIPS = ImageSpec(8, 32, 40, frames=8)


def recipe(**changes) -> Recipe:
    given = {
        "paper": "tulyakov2018", "description": "", "system": "mocogan", "dataset": "moving_mnist",
        "overrides": changes.pop("overrides", {}),
        "training": {"steps": 10, "batch_size": 4, **changes.pop("training", {})},
        "evaluation": {
            "inception": False, "domain": True, "domain_classifier": {"horizontal_flip": False},
            **changes.pop("evaluation", {}),
        },
    }  # fmt: skip
    return Recipe.parse("mine", given)


def test_a_recipe_for_clips_has_none():
    assert list(find_clip_errors("mine", recipe(), CLIPS)) == []


def test_inception_and_mirrored_clips_are_refused_by_name():
    wrong = recipe(training={"horizontal_flip": True}, evaluation={"inception": True, "domain_classifier": {}})
    inception, flip, classifier = find_clip_errors("mine", wrong, CLIPS)
    assert inception == (
        "mine.evaluation.inception: such a network sees single images, and moving_mnist has clips of 8 frames; set it "
        "to false, and evaluation.domain=true"
    )
    assert flip.startswith("mine.training.horizontal_flip: a mirrored clip moves the other way")
    assert classifier.startswith("mine.evaluation.domain_classifier.horizontal_flip: ")


@pytest.mark.parametrize(
    ("augment", "changed"),
    [
        (AdaptiveAugment(AugmentationProbability(), "gc"), "brightness, contrast, luma_flip, hue, saturation"),
        (AdaptiveAugment(AugmentationProbability(), "cutout+hue"), "hue"),
        (AdaptiveAugment(AugmentationProbability(), "bgo"), None),
        (DiffAugment("color,cutout"), "color"),
        (DiffAugment("translation,cutout"), None),
        (None, None),
    ],
)
def test_colours_of_clips_are_not_augmented(augment, changed):
    errors = list(find_colour_errors("mine", tiny_game(augment=augment), CLIPS))
    assert errors == [
        "mine.overrides: colours are changed in images of 1 or 3 channels, and a clip has 8; augment without "
        f"{changed}, or not at all"
    ] * (changed is not None)
