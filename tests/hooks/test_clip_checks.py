"""Settings for single images are refused in a recipe whose data set has clips."""

from __future__ import annotations

from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.hooks.clip_checks import find_clip_errors

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


def test_colours_of_clips_are_not_augmented():
    (error,) = find_clip_errors("mine", recipe(overrides={"adaptive_augmentation": "bgc"}), CLIPS)
    assert error == (
        "mine.overrides.adaptive_augmentation: colours are changed in images of 1 or 3 channels, and a clip has 8; "
        "leave out the c of bgc"
    )
    assert list(find_clip_errors("mine", recipe(overrides={"adaptive_augmentation": "g"}), CLIPS)) == []
