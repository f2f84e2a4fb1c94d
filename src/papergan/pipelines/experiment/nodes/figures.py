"""Figures of a generator: samples over time, interpolations, and nearest neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.config.checked import Experiment
from papergan.data.images import ImageSet, ImageSplits
from papergan.errors import EvaluationError
from papergan.evaluation.image_features import features_of
from papergan.evaluation.reference import ImageFeatures, References
from papergan.extractors.build import extractors_of, fastest
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.image_range import to_model_range, to_pixels
from papergan.metrics.memorisation import pixel_vectors
from papergan.metrics.nearest_neighbours import nearest
from papergan.networks.autoencoders.autoencoder import Autoencoder
from papergan.pipelines.experiment.nodes.divergence import no_animation, no_picture, unless_diverged
from papergan.pipelines.experiment.nodes.export import generate_samples, sample_caption
from papergan.pipelines.experiment.restore import device_of, exported_sampler, progress_of, trained_game
from papergan.reporting.image_grid import Animation, ImageGrid
from papergan.weights import Weights

MAX_ROWS, LATENTS_PER_ROW = 12, 8
NUM_INTERPOLATIONS, STEPS = 8, 10
NUM_CODE_INTERPOLATIONS, CODE_STEPS = 4, 9  # odd, so that there is a middle
NUM_QUERIES, NUM_NEAREST = 8, 4


@unless_diverged(no_picture)
def draw_over_time(experiment: Experiment, frames: Weights) -> ImageGrid:
    """Samples of eight fixed latents over training: a row per evaluation, at most 12, evenly chosen."""
    rows = rows_over_time(frames)
    caption = f"{experiment.name} on {experiment.recipe.dataset_name}: the same latents while training, from the top"
    return ImageGrid(torch.cat(list(rows.values())), caption, columns=LATENTS_PER_ROW, row_labels=tuple(rows))


def rows_over_time(frames: Weights) -> dict[str, Tensor]:
    """The first eight images of at most 12 frames, evenly chosen, by their epoch."""
    names = sorted(frames.tensors)
    chosen = [names[round(place)] for place in torch.linspace(0, len(names) - 1, min(MAX_ROWS, len(names))).tolist()]
    return {f"epoch {float(frames.metadata[name]):g}": frames.tensors[name][:LATENTS_PER_ROW] for name in chosen}


@unless_diverged(no_animation)
def animate(experiment: Experiment, frames: Weights) -> Animation:
    """An animation of the samples of 64 fixed latents over evaluations; at most 32 frames, see `SampleHistory`.

    Captions have the epoch, and the level of networks that grow.
    """
    caption = f"{experiment.name} on {experiment.recipe.dataset_name}"
    names = sorted(frames.tensors)
    count = min(len(frames.tensors[name]) for name in names)
    return Animation(
        tuple(ImageGrid(frames.tensors[name][:count], f"{caption}: {_when(frames, name)}") for name in names)
    )


def _when(frames: Weights, name: str) -> str:
    level = frames.metadata.get(f"{name}.networks.level")
    epoch = f"epoch {float(frames.metadata[name]):g}"
    return epoch if level is None else f"{epoch}, level {float(level):.4g}"


@unless_diverged(no_picture)
def interpolate(experiment: Experiment, images: ImageSplits, trained: Weights, generator: Weights) -> ImageGrid:
    """Eight interpolations between two latents, ten images each.

    Where the discriminator is an autoencoder, also interpolations between the codes of test images, and to their
    mirror images.
    """
    sampler, progress = exported_sampler(experiment.recipe, generator), progress_of(generator)
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    game = trained_game(experiment.recipe, trained)
    discriminator = game.networks[game.showcase.discriminator]
    if not isinstance(discriminator, Autoencoder):
        interpolations = sampler.interpolate(NUM_INTERPOLATIONS, STEPS, seed=experiment.recipe.seed, progress=progress)
        return ImageGrid(
            to_pixels(interpolations).cpu(), f"{caption}; each row from one latent to another", columns=STEPS
        )
    latents = sampler.interpolate(NUM_INTERPOLATIONS, CODE_STEPS + 2, seed=experiment.recipe.seed, progress=progress)
    pairs = images.test.images[: 2 * NUM_CODE_INTERPOLATIONS]
    asymmetric = most_asymmetric(images.test.images, NUM_CODE_INTERPOLATIONS)
    ends = ((pairs[::2], pairs[1::2]), (asymmetric, asymmetric.flip(3)))
    codes = [interpolate_codes(discriminator, start, end) for start, end in ends]
    return ImageGrid(
        torch.cat([to_pixels(latents).cpu(), *codes]),
        f"{caption}; from one latent to another; from one test image (left) by its code to another (right), then to "
        "its mirror image, with the view of neither side in the middle",
        columns=CODE_STEPS + 2,
        row_labels=("latents",) * NUM_INTERPOLATIONS
        + ("codes",) * NUM_CODE_INTERPOLATIONS
        + ("mirror",) * NUM_CODE_INTERPOLATIONS,
    )


def interpolate_codes(discriminator: Autoencoder, start: Tensor, end: Tensor) -> Tensor:
    """Rows of a picture: an image, nine reconstructions from interpolated codes, the other image.

    start, end: uint8 [B, C, S, S]; returns uint8 [11 * B, C, S, S].
    """
    device = next(discriminator.parameters()).device
    first, last = (to_model_range(images.to(device)) for images in (start, end))
    interpolations = (
        to_pixels(discriminator.between(first, last, CODE_STEPS)).cpu().view(len(start), CODE_STEPS, *start.shape[1:])
    )
    return torch.cat([start[:, None], interpolations, end[:, None]], dim=1).flatten(0, 1)


def most_asymmetric(images: Tensor, count: int) -> Tensor:
    """The `count` of the first 500 images that differ most from their mirror images, in pixels."""
    some = images[:500]
    apart = (some.float() - some.flip(3).float()).abs().flatten(1).mean(1)
    return some[apart.argsort(descending=True, stable=True)[:count].sort().values]


@unless_diverged(no_picture)
def draw_neighbours(
    experiment: Experiment, images: ImageSplits, domain_classifier: Weights, reference: References, generator: Weights
) -> ImageGrid:
    """Eight samples, each next to its nearest training images, whichever split is the reference."""
    recipe = experiment.recipe
    sampler = exported_sampler(recipe, generator, images=images)
    samples = generate_samples(sampler, recipe.seed, progress_of(generator))
    extractor = fastest(extractors_of(recipe.evaluation, device_of(recipe), domain_classifier))
    held = reference[extractor.name]
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress_of(generator))
    known, _ = held.train_and_test
    if known is None:
        raise EvaluationError(f"the reference {held.real.name} was made without training images; build it again")
    return neighbours_grid(samples, images.train, known, extractor, caption)


def neighbours_grid(
    samples: Tensor, real: ImageSet, known: ImageFeatures, extractor: FeatureExtractor, caption: str
) -> ImageGrid:
    """The first eight of `samples`, each next to the four images of `real` nearest in features, and in pixels.

    known: features of all of `real` by the extractor.
    """
    samples = samples[:NUM_QUERIES]
    features = features_of(extractor, samples, NUM_QUERIES, what="samples").features
    _, by_features = nearest(features, known.features.features, NUM_NEAREST)
    _, by_pixels = nearest(pixel_vectors(samples), pixel_vectors(real.images), NUM_NEAREST)
    near = zip(samples, by_features, by_pixels, strict=True)
    rows = [torch.cat([sample[None], real.images[one], real.images[other]]) for sample, one, other in near]
    legend = f"left: a sample; then the {NUM_NEAREST} images of {real.name} nearest in {extractor.name} features"
    return ImageGrid(
        torch.cat(rows), f"{caption}; {legend}; then the {NUM_NEAREST} nearest in pixels", columns=1 + 2 * NUM_NEAREST
    )
