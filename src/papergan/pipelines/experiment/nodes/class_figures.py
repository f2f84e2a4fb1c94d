"""Figures of a generator's conditions: a row for each class, a row for each value of a code, and reconstructions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from papergan import systems
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.stacked_images import single_classes
from papergan.evaluation.encoder_scores import decode, encode, settled_encoder
from papergan.evaluation.image_features import features_of
from papergan.extractors.build import extractors_of
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.game.game import Game
from papergan.game.priors import one_hot
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.metrics.conditional import class_accuracies_by_name
from papergan.objectives.mutual_information import WithCodes
from papergan.pipelines.experiment.nodes.divergence import no_picture, unless_diverged
from papergan.pipelines.experiment.nodes.export import generate_samples, sample_caption
from papergan.pipelines.experiment.restore import device_of, exported_sampler, numerics_of, progress_of, trained_game
from papergan.reporting.image_grid import ImageGrid, num_frames
from papergan.weights import Weights

COLUMNS = 10
MAX_ROWS, MAX_CLASSIFIED = 50, 2000
MODE_COLUMNS = 40  # of the modes of stacked images
MAX_CATEGORIES, PER_CONTINUOUS = 20, 5  # rows
FARTHEST = 2.0  # largest value of continuous codes, beyond the 1 of training, as in figure 2 of the paper
NUM_RECONSTRUCTED = 4 * COLUMNS
CODES = "; each category with the same ten latents, then each continuous code from -2 to 2 with the rest of one latent"
RECONSTRUCTED = "; test images above their reconstructions G(E(x))"


@unless_diverged(no_picture)
def draw_by_class(
    experiment: Experiment, images: ImageSplits, domain_classifier: Weights, generator: Weights
) -> ImageGrid:
    """Ten samples of each class, of clips fewer, a row each; for a conditional generator, the class that it is given.

    For any other generator, the class that the data set's classifier predicts; without one, the plain grid, whose
    caption says why.
    """
    recipe, progress = experiment.recipe, progress_of(generator)
    sampler = exported_sampler(recipe, generator)
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    extractors = [e for e in extractors_of(recipe.evaluation, device_of(recipe), domain_classifier) if e.class_names]
    if systems.is_conditional(recipe.system, recipe.overrides):
        return _given(recipe, sampler, extractors, images.train, progress, caption)
    if extractors:
        return _predicted(recipe, sampler, extractors[0], progress, caption)
    return ImageGrid(
        generate_samples(sampler, recipe.seed, progress), f"{caption}; there is no classifier to sort these by"
    )


def _given(
    recipe: Recipe, sampler: Sampler, extractors: list[FeatureExtractor], images: ImageSet, progress: Progress,
    caption: str,
) -> ImageGrid:  # fmt: skip
    """A row of samples of each class, and the share of each that the classifier assigns to it, where there is one."""
    names, columns = images.classes, _columns(images.frames)
    given, labels = torch.arange(len(names)).repeat_interleave(columns), names
    shown = _pixels(sampler.stream(len(given), seed=recipe.seed, progress=progress, choices=given))
    caption = f"{caption}; a row of each class that was asked for"
    if extractors:
        count = min(MAX_CLASSIFIED, recipe.evaluation.final_num_samples)
        drawn = sampler.choices(count, seed=recipe.seed, progress=progress)
        assert drawn is not None
        logits = _logits(recipe, sampler, extractors[0], count, progress)[1]
        accuracies = class_accuracies_by_name(logits, drawn, names, extractors[0].class_names)
        shares = zip(names, accuracies.tolist(), strict=True)
        labels = tuple(f"{name} {100 * share:.0f} %" if share >= 0 else name for name, share in shares)  # NaN: none
        caption += f", and how many of {count} samples the classifier takes for it"
    return ImageGrid(shown, caption, columns=columns, row_labels=labels)


def _predicted(
    recipe: Recipe, sampler: Sampler, extractor: FeatureExtractor, progress: Progress, caption: str
) -> ImageGrid:
    """A row of samples of each class as predicted, and its share; black places where a class is missing.

    Of more classes than MAX_ROWS, the most frequent; for stacked images, one sample of every mode.
    """
    count, names = min(MAX_CLASSIFIED, recipe.evaluation.final_num_samples), extractor.class_names
    if single_classes(names):
        return _modes(recipe, sampler, extractor, progress, caption)
    pixels, logits = _logits(recipe, sampler, extractor, count, progress)
    predicted = logits.argmax(1)
    counts = torch.bincount(predicted, minlength=len(names))
    most = counts.argsort(descending=True, stable=True)[:MAX_ROWS].tolist()
    classes = most if len(names) > MAX_ROWS else list(range(len(names)))
    columns = _columns(num_frames(pixels.shape[1]))
    rows = [_first(pixels[predicted == label], columns) for label in classes]
    labels = tuple(f"{names[label]} {100 * float(counts[label]) / count:.0f} %" for label in classes)
    return ImageGrid(
        torch.cat(rows),
        f"{caption}; {count} samples by predicted class, and its share",
        columns=columns,
        row_labels=labels,
    )


def _modes(
    recipe: Recipe, sampler: Sampler, extractor: FeatureExtractor, progress: Progress, caption: str
) -> ImageGrid:
    """The first sample of every class of stacked images, in the classes' order; black where no scored sample has it."""
    count, names = recipe.evaluation.final_num_samples, extractor.class_names
    pixels, logits = _logits(recipe, sampler, extractor, count, progress)
    first: dict[int, int] = {}
    for place, mode in enumerate(logits.argmax(1).tolist()):
        first.setdefault(mode, place)
    shown = pixels.new_zeros(len(names), *pixels.shape[1:])
    shown[list(first)] = pixels[list(first.values())]
    return ImageGrid(
        shown,
        f"{caption}; one sample of each mode by predicted class: {len(first)} of {len(names)} in {count} samples",
        columns=MODE_COLUMNS,
        row_labels=names[::MODE_COLUMNS],
    )


