"""The figure of a generator's classes: those that it is asked for, or that a classifier sees."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from papergan import systems
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSplits
from papergan.evaluation.image_features import features_of
from papergan.extractors.build import extractors_of
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.metrics.conditional import class_accuracies
from papergan.pipelines.experiment.nodes.divergence import no_picture, unless_diverged
from papergan.pipelines.experiment.nodes.export import generate_samples, sample_caption
from papergan.pipelines.experiment.restore import device_of, load_generator, progress_of
from papergan.reporting.image_grid import ImageGrid
from papergan.weights import Weights

PER_CLASS, MAX_ROWS, MAX_CLASSIFIED = 10, 50, 2000


@unless_diverged(no_picture)
def draw_by_class(
    experiment: Experiment, images: ImageSplits, domain_classifier: Weights, generator: Weights
) -> ImageGrid:
    """Ten samples of each class, a row each: of the class asked for, where the generator is conditional.

    Of any other the class that the data set's classifier predicts; without one the plain grid, which says why.
    """
    recipe, progress = experiment.recipe, progress_of(generator)
    sampler = load_generator(recipe, generator)
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    extractors = [e for e in extractors_of(recipe.evaluation, device_of(recipe), domain_classifier) if e.class_names]
    if systems.is_conditional(recipe.system, recipe.overrides):
        return _given(recipe, sampler, extractors, images.train.classes, progress, caption)
    if extractors:
        return _predicted(recipe, sampler, extractors[0], progress, caption)
    return ImageGrid(
        generate_samples(sampler, recipe.seed, progress), f"{caption}; there is no classifier to sort these by"
    )


def _given(
    recipe: Recipe, sampler: Sampler, extractors: list[FeatureExtractor], names: tuple[str, ...], progress: Progress,
    caption: str,
) -> ImageGrid:  # fmt: skip
    """A row of samples of each class, and the share of each that the classifier assigns to it, where there is one."""
    given, labels = torch.arange(len(names)).repeat_interleave(PER_CLASS), names
    shown = _pixels(sampler.stream(len(given), seed=recipe.seed, progress=progress, choices=given))
    caption = f"{caption}; a row of each class that was asked for"
    if extractors:
        count = min(MAX_CLASSIFIED, recipe.evaluation.final_num_samples)
        drawn = sampler.choices(count, seed=recipe.seed, progress=progress)
        assert drawn is not None
        logits = _logits(recipe, sampler, extractors[0], count, progress)[1]
        shares = zip(names, class_accuracies(logits, drawn, len(names)).tolist(), strict=True)
        labels = tuple(f"{name} {100 * share:.0f} %" if share >= 0 else name for name, share in shares)  # NaN: none
        caption += f", and how many of {count} samples the classifier takes for it"
    return ImageGrid(shown, caption, columns=PER_CLASS, row_labels=labels)


def _predicted(
    recipe: Recipe, sampler: Sampler, extractor: FeatureExtractor, progress: Progress, caption: str
) -> ImageGrid:
    """A row of samples of each class as predicted, and its share; black places where a class is missing.

    Of more classes than MAX_ROWS the most frequent.
    """
    count, names = min(MAX_CLASSIFIED, recipe.evaluation.final_num_samples), extractor.class_names
    pixels, logits = _logits(recipe, sampler, extractor, count, progress)
    predicted = logits.argmax(1)
    counts = torch.bincount(predicted, minlength=len(names))
    most = counts.argsort(descending=True, stable=True)[:MAX_ROWS].tolist()
    classes = most if len(names) > MAX_ROWS else list(range(len(names)))
    rows = [_first(pixels[predicted == label], PER_CLASS) for label in classes]
    labels = tuple(f"{names[label]} {100 * float(counts[label]) / count:.0f} %" for label in classes)
    return ImageGrid(
        torch.cat(rows),
        f"{caption}; {count} samples by predicted class, and its share",
        columns=PER_CLASS,
        row_labels=labels,
    )


def _logits(
    recipe: Recipe, sampler: Sampler, extractor: FeatureExtractor, count: int, progress: Progress
) -> tuple[Tensor, Tensor]:
    """The first `count` samples, uint8 [count, C, S, S], and the classifier's logits of them."""
    pixels = _pixels(sampler.stream(count, seed=recipe.seed, progress=progress))
    return pixels, features_of(extractor, pixels, recipe.evaluation.batch_size, what="samples by class").logits


def _pixels(stream: Iterable[Tensor]) -> Tensor:
    return torch.cat([to_pixels(part).cpu() for part in stream])


def _first(pixels: Tensor, count: int) -> Tensor:
    """The first `count` images, black ones where there are fewer."""
    missing = max(0, count - len(pixels))
    return torch.cat([pixels[:count], pixels.new_zeros(missing, *pixels.shape[1:])])
