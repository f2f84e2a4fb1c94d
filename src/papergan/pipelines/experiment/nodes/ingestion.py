"""Nodes of the ingestion: from raw data to prepared images."""

from __future__ import annotations

from papergan.config.checked import Experiment
from papergan.data.images import ImageSplits
from papergan.data.library import ImageLibrary
from papergan.data.preparation import prepare
from papergan.data.translation import Domain, Pairs, with_inputs
from papergan.errors import EvaluationError


def ingest(image_library: ImageLibrary, experiment: Experiment) -> ImageSplits:
    """The recipe's data set as published, checked; your own images at the size of the recipe.

    Raises DataError where bytes are missing or not as declared.
    """
    recipe = experiment.recipe
    return image_library.load(recipe.dataset, recipe.image_size, recipe.images)


def normalise(raw_images: ImageSplits, experiment: Experiment, image_library: ImageLibrary) -> ImageSplits:
    """The images at the size and in the number of the recipe, as uint8, with the inputs that are translated to them.

    tahvili2025, section IV: resized to 32x32, scaled to [-1, 1]. The scaling is done batch by batch on the device
    (`papergan.image_range.to_model_range`), since bytes take a quarter of the memory and lose nothing.
    Raises EvaluationError if the recipe's `nas_samples` are too few for these images.
    """
    recipe = experiment.recipe

    def prepared(splits: ImageSplits) -> ImageSplits:
        return prepare(
            splits, size=recipe.image_size, limit=recipe.train_limit, subset_seed=recipe.subset_seed,
            validation=recipe.validation, classes=recipe.classes,
        )  # fmt: skip

    images = prepared(raw_images)
    try:
        recipe.evaluation.check_places(len(images.train))
    except EvaluationError as error:
        raise EvaluationError(f"{experiment.name}.evaluation: {error}") from error
    if recipe.input is None:
        return images

    def other(settings: Domain | Pairs) -> ImageSplits:
        size = images.train.spec.size
        if isinstance(settings, Domain):
            return prepare(image_library.load(settings.dataset, size), size=size, limit=None)
        pairing = image_library.pairs_of(recipe.dataset, settings.dataset, recipe.image_size, recipe.images)
        return prepared(pairing.load(raw_images))

    return with_inputs(images, recipe.input, other)