def _columns(frames: int) -> int:
    """Columns: ten images, or as many film strips as have ten frames together, but at least one."""
    return max(1, COLUMNS // frames)


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


class LabelledRow(NamedTuple):
    """A row of a figure: its label, and ten images, uint8 [10, C, S, S]."""

    label: str
    images: Tensor


@unless_diverged(no_picture)
def draw_codes(experiment: Experiment, images: ImageSplits, trained: Weights, generator: Weights) -> ImageGrid:
    """Rows of samples by categorical code, rows along each continuous one; rows of test images, each above G(E(x)).

    Where the game has neither codes nor an encoder that inverts the generator, the caption says so.
    """
    recipe, progress = experiment.recipe, progress_of(generator)
    with numerics_of(recipe):
        of_codes = code_rows(exported_sampler(recipe, generator), recipe.seed, progress)
        of_encoder = reconstruction_rows(trained_game(recipe, trained), images, recipe.evaluation.batch_size)
    rows = of_codes + of_encoder
    if not rows:
        return no_picture(experiment, "its game has neither codes nor an encoder that inverts the generator")
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    caption += CODES * bool(of_codes) + RECONSTRUCTED * bool(of_encoder)
    pixels, labels = torch.cat([row.images for row in rows]), tuple(row.label for row in rows)
    return ImageGrid(pixels, caption, columns=COLUMNS, row_labels=labels)


def code_rows(sampler: Sampler, seed: int, progress: Progress) -> list[LabelledRow]:
    """A row for each category, and rows along each continuous code; none where the prior has no codes.

    Source: Chen et al. 2016, figure 2.
    """
    prior = sampler.prior
    if not isinstance(prior, WithCodes):
        return []
    (latents,) = sampler.latents(COLUMNS, seed, "codes", progress=progress)
    noise, drawn, codes = prior.split(latents)
    rows = []
    for value in range(min(prior.categories, MAX_CATEGORIES)):
        category = one_hot(torch.full((COLUMNS,), value, device=noise.device), prior.categories)
        rows.append((f"category {value}", torch.cat([noise, category, codes], dim=1)))
    for place in range(prior.continuous):
        for one in range(PER_CONTINUOUS):
            row = torch.cat([noise[one], drawn[one], codes[one]]).repeat(COLUMNS, 1)
            row[:, place - prior.continuous] = torch.linspace(-FARTHEST, FARTHEST, COLUMNS, device=row.device)
            rows.append((f"continuous {place + 1}", row))
    return [LabelledRow(label, to_pixels(sampler.decode(row)).cpu()) for label, row in rows]


def reconstruction_rows(game: Game, images: ImageSplits, batch_size: int) -> list[LabelledRow]:
    """Rows of the first test images, each above a row of their reconstructions; none without such an encoder."""
    if game.encoder is None:
        return []
    count = min(NUM_RECONSTRUCTED, len(images.test) // COLUMNS * COLUMNS)
    if not count:
        return []
    some = images.test.taken(torch.arange(count), images.test.name)
    latents = encode(settled_encoder(game, images.train, batch_size), some, batch_size).latent
    if latents is None:
        return []
    shown = to_pixels(decode(game, latents, batch_size))
    pairs = zip(torch.split(some.images, COLUMNS), torch.split(shown, COLUMNS), strict=True)
    return [LabelledRow(*row) for pair in pairs for row in zip(("test images", "reconstructed"), pair, strict=True)]
