"""Metrics of the discriminator: its accuracy, and how it separates training images from held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from papergan.data.images import ImageSet, ImageSplits
from papergan.extractors.feature_extractor import batches_of
from papergan.game.discriminator_input import ImagesOnly, Labelled, images_only
from papergan.game.game import Game
from papergan.game.priors import one_hot
from papergan.game.schedules import Progress
from papergan.image_range import to_model_range
from papergan.metrics.discriminator import discriminator_accuracy, membership_auc
from papergan.metrics.random_subsets import random_rows
from papergan.networks.layers.drawing import MinibatchDiscrimination
from papergan.networks.layers.equalised import MinibatchDeviation
from papergan.networks.style_based.growth import Growing

PURPOSE = "judged"  # in the seed of the random subset; changing it would change the subset


@torch.no_grad()
def measure_discriminator(
    game: Game,
    images: ImageSplits,
    *,
    count: int,
    seed: int,
    batch_size: int,
    training_batch_size: int,
    progress: Progress,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, float]:
    """Accuracy and gaps of the showcase's discriminator on `count` training, held-out and generated images each.

    Real images are drawn by `seed`, since sets may be sorted by class. Both networks are the raw ones, not averaged, in
    evaluation mode; images without augmentation. A class-conditional discriminator is given the class of each
    real image, and the class that each image was generated for; one that grows, real images at its level. One that
    compares the images of a batch is given full batches of `training_batch_size`, on which its scores depend, as in
    training. Empty for a discriminator of image and latent or of several packed images, whose score is not that of one
    image; for one whose scores are vectors, which have no order; and for one that is not trained.
    """
    given_to = game.showcase.discriminator_input or images_only
    labelled = isinstance(given_to, Labelled)
    if not isinstance(given_to, Labelled | ImagesOnly) or not discriminator_is_trained(game):
        return {}
    discriminator, classes = game.networks[game.showcase.discriminator], len(images.train.classes)
    compares = any(isinstance(layer, MinibatchDeviation | MinibatchDiscrimination) for layer in discriminator.modules())
    batch_size = training_batch_size if compares else batch_size
    was_training = discriminator.training
    discriminator.eval()

    def scores(batches: Iterable[Tensor], labels: Tensor | None) -> Tensor:
        found = list[Tensor]()
        for batch in batches:
            first = sum(map(len, found))
            given: tuple[Tensor, ...] = (batch.contiguous(memory_format=torch.channels_last),)
            if labels is not None:
                given += (one_hot(labels[first : first + len(batch)].to(game.device), classes),)
            found.append(discriminator(*given).score.float().cpu())
        return torch.cat(found)

    def full_batches(total: int) -> int:
        return total // batch_size * batch_size if compares and total > batch_size else total

    def shown(pixels: Tensor) -> Tensor:
        real = to_model_range(pixels.to(game.device))
        return discriminator.blended(real) if isinstance(discriminator, Growing) else real

    def of_real(real: ImageSet, split: str) -> Tensor:
        rows = random_rows(len(real), count, seed, PURPOSE, split)
        rows = rows[: full_batches(len(rows))]
        batches = batches_of(real.images[rows], batch_size, should_stop, what=f"{real.name} by the discriminator")
        return scores(map(shown, batches), real.labels[rows] if labelled else None)

    try:
        sampler, number = game.sampler(averaged=False), full_batches(min(count, len(images.train)))
        stream: Iterable[Tensor] = sampler.stream(number, seed=seed, progress=progress)
        stream = torch.cat(list(stream)) if compares else stream  # its parts have another size
        given = sampler.choices(number, seed=seed, progress=progress) if labelled else None
        fake = scores(batches_of(stream, batch_size, should_stop, what="samples"), given)
        if fake.ndim > 1:
            return {}
        train, held_out = of_real(images.train, "train"), of_real(images.test, "test")
    finally:
        discriminator.train(was_training)
    return {
        **discriminator_accuracy(train, fake).as_metrics(),
        "discriminator_held_out_gap": float(train.double().mean() - held_out.double().mean()),
        "membership_auc": membership_auc(train, held_out),
    }


def discriminator_is_trained(game: Game) -> bool:
    """Whether a turn updates the showcase's discriminator, or a part of it."""
    name = game.showcase.discriminator
    moved = {part for turn in game.turns for part in game.players[turn.player].networks}
    return any(part == name or part.startswith(f"{name}.") for part in moved)
