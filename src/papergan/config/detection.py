"""Settings of the detection of generated images: which generators, and how a detector is trained."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated

from pydantic import BeforeValidator, Field

from papergan.config.experiment import Recipe
from papergan.inference.model_folder import StoredModel
from papergan.training.numerics import Device
from papergan.validation import Repeats, SampleCount, Seeds, StrictModel


def _apart(given: object) -> object:
    """Split a string of names at its spaces, since a list on the command line cannot have commas."""
    return tuple(given.split()) if isinstance(given, str) else given


class DetectionSettings(StrictModel):
    """Settings of `detection`.

    models: names of experiments that were trained here on the same images, or what `papergan.load` takes; a list, or a
    string with spaces between them. num_samples: real training images, and as many generated ones, that a detector is
    trained on; test_samples: of each kind, that it is tested on. epochs, width, flip: of the detector, see
    `DomainClassifier`. seeds: each has other samples and another detector.
    """

    models: Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_apart)] = ()
    num_samples: Annotated[SampleCount, Field(ge=10)] = 5000
    test_samples: Annotated[SampleCount, Field(ge=10)] = 2000
    epochs: Repeats = 20
    width: Annotated[int, Field(ge=1, le=512)] = 16
    flip: bool = False
    seeds: Seeds = (0, 1, 2)
    device: Device = "auto"


def images_of(model: StoredModel) -> Hashable:
    """A key for the kind of images that a model was trained on, regardless of their number; None if not stated.

    Raises RecipeError where this version cannot read its recipe.
    """
    given = model.about.get("recipe")
    if not given:
        return None
    recipe = Recipe.parse(str(model.about.get("experiment", "model")), given)
    return recipe.dataset, recipe.image_size, str(recipe.images), recipe.classes
